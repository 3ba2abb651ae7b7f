"""A method with several values of its settings on held-out calibration pictures: where hyper-parameters come from.

    PYTHONPATH=src python -m benchmarks.held_out CHECKPOINT --calibration HR_PICTURES --method engrave --bits 2 \
        --set iterations=40 --set batch=4 --vary bound_rate=0.01,0.03 --vary weight_rate=0.005,0.015 --crop 96

LR pictures are made of the HR pictures of a folder by our exact bicubic. The last 8 by name are held out: PSNR-Y is
read on them alone, never on a test set. With ``--crop`` only the middle of each counts, which is enough to rank
settings and keeps a transformer's evaluation short. Every combination of the values of ``--vary`` is quantized and
measured.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.aware.pairs import middle, psnr_of, read_pairs

from intaglio.app.settings import parse_settings
from intaglio.arch import load
from intaglio.errors import IntaglioError
from intaglio.evaluate import Calibration, Record, append_records, learning_steps
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.provenance import file_sha256
from intaglio.spec import Coverage, QuantSpec

HELD_OUT = 8
"""Pictures by name, counted from the last, that only judging sees."""


def combinations(varied: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every choice of one value for each ``KEY=A,B,...``.

    >>> [list(one.values()) for one in combinations(["a=1,2", "b=x"])]
    [[1, 'x'], [2, 'x']]
    """
    choices = []
    for word in varied:
        key, _, values = word.partition("=")
        choices.append([parse_settings([f"{key}={value}"]) for value in values.split(",")])
    for chosen in itertools.product(*choices):
        yield {key: value for one in chosen for key, value in one.items()}


def measured(arguments: argparse.Namespace) -> Iterator[Record]:
    """The float network, then one record for each combination: kind ``held-out``."""
    network = load(arguments.checkpoint)
    seen, held_out = read_pairs(arguments.calibration, network.scale, HELD_OUT)
    if arguments.crop:
        held_out = middle(held_out, arguments.crop)
    calibration = CalibrationSet(f"{arguments.calibration.name}, LR x{network.scale}", seen.lr)
    spec = QuantSpec(arguments.bits, arguments.bits, Coverage(arguments.coverage))
    crop = f", middle {arguments.crop}" if arguments.crop else ""
    base = Record(
        kind="held-out",
        network=arguments.network or arguments.checkpoint.stem,
        scale=network.scale,
        method="float",
        weights_sha256=file_sha256(arguments.checkpoint),
        dataset=f"held out: last {HELD_OUT} of {arguments.calibration.name}{crop}",
    )
    yield _judged(base, psnr_of(network, held_out))
    for varied in combinations(arguments.vary):
        settings = {**parse_settings(arguments.set), **varied}
        method = make_method(arguments.method, settings)
        settings = asdict(method)  # type: ignore[call-overload]
        began = time.process_time()
        made = quantize(network, spec, method, calibration, seed=arguments.seed)
        spent = time.process_time() - began
        record = replace(
            base,
            method=arguments.method,
            weight_bits=arguments.bits,
            act_bits=arguments.bits,
            coverage=spec.coverage.value,
            granularity=spec.weight_granularity.value,
            calibration=Calibration(calibration.name, calibration.content_hash, len(calibration.pictures)),
            steps=learning_steps(settings),
            seed=arguments.seed,
            settings=settings,
            extra={**made.metrics, "processor_seconds": spent},
        )
        yield _judged(record, psnr_of(made.model, held_out))


def _judged(record: Record, psnr: dict[str, float]) -> Record:
    return replace(record, psnr_y=fmean(psnr.values()), extra={**record.extra, "psnr_y": psnr})


def main(words: list[str] | None = None) -> int:
    """Measure, print, append the records where asked; errors are one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--network", help="name in records; default the file's")
    parser.add_argument("--calibration", type=Path, required=True, help="folder of HR pictures")
    parser.add_argument("--method", default="engrave")
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--coverage", choices=list(Coverage), default=Coverage.PAPER)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting for all")
    parser.add_argument("--vary", action="append", default=[], metavar="KEY=A,B", help="values that are compared")
    parser.add_argument("--crop", type=int, default=0, help="LR pixels in the middle of held-out pictures; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--records", type=Path, help="JSONL file to append to")
    arguments = parser.parse_args(words)
    try:
        for record in measured(arguments):
            varied = {key: record.settings.get(key) for one in combinations(arguments.vary) for key in one}
            print(f"{record.method} {varied if record.steps is not None else ''}: {record.psnr_y:.3f} dB", flush=True)
            if arguments.records:
                append_records(arguments.records, [record])
    except IntaglioError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
