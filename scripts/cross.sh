#!/bin/sh
# Compiles and links the core, by way of the fuzz driver, for systems that this machine is not, with zig's C++ compiler (package `ziglang`).
# usage: scripts/cross.sh [target...]; PYTHON names an interpreter that has the package. The first run builds a C++ library for each target.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
"$python" -m ziglang version >/dev/null || { echo "install it first: $python -m pip install ziglang" >&2; exit 2; }

[ $# -gt 0 ] || set -- aarch64-linux-gnu aarch64-macos x86_64-windows-gnu
for target in "$@"; do
  case $target in
    *-linux-*) system=Linux ;;
    *-macos*) system=Darwin ;;
    *-windows-*) system=Windows ;;
    *) echo "$target: no system that is known here" >&2; exit 2 ;;
  esac
  build=build/cross/$target
  mkdir -p "$build"
  for tool in c++ ar ranlib; do
    words=$tool
    [ $tool = c++ ] && words="c++ -target $target"
    printf '#!/bin/sh\nexec "%s" -m ziglang %s "$@"\n' "$python" "$words" >"$build/zig-$tool"
    chmod +x "$build/zig-$tool"
  done
  cmake -S . -B "$build" -DINTAGLIO_PYTHON=OFF -DINTAGLIO_FUZZ=ON -DCMAKE_SYSTEM_NAME=$system -DCMAKE_SYSTEM_PROCESSOR="${target%%-*}" \
    -DCMAKE_CXX_COMPILER="$PWD/$build/zig-c++" -DCMAKE_AR="$PWD/$build/zig-ar" -DCMAKE_RANLIB="$PWD/$build/zig-ranlib" \
    -DCMAKE_CXX_FLAGS=-Werror -DINTAGLIO_NEON=-mcpu=generic+dotprod >/dev/null  # zig names processors in its own way
  cmake --build "$build" --parallel 2
  ls -l "$build"/intaglio_fuzz*
done
