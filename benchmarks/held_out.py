"""A method with several values of its settings on held-out calibration pictures: where hyper-parameters come from.

    PYTHONPATH=src python -m benchmarks.held_out CHECKPOINT --calibration HR_PICTURES --method engrave --bits 2 \
        --set iterations=40 --set batch=4 --vary bound_rate=0.01,0.03 --vary weight_rate=0.005,0.015 --crop 96

LR pictures are made of the HR pictures of a folder by our exact bicubic. The last 8 by name are held out: PSNR-Y is
read on them alone, never on a test set. With ``--against float`` the folder holds LR pictures, the last 10 are held
out, and the reference is the float network's output: nothing that a method does not see is needed. With ``--crop`` only
the middle of each counts, which is enough to rank settings and keeps a transformer's evaluation short. Every
combination of the values of ``--vary`` is quantized and measured.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from benchmarks.aware.pairs import middle, psnr_of, read_pairs
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.analyze.pairs import LUMA
from intaglio.app.settings import parse_settings
from intaglio.arch import load
from intaglio.bench.compare import as_batch
from intaglio.errors import DatasetError, IntaglioError
from intaglio.evaluate import Calibration, Record, append_records, learning_steps
from intaglio.images import list_images, read_image
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.observe.calibration import Picture
from intaglio.provenance import file_sha256
from intaglio.spec import Coverage, QuantSpec

HELD_OUT = {"hr": 8, "float": 10}
"""Pictures by name, counted from the last, that only judging sees, by what they are held against."""


@dataclass(frozen=True)
class Judged:
    """PSNR-Y in dB by picture, and what else was measured."""

    psnr: Mapping[str, float]
    extra: Mapping[str, float] = field(default_factory=dict)


Judge = Callable[[nn.Module], Judged]


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


def against_hr(folder: Path, scale: int, crop: int) -> tuple[tuple[Picture, ...], Judge]:
    """LR pictures to calibrate on, and PSNR-Y to held-out HR pictures."""
    seen, held_out = read_pairs(folder, scale, HELD_OUT["hr"])
    if crop:
        held_out = middle(held_out, crop)
    return seen.lr, lambda network: Judged(psnr_of(network, held_out))


def against_float(folder: Path, network: nn.Module, crop: int) -> tuple[tuple[Picture, ...], Judge]:
    """The same against the float network's output, before it is rounded; ``squared_error`` is the mean over RGB.

    Raises: DatasetError for a folder of too few pictures (remedy: a larger one).
    """
    paths = list_images(folder)
    count = HELD_OUT["float"]
    if len(paths) <= count:
        raise DatasetError(f"{folder} has {len(paths)} pictures and {count} are held out; name a larger folder.")
    pictures = [read_image(path, expand_gray=True) for path in paths]
    inputs = {
        path.stem: _centre(picture, crop) for path, picture in zip(paths[-count:], pictures[-count:], strict=True)
    }
    with torch.no_grad():
        wanted = {name: network(x) for name, x in inputs.items()}

    @torch.no_grad()
    def judge(tried: nn.Module) -> Judged:
        found = {name: tried(x) for name, x in inputs.items()}
        luma = {name: float((_luma(found[name]) - _luma(wanted[name])).square().mean()) for name in inputs}
        error = fmean(float((found[name] - wanted[name]).square().mean()) for name in inputs)
        psnr = {name: -10.0 * math.log10(value) if value else math.inf for name, value in luma.items()}
        return Judged(psnr, {"squared_error": error})

    return tuple(pictures[:-count]), judge


def _centre(picture: Picture, size: int) -> Float[Tensor, "1 c h w"]:
    height, width = picture.shape[:2]
    rows, columns = (min(size or side, side) for side in (height, width))
    y, x = (height - rows) // 2, (width - columns) // 2
    return torch.from_numpy(as_batch(picture[y : y + rows, x : x + columns]))


def _luma(rgb: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 h w"]:
    weights = torch.tensor(LUMA).view(1, 3, 1, 1)
    return (rgb.clamp(0.0, 1.0) * weights).sum(1)


def measured(arguments: argparse.Namespace) -> Iterator[Record]:
    """The float network, then one record for each combination: kind ``held-out``."""
    network = load(arguments.checkpoint)
    folder, crop = arguments.calibration, arguments.crop
    if arguments.against == "float":
        pictures, judge = against_float(folder, network.eval(), crop)
    else:
        pictures, judge = against_hr(folder, network.scale, crop)
    calibration = CalibrationSet(f"{folder.name}, LR x{network.scale}", pictures)
    spec = QuantSpec(arguments.bits, arguments.bits, Coverage(arguments.coverage))
    held_out = f"last {HELD_OUT[arguments.against]} of {folder.name}" + (f", middle {crop}" if crop else "")
    held_out += ", against the float output" if arguments.against == "float" else ""
    base = Record(
        kind="held-out",
        network=arguments.network or arguments.checkpoint.stem,
        scale=network.scale,
        method="float",
        weights_sha256=file_sha256(arguments.checkpoint),
        dataset=f"held out: {held_out}",
    )
    if arguments.against == "hr":
        yield _judged(base, judge(network))
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
        yield _judged(record, judge(made.model))


def _judged(record: Record, found: Judged) -> Record:
    return replace(
        record, psnr_y=fmean(found.psnr.values()), extra={**record.extra, **found.extra, "psnr_y": dict(found.psnr)}
    )


def main(words: list[str] | None = None) -> int:
    """Measure, print, append the records where asked; errors are one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--network", help="name in records; default the file's")
    parser.add_argument("--calibration", type=Path, required=True, help="folder of HR pictures, or of LR ones")
    parser.add_argument("--against", choices=list(HELD_OUT), default="hr", help="HR pictures, or the float output")
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
            error = record.extra.get("squared_error")
            beside = "" if error is None else f", squared error {error:.3e}"
            shown = varied if record.steps is not None else ""
            print(f"{record.method} {shown}: {record.psnr_y:.3f} dB{beside}", flush=True)
            if arguments.records:
                append_records(arguments.records, [record])
    except IntaglioError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
