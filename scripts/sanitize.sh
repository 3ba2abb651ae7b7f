#!/bin/sh
# Builds the core without Python under the address and undefined-behaviour sanitizers and feeds it mutated programs.
# usage: scripts/sanitize.sh [number of programs [first seed]]; 0 programs: only builds
set -eu
cd "$(dirname "$0")/.."
cmake -S . -B build/sanitize -DINTAGLIO_PYTHON=OFF -DINTAGLIO_FUZZ=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -DINTAGLIO_SANITIZE=address,undefined
cmake --build build/sanitize --parallel 2
[ "${1:-2000}" = 0 ] || build/sanitize/intaglio_fuzz "${1:-2000}" "${2:-0}"
