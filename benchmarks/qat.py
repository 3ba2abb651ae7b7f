"""OAQ against quantization-aware training (QAT): held-out PSNR-Y and time, on one machine, in one run.

    PYTHONPATH=src python -m benchmarks.qat --checkpoints WEIGHTS --calibration HR_PICTURES --set oaq.patch_size=48 \
        --records results/qat.jsonl

Calibrates OAQ and simpler methods on LR pictures that our bicubic makes of the HR pictures of a folder, then trains
weights and bounds on the same pictures against HR, until the training has reached the PSNR-Y of OAQ and has cost as
much, or its budget ends: what equal PSNR costs, and what equal time buys. The last 8 pictures by name are held out;
PSNR-Y is read on them alone, never on a test set. Times are of the quantization, without reading pictures and
validating. See docs/methods/oaq.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from benchmarks.aware.pairs import Pairs, mean_psnr, psnr_of, read_pairs
from benchmarks.aware.training import Learner, Point, Settings, Spent, Stop, first_at, now, train
from benchmarks.train_float import Lines

from intaglio.app.settings import parse_settings
from intaglio.arch import SRNetwork, load
from intaglio.errors import IntaglioError
from intaglio.evaluate import Calibration, Record, append_records
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.provenance import file_sha256
from intaglio.quant import QuantModel
from intaglio.spec import Coverage, QuantSpec

HELD_OUT = 8
"""Pictures by name, counted from the last, that only validation sees."""

RIVAL = "oaq"
"""What the training is measured against."""

PUBLISHED_UPDATES = 30_000
"""Of PAMS (Li et al., ECCV 2020), the QAT beside which OAQ's 75 times are claimed: 30 epochs of 1000 batches of 16
crops of 192 HR pixels, by its released code (`option.py`, `run.sh`, EDSR x4)."""

PUBLISHED_PIXELS = 16 * 192**2
"""HR pixels of one of those batches."""


@dataclass(frozen=True)
class Scene:
    """What all contenders share. `settings` are those of methods by their names, as far as they differ from theirs."""

    network: SRNetwork
    spec: QuantSpec
    seen: Pairs
    held_out: Pairs
    calibration: CalibrationSet
    settings: dict[str, dict[str, Any]]
    base: Record

    def run(self, name: str) -> tuple[QuantModel, Record]:
        """A method's model, and its record with time and held-out PSNR-Y; ``steps`` are those of its learning."""
        settings = self.settings.get(name, {})
        method = make_method(name, settings)
        began = now()
        found = quantize(
            self.network, self.spec, method, self.calibration, seed=self.base.seed or 0, progress=Lines(60.0)
        )
        spent = now() - began
        record = measured(self.base, psnr_of(found.model, self.held_out), spent)
        steps = int(found.metrics.get("iterations", 0))
        return found.model, replace(record, method=name, steps=steps, settings={**self.base.settings, **settings})


def measured(base: Record, psnr: dict[str, float], spent: Spent | None) -> Record:
    """The record with its metrics: PSNR-Y of each picture in dB and, for what takes time, both clocks in seconds."""
    times = {} if spent is None else {"processor_seconds": spent.processor}
    seconds = None if spent is None else spent.wall
    return replace(base, psnr_y=fmean(psnr.values()), seconds=seconds, extra={"psnr_y": psnr, **times})


def float_record(scene: Scene) -> Record:
    """The network before quantization."""
    nothing = {"weight_bits": None, "act_bits": None, "coverage": None, "granularity": None}
    base = replace(scene.base, method="float", calibration=None, seed=None, **nothing)
    return measured(base, psnr_of(scene.network, scene.held_out), None)


def run_training(
    scene: Scene, start: str, settings: Settings, rival: Record, every: int, budget: float
) -> list[Record]:
    """Train from the bounds of method `start`; records as `records_of`."""
    model, started = scene.run(start)
    assert rival.psnr_y is not None
    points = train(
        Learner(model, settings),
        scene.seen,
        settings,
        lambda: mean_psnr(model, scene.held_out),
        Stop(rival.psnr_y, spent_on(rival).processor, budget),
        every,
        spent=spent_on(started),
        on_point=lambda point: print(
            f"qat from {start}: step {point.step}, {point.spent.processor:.0f} s, {point.psnr_y:.3f} dB", flush=True
        ),
    )
    told = {**asdict(settings), "start": start, "loss": "L1 against HR", "every": every, "budget": budget}
    told |= scene.base.settings
    del told["seed"]
    base = replace(scene.base, method="qat", seed=settings.seed, settings=told)
    return records_of(points, base, rival)


def spent_on(record: Record) -> Spent:
    """Both clocks of a record that has them."""
    assert record.seconds is not None
    return Spent(record.seconds, float(record.extra["processor_seconds"]))


def records_of(points: Sequence[Point], base: Record, rival: Record) -> list[Record]:
    """The point of a training that reached the rival's PSNR-Y, if one did, and the last one with the whole curve.

    The last has ``curve`` (step, seconds, processor seconds, dB), ``reached``, ``seconds_per_step`` of the processor
    and, where batches are as large as published, what the published number of updates would take: ``extrapolated``, by
    multiplication.
    """
    assert rival.psnr_y is not None
    reached, last = first_at(points, rival.psnr_y), points[-1]
    found = [_record(base, reached, "PSNR-Y of oaq", {})] if reached else []
    curve = [[point.step, point.spent.wall, point.spent.processor, point.psnr_y] for point in points]
    extra: dict[str, Any] = {"curve": curve, "reached": reached is not None}
    if last.step:
        each = (last.spent - points[0].spent).processor / last.step
        extra["seconds_per_step"] = each
        if base.settings["batch"] * (base.settings["patch"] * base.scale) ** 2 == PUBLISHED_PIXELS:
            whole = points[0].spent.processor + PUBLISHED_UPDATES * each
            ratio = whole / spent_on(rival).processor
            extra["extrapolated"] = {"updates": PUBLISHED_UPDATES, "processor_seconds": whole, "times_oaq": ratio}
    return [*found, _record(base, last, "end", extra)]


