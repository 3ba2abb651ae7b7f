"""`intaglio bench --peers` over networks, widths and sizes: each model beside every peer on its float network.

Each run is a process of its own, so that no runtime meets the threads of another run.
``python benchmarks/peers.py swinir.w4a4.intaglio=swinir.pth rlfn.w8a8.intaglio=rlfn.pth --sizes 128x128 256x256
--records results/speed.jsonl``
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path


def pair(text: str) -> tuple[Path, Path]:
    """A packed model and the float checkpoint that its peers run, from ``MODEL=CHECKPOINT``."""
    model, found, checkpoint = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} names no checkpoint; write MODEL=CHECKPOINT")
    return Path(model), Path(checkpoint)


def main() -> None:
    """Run every model at every size; a run that fails is told at the end, after the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=pair, metavar="MODEL=CHECKPOINT")
    parser.add_argument("--sizes", nargs="+", default=["128x128", "256x256"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--records", type=Path, required=True)
    arguments = parser.parse_args()
    failed = []
    for model, checkpoint in arguments.models:
        for size in arguments.sizes:
            words = [str(model), "--peers", "--checkpoint", str(checkpoint), "--size", size]
            words += ["--rounds", str(arguments.rounds), "--records", str(arguments.records)]
            words += ["--threads", str(arguments.threads)] if arguments.threads else []
            if subprocess.run([sys.executable, "-m", "intaglio", "bench", *words], check=False).returncode:
                failed.append(f"{model} at {size}")
    if failed:
        sys.exit("failed: " + ", ".join(failed))


if __name__ == "__main__":
    main()
