"""Run in an environment that has the base install only (`make test-without-torch`): packed models run there.

A plain script, because pytest is not in that environment.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from intaglio.images import dead_leaves, read_image, write_image
from intaglio.packed.examples import random_program
from intaglio.packed.format import save


def intaglio(*words: object) -> str:
    command = [str(Path(sys.executable).with_name("intaglio")), *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    if find_spec("torch") is not None:
        sys.exit("torch is installed in this environment; the test would show nothing. Remove the environment.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(random_program(np.random.default_rng(0)), folder / "model.intaglio")
        write_image(folder / "picture.png", dead_leaves(13, 21, seed=0))
        print(intaglio("version"))
        for backend in ("native", "reference"):
            output = folder / f"{backend}.png"
            print(
                intaglio(
                    "upscale", folder / "model.intaglio", folder / "picture.png", "-o", output, "--backend", backend
                )
            )
        native, reference = (read_image(folder / f"{backend}.png").astype(int) for backend in ("native", "reference"))
        if native.shape != (26, 42, 3) or np.abs(native - reference).max() > 1:
            sys.exit("the native core and the reference give different pictures")
        failed = subprocess.run(
            [sys.executable, "-m", "intaglio", "quantize", "x.pth"], check=False, capture_output=True, text=True
        )
        if failed.returncode != 2 or "pip install 'intaglio[quant]'" not in failed.stderr:
            sys.exit(f"quantizing without torch should name the remedy, but said: {failed.stderr}")
    print("packed models run without torch")


if __name__ == "__main__":
    main()
