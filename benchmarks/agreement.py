"""One quantized network run several ways: the simulator in torch, the program in numpy, the native core on two widths.

All but the simulator run what was packed to a file and read again. What differs is the rounding of floats between
integer products; a code near a boundary may flip, and flips echo. Shown is PSNR-Y on a test set for each method, width
and way, and the largest difference to the simulator.
``python benchmarks/agreement.py CHECKPOINT --data TESTSETS --records results/agreement.jsonl``
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from intaglio.app.calibrating import CalibrationSource, calibration_set
from intaglio.app.quantizing import Quantization, Recipe, quantize, save
from intaglio.app.settings import parse_settings, settings_for
from intaglio.arch import SRNetwork, load
from intaglio.errors import IntaglioError
from intaglio.evaluate import Calibration, Record, Upscaler, append_records, evaluate, learning_steps, load_dataset
from intaglio.evaluate.protocol import PROTOCOL
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.lower.lower import simulator
from intaglio.packed.format import load as load_packed
from intaglio.provenance import file_sha256
from intaglio.runtime.engine import Engine
from intaglio.runtime.reference import Reference
from intaglio.spec import Coverage, QuantSpec

WAYS = ("reference", "native", "avx2")
"""What can run a packed file; each is held against the simulator."""


def ways(made: Quantization, network: SRNetwork, names: Sequence[str]) -> Iterator[tuple[str, Upscaler]]:
    """The same quantized network by name of what runs it; the simulator first."""
    yield "simulator", TorchUpscaler(simulator(made.model, made.recipe.float_dtype), network.scale)
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "model.intaglio"
        save(made, packed)
        program = load_packed(packed).program
    for name in names:
        if name == "reference":
            yield name, Reference(program)
            continue
        os.environ.pop("INTAGLIO_ISA", None)
        if name != "native":
            os.environ["INTAGLIO_ISA"] = name
        engine = Engine(program, backend="native")
        yield engine.backend, engine


def measured(arguments: argparse.Namespace, method: str, bits: int) -> list[Record]:
    """One record for each way to run a network that a method quantized to the given width; the simulator's first."""
    network = load(arguments.checkpoint)
    pictures = calibration_set(
        CalibrationSource(source=arguments.calibration, hold_out=arguments.hold_out, seed=arguments.seed)
    )
    settings = settings_for(method, parse_settings(arguments.set), arguments.methods)
    recipe = Recipe(QuantSpec(bits, bits, Coverage(arguments.coverage)), method, settings, seed=arguments.seed)
    made = quantize(network, recipe, pictures, checked=False)
    dataset = load_dataset(arguments.data, arguments.dataset, network.scale)
    base = Record(
        kind="agreement",
        network=arguments.network or arguments.checkpoint.stem,
        scale=network.scale,
        method=method,
        weights_sha256=file_sha256(arguments.checkpoint),
        weight_bits=bits,
        act_bits=bits,
        coverage=recipe.spec.coverage.value,
        granularity=recipe.spec.weight_granularity.value,
        calibration=Calibration(pictures.name, pictures.content_hash, len(pictures.pictures)),
        steps=learning_steps(recipe.resolved()["settings"]),
        seed=arguments.seed,
        dataset=dataset.name,
        protocol=PROTOCOL,
    )
    records = []
    for name, upscaler in ways(made, network, arguments.ways):
        found = evaluate(upscaler, dataset)
        print(f"{bits} bits, {method}, {name}: {found.psnr_y:.4f} dB, SSIM {found.ssim_y:.5f}", flush=True)
        scores = {score.name: (score.psnr_y, score.ssim_y) for score in found.scores}
        told = {**settings, "run by": name}
        records.append(replace(base, settings=told, psnr_y=found.psnr_y, ssim_y=found.ssim_y, per_image=scores))
    return records


def with_difference(records: Sequence[Record]) -> list[Record]:
    """The records with ``difference``, the largest distance of any way from the first, in dB."""
    figures = [record.psnr_y or 0.0 for record in records]
    worst = max(abs(figure - figures[0]) for figure in figures)
    return [replace(record, extra={**record.extra, "difference": worst}) for record in records]


def main(words: list[str] | None = None) -> int:
    """Measure, print the differences, and append the records where asked; a method that is refused is told of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--network", help="name in records; default the file's")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dataset", default="Set5")
    parser.add_argument("--methods", nargs="+", default=["dobi"])
    parser.add_argument("--set", action="append", default=[], metavar="[METHOD.]KEY=VALUE", help="a method's setting")
    parser.add_argument("--coverage", choices=list(Coverage), default=Coverage.PAPER)
    parser.add_argument("--calibration", default="synthetic", help="folder of LR pictures, or 'synthetic'")
    parser.add_argument("--hold-out", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of the calibration pictures: another quantized network")
    parser.add_argument("--bits", type=int, nargs="+", default=[2, 3, 4, 8])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--records", type=Path, help="JSONL file to append to")
    arguments = parser.parse_args(words)
    for bits in arguments.bits:
        for method in arguments.methods:
            try:
                records = with_difference(measured(arguments, method, bits))
            except IntaglioError as error:
                print(f"{bits} bits, {method}: {error}", file=sys.stderr, flush=True)
                continue
            print(f"{bits} bits, {method}: {records[0].extra['difference']:.4f} dB from the simulator", flush=True)
            if arguments.records is not None:
                append_records(arguments.records, records)
    return 0


if __name__ == "__main__":
    sys.exit(main())
