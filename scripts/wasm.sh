#!/bin/sh
# The core as a WebAssembly module, build/wasm/intaglio.wasm. Needs emscripten (Debian's 3.1.6 does) and ninja. usage: scripts/wasm.sh
set -eu
cd "$(dirname "$0")/.."
if ! command -v emcc >/dev/null; then
  echo "emscripten is not on this machine; install it (apt-get install emscripten)" >&2
  exit 1
fi
emcmake cmake -S . -B build/wasm -G Ninja -DINTAGLIO_PYTHON=OFF -DINTAGLIO_PROBE=OFF >/dev/null
cmake --build build/wasm --target intaglio_wasm -- "${@:--j2}"
ls -l build/wasm/intaglio.wasm
