"""What a step of learning costs beside a forward and a backward pass of the float network on the same crops.

    PYTHONPATH=src python -m benchmarks.learning_step CHECKPOINT --calibration LR_PICTURES --method engrave

A method learns as it always does, teacher included, each crop seen for the first time; after each of its steps the
float network runs once forward and backward with gradients of all its parameters, so that both meet the same machine.
The figure is the ratio of the least times of the two.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from torch import Tensor

from intaglio.arch import SRNetwork, load
from intaglio.errors import IntaglioError
from intaglio.evaluate import Record, append_records
from intaglio.methods import make_method, quantize
from intaglio.methods.registry import entry_of
from intaglio.observe import CalibrationSet
from intaglio.progress import Advance
from intaglio.provenance import file_sha256
from intaglio.spec import Coverage, QuantSpec


@dataclass
class Turns:
    """Progress that lets `other` run after each step of the stage of learning. Times in seconds, in order."""

    other: Callable[[], object]
    learning: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """A stage that is timed if it learns."""
        del total
        began = time.perf_counter()

        def advance(figure: str) -> None:
            nonlocal began
            del figure
            if name == "distillation":
                ended = time.perf_counter()
                self.learning.append(ended - began)
                self.other()
                self.others.append(time.perf_counter() - ended)
                began = time.perf_counter()

        yield advance


def float_step(network: SRNetwork, crops: Tensor) -> Callable[[], None]:
    """One forward and one backward pass with gradients of all parameters."""

    def run() -> None:
        network.zero_grad(set_to_none=True)
        with torch.enable_grad():
            network.requires_grad_(True)
            network(crops).abs().mean().backward()
        # The method's teacher is this network.
        network.requires_grad_(False)

    return run


def measured(arguments: argparse.Namespace) -> Record:
    """One method's record: kind ``speed``, seconds of its step; beside it the float step and the ratio."""
    network = load(arguments.checkpoint).requires_grad_(False)
    calibration = CalibrationSet.from_folder(arguments.calibration)
    made_for = {one.name for one in fields(entry_of(arguments.method).make)}  # type: ignore[arg-type]
    wanted = {
        "iterations": arguments.steps,
        "batch": arguments.batch,
        "pool": arguments.steps * arguments.batch,
        "crop_size" if "crop_size" in made_for else "patch_size": arguments.size,
        "patches": 1,
    }
    settings = {key: value for key, value in wanted.items() if key in made_for}
    turns = Turns(float_step(network, calibration.patches(arguments.batch, arguments.size, seed=0)))
    spec = QuantSpec(arguments.bits, arguments.bits, Coverage(arguments.coverage))
    quantize(network, spec, make_method(arguments.method, settings), calibration, progress=turns)
    if len(turns.learning) < 2:
        raise IntaglioError(f"{arguments.method} took fewer than two steps; name a method that learns.")
    # The first step of either allocates.
    ours, floats = min(turns.learning[1:]), min(turns.others[1:])
    return Record(
        kind="speed",
        network=arguments.network or arguments.checkpoint.stem,
        scale=network.scale,
        method=arguments.method,
        weights_sha256=file_sha256(arguments.checkpoint),
        weight_bits=arguments.bits,
        act_bits=arguments.bits,
        coverage=spec.coverage.value,
        granularity=spec.weight_granularity.value,
        steps=arguments.steps,
        seed=0,
        settings={"what": "learning step", "threads": torch.get_num_threads(), **settings},
        seconds=ours,
        extra={"float_step_seconds": floats, "ratio": ours / floats},
    )


def main(words: list[str] | None = None) -> int:
    """Measure, print, append the record where asked; errors are one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--network", help="name in records; default the file's")
    parser.add_argument("--calibration", type=Path, required=True, help="folder of LR pictures")
    parser.add_argument("--method", default="engrave")
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--coverage", choices=list(Coverage), default=Coverage.PAPER)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=32, help="side of a crop in LR pixels")
    parser.add_argument("--threads", type=int, help="default torch's")
    parser.add_argument("--records", type=Path, help="JSONL file to append to")
    arguments = parser.parse_args(words)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        record = measured(arguments)
    except IntaglioError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    seconds, extra = record.seconds, record.extra
    print(f"{record.method}: {seconds:.3f} s, float {extra['float_step_seconds']:.3f} s, ratio {extra['ratio']:.2f}")
    if arguments.records:
        append_records(arguments.records, [record])
    return 0


if __name__ == "__main__":
    sys.exit(main())
