"""Train a float super-resolution network on a folder of photographs, in pieces of a few minutes.

Put the photographs into one file first (under 60 MiB of tiles at three quarters of their size):

    PYTHONPATH=src python -m benchmarks.train_float prepare PHOTOS tiles.npz --shrink 3/4 --side 252 --limit-mib 60

The last 8 pictures by name are held out: they are validated on and never trained on. Then run this as often as
needed; each call goes on where the last one stopped, and writes the weights as they are:

    PYTHONPATH=src python -m benchmarks.train_float train tiles.npz --network swinir-light --scale 2 --minutes 9 \
        --state x2.pt --weights x2.safetensors --records training.jsonl

Scales 3 and 4 go on from the weights of scale 2 with ``--start x2.safetensors``. See docs/training.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import torch
from benchmarks.training.crops import Crops
from benchmarks.training.loop import Rhythm, begin, train
from benchmarks.training.networks import NETWORKS, continue_from, fresh
from benchmarks.training.pictures import HELD_OUT, TileSet, prepare
from benchmarks.training.result import record_of, save_weights
from benchmarks.training.settings import Schedule, Settings
from benchmarks.training.state import identity

from intaglio.arch import load
from intaglio.errors import IntaglioError
from intaglio.evaluate import append_records
from intaglio.progress import Advance

MIB = 1 << 20


class Lines:
    """Progress as a line every `every` seconds."""

    def __init__(self, every: float = 15.0) -> None:
        self.every = every

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Tell of the figures that steps report."""
        written, done = time.monotonic(), 0

        def advance(figure: str) -> None:
            nonlocal written, done
            done += 1
            if figure and time.monotonic() - written >= self.every:
                written = time.monotonic()
                print(f"{name}: {done} steps now, {total - done} left, {figure}", flush=True)

        yield advance


def main(words: list[str] | None = None) -> int:
    """Run one command; errors are one line."""
    arguments = _parser().parse_args(words)
    try:
        return int(arguments.run(arguments) or 0)
    except IntaglioError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def run_prepare(arguments: argparse.Namespace) -> None:
    """Photographs to tiles in one file."""
    limit = None if arguments.limit_mib is None else int(arguments.limit_mib * MIB)
    tiles = prepare(
        arguments.photos, side=arguments.side, shrink=arguments.shrink, limit=limit, held_out=arguments.held_out
    )
    size = tiles.save(arguments.tiles)
    print(
        f"{arguments.tiles}: {len(tiles.train)} tiles to train on and {len(tiles.held_out)} held out, "
        f"{tiles.side} x {tiles.side} pixels, {size / MIB:.1f} MiB, sha256 {tiles.sha256[:16]}"
    )


def run_train(arguments: argparse.Namespace) -> None:
    """Go on with a run for so many minutes, then write weights and, at its end, a record."""
    deadline = time.monotonic() + 60.0 * arguments.minutes
    device = torch.device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.set_float32_matmul_precision("high")
    settings = Settings(**{one.name: getattr(arguments, one.name) for one in fields(Settings)})
    tiles = TileSet.load(arguments.tiles)
    network = fresh(NETWORKS[settings.network], settings.scale, settings.seed)
    if arguments.start is not None:
        kept = continue_from(network, load(arguments.start))
        print(f"started from {arguments.start}; new: {', '.join(kept) or 'nothing'}")
    run = begin(network, settings, identity(settings, tiles.sha256, network.state_dict()), device)
    if arguments.state.exists():
        run.restore(arguments.state, device)
    crops = Crops(tiles.train, settings.scale, settings.patch, device)
    rhythm = Rhythm(deadline, arguments.validate_every)
    compiled = torch.compile if arguments.compile else (lambda module: module)
    train(run, settings, crops, tiles.held_out, rhythm, arguments.state, Lines(), compiled)
    save_weights(run, settings, arguments.weights)
    last = f"{run.validation[-1][1]:.3f} dB at step {run.validation[-1][0]}" if run.validation else "none yet"
    print(f"step {run.step} of {settings.steps}, {run.seconds:.0f} s of steps; held-out PSNR-Y {last}")
    if arguments.records is not None and run.step == settings.steps:
        append_records(arguments.records, [record_of(run, settings, tiles, arguments.weights, device)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("prepare", help="photographs to one file of tiles")
    one.set_defaults(run=run_prepare)
    one.add_argument("photos", type=Path)
    one.add_argument("tiles", type=Path)
    one.add_argument("--side", type=int, default=336, help="HR pixels, a multiple of 12")
    one.add_argument("--shrink", type=Fraction, default=Fraction(1), help="resize photographs first, e.g. 1/2")
    one.add_argument("--limit-mib", type=float, help="most MiB of tiles")
    one.add_argument("--held-out", type=int, default=HELD_OUT, help="pictures by name, from the last")
    two = commands.add_parser("train", help="train for some minutes")
    two.set_defaults(run=run_train)
    two.add_argument("tiles", type=Path)
    two.add_argument("--network", choices=NETWORKS, required=True)
    two.add_argument("--scale", type=int, choices=(2, 3, 4), required=True)
    two.add_argument("--state", type=Path, required=True, help="where the run is kept between calls")
    two.add_argument("--weights", type=Path, required=True, help="averaged weights, .safetensors")
    two.add_argument("--start", type=Path, help="weights of the same network at another scale")
    two.add_argument("--records", type=Path, help="append a record when the last step is done")
    two.add_argument("--minutes", type=float, default=9.0, help="stop and save after so many")
    two.add_argument("--schedule", type=Schedule, choices=list(Schedule), default=Settings.schedule)
    for name in ("steps", "batch", "patch", "learning_rate", "average", "seed"):
        default = getattr(Settings, name)
        two.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    two.add_argument("--validate-every", type=int, default=5000, help="steps between validations")
    two.add_argument("--device", help="default cuda where there is one")
    two.add_argument("--compile", action="store_true", help="torch.compile the network")
    return parser


if __name__ == "__main__":
    sys.exit(main())
