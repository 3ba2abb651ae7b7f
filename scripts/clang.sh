#!/bin/sh
# Clang must compile the core without a warning. Syntax and templates only: no code is made, which takes seconds. usage: scripts/clang.sh
set -eu
cd "$(dirname "$0")/.."
if ! command -v clang++ >/dev/null; then
  # Installed where that may be; a machine without network or without the right to install goes on.
  (apt-get install -y --no-install-recommends clang || (apt-get update && apt-get install -y --no-install-recommends clang)) >/dev/null 2>&1 || true
fi
if ! command -v clang++ >/dev/null; then
  echo "SKIPPED: no clang++ on this machine, and it cannot be installed; warnings of clang go unseen here"
  exit 0
fi
if ! command -v cmake >/dev/null; then
  echo "SKIPPED: no cmake on this machine; warnings of clang go unseen here"
  exit 0
fi
cmake -S . -B build/clang -DCMAKE_CXX_COMPILER=clang++ -DINTAGLIO_PYTHON=OFF -DINTAGLIO_FUZZ=ON -DINTAGLIO_PROBE=ON \
  -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >/dev/null
"${PYTHON:-python3}" - <<'PYTHON'
import json, pathlib, shlex, subprocess, sys

units = json.loads(pathlib.Path("build/clang/compile_commands.json").read_text())
failed = [
    unit["file"]
    for unit in units
    if subprocess.run([*shlex.split(unit["command"]), "-fsyntax-only", "-Werror"], cwd=unit["directory"]).returncode
]
sys.exit(f"clang warns in {', '.join(failed)}" if failed else print(f"clang: no warning in {len(units)} units"))
PYTHON
