"""One quantized network run four ways: the simulator in torch, the program in numpy, and the native core on two widths.

What differs is the rounding of floats between integer products; a code near a boundary may flip, and flips echo. Shown
is PSNR-Y on a test set for each way and width, and the largest difference to the simulator.
``python benchmarks/agreement.py CHECKPOINT --data TESTSETS --records results/agreement.jsonl``
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from intaglio.arch import SRNetwork, load
from intaglio.evaluate import Calibration, Record, Upscaler, append_records, evaluate, load_dataset
from intaglio.evaluate.protocol import PROTOCOL
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.lower import lower
from intaglio.lower.lower import simulator
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.provenance import file_sha256
from intaglio.quant import QuantModel
from intaglio.runtime.engine import Engine
from intaglio.runtime.reference import Reference
from intaglio.spec import QuantSpec


def ways(model: QuantModel, network: SRNetwork) -> Iterator[tuple[str, Upscaler]]:
    """The same quantized network by name of what runs it; the simulator first."""
    program = lower(model)
    yield "simulator", TorchUpscaler(simulator(model), network.scale)
    yield "reference", Reference(program)
    for isa in (None, "avx2"):
        os.environ.pop("INTAGLIO_ISA", None)
        if isa:
            os.environ["INTAGLIO_ISA"] = isa
        engine = Engine(program, backend="native")
        yield engine.backend, engine


def measured(arguments: argparse.Namespace, bits: int) -> Iterator[Record]:
    """One record for each way to run a network of the given width."""
    network = load(arguments.checkpoint)
    pictures, spec = CalibrationSet.synthetic(32, 128, seed=arguments.seed), QuantSpec(bits, bits)
    model = quantize(network, spec, make_method("dobi"), pictures).model
    dataset = load_dataset(arguments.data, arguments.set, network.scale)
    for name, upscaler in ways(model, network):
        found = evaluate(upscaler, dataset)
        print(f"{bits} bits, {name}: {found.psnr_y:.4f} dB, SSIM {found.ssim_y:.5f}", flush=True)
        yield Record(
            kind="agreement",
            network=arguments.checkpoint.stem,
            scale=network.scale,
            method="dobi",
            weights_sha256=file_sha256(arguments.checkpoint),
            weight_bits=bits,
            act_bits=bits,
            coverage=spec.coverage.value,
            granularity=spec.weight_granularity.value,
            calibration=Calibration(pictures.name, pictures.content_hash, len(pictures.pictures)),
            seed=arguments.seed,
            settings={"run by": name},
            dataset=dataset.name,
            protocol=PROTOCOL,
            psnr_y=found.psnr_y,
            ssim_y=found.ssim_y,
            per_image={score.name: (score.psnr_y, score.ssim_y) for score in found.scores},
        )


def main() -> None:
    """Measure, print the differences, and append the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", default="Set5")
    parser.add_argument("--seed", type=int, default=0, help="of the calibration pictures: another quantized network")
    parser.add_argument("--bits", type=int, nargs="+", default=[2, 3, 4, 8])
    parser.add_argument("--records", type=Path, help="JSONL file to append to")
    arguments = parser.parse_args()
    for bits in arguments.bits:
        records = list(measured(arguments, bits))
        figures = [record.psnr_y or 0.0 for record in records]
        worst = max(abs(figure - figures[0]) for figure in figures)
        print(f"{bits} bits: at most {worst:.4f} dB from the simulator", flush=True)
        if arguments.records is not None:
            append_records(arguments.records, [replace(record, extra={"difference": worst}) for record in records])


if __name__ == "__main__":
    main()