def _record(base: Record, point: Point, until: str, extra: dict[str, Any]) -> Record:
    return replace(
        base,
        steps=point.step,
        psnr_y=point.psnr_y,
        seconds=point.spent.wall,
        settings={**base.settings, "until": until},
        extra={"processor_seconds": point.spent.processor, **extra},
    )


def scene_of(arguments: argparse.Namespace) -> Scene:
    """Everything read and split."""
    path = arguments.checkpoints / arguments.weights
    network = load(path)
    seen, held_out = read_pairs(arguments.calibration, network.scale, HELD_OUT)
    calibration = CalibrationSet(f"{arguments.calibration.name}, LR x{network.scale}", seen.lr)
    spec = QuantSpec(arguments.bits, arguments.bits, Coverage.FULL)
    base = Record(
        kind="qat",
        network=arguments.network or f"{network.architecture} x{network.scale}",
        scale=network.scale,
        method="",
        weights_sha256=file_sha256(path),
        weight_bits=arguments.bits,
        act_bits=arguments.bits,
        coverage=spec.coverage.value,
        granularity=spec.weight_granularity.value,
        calibration=Calibration(calibration.name, calibration.content_hash, len(calibration.pictures)),
        seed=arguments.seed,
        settings={"threads": arguments.threads},
        dataset=f"held out: last {HELD_OUT} of {arguments.calibration.name}",
    )
    return Scene(network, spec, seen, held_out, calibration, settings_of(arguments.set), base)


def settings_of(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Settings of methods from ``METHOD.NAME=VALUE``.

    >>> settings_of(["oaq.epochs=2", "oaq.step_unit=relative"])
    {'oaq': {'epochs': 2, 'step_unit': 'relative'}}
    """
    found: dict[str, dict[str, Any]] = {}
    for key, value in parse_settings(list(words)).items():
        method, _, name = key.partition(".")
        found.setdefault(method, {})[name] = value
    return found


def compare(arguments: argparse.Namespace) -> list[Record]:
    """All contenders one after another: records of kind ``qat``."""
    torch.set_num_threads(arguments.threads)
    scene = scene_of(arguments)
    records = [told(float_record(scene))]
    rival = told(scene.run(RIVAL)[1])
    records.append(rival)
    settings = Settings(arguments.batch, arguments.patch, arguments.weight_rate, arguments.bound_rate, arguments.seed)
    for start in arguments.starts:
        records += map(told, run_training(scene, start, settings, rival, arguments.every, arguments.budget))
    # Last, so that a run that is cut short has the comparison it was made for.
    records += [told(scene.run(name)[1]) for name in arguments.beside]
    return [with_ratio(record, rival) for record in records]


def with_ratio(record: Record, rival: Record) -> Record:
    """The record with ``times_oaq``, the ratio of processor seconds, if it took time."""
    if record.seconds is None:
        return record
    return replace(record, extra={**record.extra, "times_oaq": spent_on(record).processor / spent_on(rival).processor})


def told(record: Record) -> Record:
    """Print one line of a record and pass it on."""
    seconds = "" if record.seconds is None else f", {spent_on(record).processor:.1f} s ({record.seconds:.1f} s of wall)"
    print(
        f"{record.method} {dict(record.settings)}: {record.psnr_y:.3f} dB after {record.steps or 0} steps{seconds}",
        flush=True,
    )
    return record


def main(words: list[str] | None = None) -> int:
    """Measure, print, and append the records where asked; errors are one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder of float weights")
    parser.add_argument("--weights", default="rlfn_x4.pth", help="file in that folder")
    parser.add_argument("--network", help="name in records; default architecture and scale")
    parser.add_argument("--calibration", type=Path, required=True, help="folder of HR pictures")
    parser.add_argument("--bits", type=int, default=4, help="of weights and activations, coverage full")
    parser.add_argument("--set", action="append", default=[], metavar="METHOD.NAME=VALUE", help="a method's setting")
    parser.add_argument("--starts", nargs="+", default=["dobi", "minmax"], help="methods whose bounds QAT starts from")
    parser.add_argument(
        "--beside", nargs="*", default=["minmax", "percentile", "dobi", "dbdc-pac"], help="other methods"
    )
    parser.add_argument("--batch", type=int, default=Settings.batch)
    parser.add_argument("--patch", type=int, default=Settings.patch, help="LR pixels")
    parser.add_argument("--weight-rate", type=float, default=Settings.weight_rate)
    parser.add_argument("--bound-rate", type=float, default=Settings.bound_rate, help="in ranges of the bounds")
    parser.add_argument("--every", type=int, default=10, help="steps between validations")
    parser.add_argument("--budget", type=float, default=1800.0, help="processor seconds of one training at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--records", type=Path, help="JSONL file to append to")
    arguments = parser.parse_args(words)
    try:
        records = compare(arguments)
        if arguments.records:
            append_records(arguments.records, records)
    except IntaglioError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
