#!/bin/sh
# Cross-compiles the core for 64-bit ARM and runs the fuzz driver in emulation: the NEON kernels meet the same programs as the others.
# Needs g++-aarch64-linux-gnu and qemu-user. usage: scripts/neon.sh [number of programs]
set -eu
cd "$(dirname "$0")/.."
cmake -S . -B build/neon -DINTAGLIO_PYTHON=OFF -DINTAGLIO_FUZZ=ON -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_EXE_LINKER_FLAGS=-static
cmake --build build/neon --parallel 2
qemu-aarch64 build/neon/intaglio_fuzz "${1:-200}"
