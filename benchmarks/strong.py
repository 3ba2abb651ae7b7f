"""Published networks from float weights to the engine: float PSNR, files, simulator beside engine, export, speed.

A cell is a network at one width; its parts are measured one after another and appended to the records as they come, so
that a run can be stopped at any time and goes on where it was. Cells stand in order of worth; ``--cells`` bounds a run.
``python benchmarks/strong.py WEIGHTS --data TESTSETS --calibration DIR --packed DIR --records results/strong.jsonl``

- ``float``: PSNR-Y of the float network (once for each network);
- ``sites``: quantized and checked alone: the codes that arrive at each site, and the picture, of a program that is held
  to the simulator's values at every site (part of ``engine`` too);
- ``engine``: quantized, checked site by site, written as by ``intaglio quantize``; the file's bytes; PSNR-Y of the
  engine;
- ``simulator``: PSNR-Y of the simulator on the same test set, which takes longest, and how far it is from the engine's;
- ``speed``: the engine and the peers in turn on one picture, one thread;
- ``onnxruntime``, ``openvino``: the file that ``intaglio export`` writes for that runtime, on the same test set, with
  the share of products that ran in integers.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from intaglio.app.calibrating import CalibrationSource, calibration_set
from intaglio.app.exporting import export_model
from intaglio.app.networks import NetworkSource, open_network
from intaglio.app.quantizing import Quantization, Recipe, quantize, save
from intaglio.arch import SRNetwork
from intaglio.bench.compare import compare
from intaglio.bench.peers import PEERS, Peer, Precision, Runner, Task
from intaglio.errors import IntaglioError
from intaglio.evaluate import Calibration, Dataset, Record, append_records, evaluate, known_records, load_dataset
from intaglio.evaluate.metrics import finite_psnr
from intaglio.evaluate.protocol import PROTOCOL
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.export.products import Target
from intaglio.export.verify import RUNTIMES, session_of
from intaglio.images import calibration_pictures
from intaglio.lower.lower import simulator
from intaglio.packed.format import load as load_packed
from intaglio.progress import Silent
from intaglio.provenance import file_sha256
from intaglio.runtime.engine import Engine
from intaglio.runtime.reference.ends import from_levels, to_levels
from intaglio.spec import Coverage, QuantSpec

PARTS = ("float", "sites", "engine", "simulator", "onnxruntime", "openvino", "speed")
TARGETS = {"onnxruntime": Target.ONNX, "openvino": Target.OPENVINO}
FASTEST = ("PyTorch eager", "ONNX Runtime", "OpenVINO f32", "OpenVINO + NNCF int8")
"""Peers that take part."""
SIZES = ((33, 50), (128, 128), (257, 111))
"""Sizes that one exported file must take."""
SIDE = 64
"""Of the picture on which speed is measured, in pixels."""


@dataclass(frozen=True)
class Cell:
    """A network's file, its coverage, and the width of weights and activations."""

    file: str
    coverage: Coverage
    bits: int

    @property
    def name(self) -> str:
        """The network's name in records."""
        return Path(self.file).stem


_NETWORKS = (
    ("dat_light_x4.safetensors", Coverage.PAPER),
    ("hit_srf_x4.pth", Coverage.PAPER),
    ("realesr_general_x4v3.safetensors", Coverage.FULL),
    ("ngswin_x2.pth", Coverage.PAPER),
    ("rlfn_x4.pth", Coverage.FULL),
    ("swinir_light_x2_photos.safetensors", Coverage.PAPER),
    ("dat_light_x2.safetensors", Coverage.PAPER),
    ("dat_light_x3.safetensors", Coverage.PAPER),
    ("ngswin_x3.pth", Coverage.PAPER),
    ("realesrgan_x4plus.safetensors", Coverage.FULL),
)
CELLS = tuple(Cell(file, coverage, bits) for bits in (4, 8, 2) for file, coverage in _NETWORKS)
"""In order of worth."""


class Bench:
    """Measures the parts of one cell."""

    def __init__(self, cell: Cell, arguments: argparse.Namespace) -> None:
        self.cell, self.arguments = cell, arguments
        self.checkpoint: Path = arguments.weights / cell.file
        self.packed: Path = arguments.packed / f"{cell.name}.w{cell.bits}a{cell.bits}-{arguments.method}.intaglio"
        pictures = CalibrationSource(source=arguments.calibration, hold_out=arguments.hold_out)
        self.calibration = calibration_set(pictures)

    def about(self, part: str, **fields: Any) -> Record:
        """A record of this cell; only the float network has no widths."""
        base = Record(
            kind="accuracy" if part == "float" else "agreement",
            network=self.cell.name,
            scale=self.network.scale,
            method="float",
            weights_sha256=file_sha256(self.checkpoint),
            seed=0,
            dataset=self.arguments.dataset,
            protocol=PROTOCOL,
        )
        if part == "float":
            return replace(base, **fields)
        calibration = Calibration(self.calibration.name, self.calibration.content_hash, len(self.calibration.pictures))
        return replace(
            base,
            method=self.arguments.method,
            weight_bits=self.cell.bits,
            act_bits=self.cell.bits,
            coverage=self.cell.coverage.value,
            granularity="per-tensor",
            calibration=calibration,
            steps=0,
            **fields,
        )

    @property
    def network(self) -> SRNetwork:
        """The float network."""
        if not hasattr(self, "_network"):
            found = open_network(NetworkSource(self.checkpoint))
            assert isinstance(found, SRNetwork)
            self._network = found
        return self._network

    @property
    def dataset(self) -> Dataset:
        """The test set at the network's scale."""
        return load_dataset(self.arguments.data, self.arguments.dataset, self.network.scale)

    def part(self, name: str) -> list[Record]:
        """The records of one part."""
        if name == "float":
            return [self._scored("float", TorchUpscaler(self.network, self.network.scale))]
        if name == "sites":
            settings = {**self._settings(), "run by": "sites"}
            record = self.about("sites", settings=settings, extra=self._quantized()[1])
            return [replace(record, dataset=None, protocol=None)]
        if name in ("engine", "simulator"):
            return [self._engine() if name == "engine" else self._simulated()]
        return [self._speed() if name == "speed" else self._exported(name)]

    def _scored(self, part: str, upscaler: Any, **fields: Any) -> Record:
        found = evaluate(upscaler, self.dataset)
        scores = {score.name: (score.psnr_y, score.ssim_y) for score in found.scores}
        return self.about(part, psnr_y=found.psnr_y, ssim_y=found.ssim_y, per_image=scores, **fields)

    def _settings(self) -> dict[str, int]:
        return {"patches": self.arguments.patches, "patch_size": self.arguments.patch_size}

    def _quantized(self) -> tuple[Quantization, dict[str, Any]]:
        """The quantized model, and what is told of its check; made once."""
        if not hasattr(self, "_made"):
            self._made = self._quantize()
        return self._made

    def _quantize(self) -> tuple[Quantization, dict[str, Any]]:
        spec = QuantSpec(self.cell.bits, self.cell.bits, self.cell.coverage)
        made = quantize(
            self.network, Recipe(spec, self.arguments.method, self._settings()), self.calibration, required=True
        )
        report = made.report
        assert report is not None
        worst = max(report.arrived, key=lambda site: site.share)
        return made, {
            "integer_products": report.products,
            "codes": sum(site.codes for site in report.sites),
            "flip_share": report.flip_share,
            "worst_flip_share": report.worst.share,
            "arrived_flip_share": report.arrived_share,
            "worst_arrived_flip_share": worst.share,
            "largest_arrived_flip": max(site.largest for site in report.arrived),
            "held_grey_levels": report.held_grey_levels,
            "free_grey_levels": report.grey_levels,
            "multiple": made.require_program().ops[0].integer("multiple"),
            "note": made.note,
            "free_run_psnr_y": finite_psnr(report.picture_psnr),
        }

    def _engine(self) -> Record:
        made, told = self._quantized()
        size = save(made, self.packed, source_sha256=file_sha256(self.checkpoint))
        engine = Engine(load_packed(self.packed).program, backend="native", threads=1)
        settings = {**self._settings(), "run by": "native"}
        return self._scored("engine", engine, settings=settings, bytes=size, extra={**told, "engine": engine.backend})

    def _simulated(self) -> Record:
        made, told = self._quantized()
        torch_way = TorchUpscaler(simulator(made.model, made.recipe.float_dtype), self.network.scale)
        record = self._scored("engine", torch_way, settings={**self._settings(), "run by": "simulator"})
        native = self._before("native")
        if native is not None and native.psnr_y is not None and record.psnr_y is not None:
            told = {**told, "difference": abs(record.psnr_y - native.psnr_y)}
        return replace(record, extra=told)

    def _exported(self, runtime: str) -> Record:
        self._file(runtime).parent.mkdir(exist_ok=True)
        made = export_model(self.packed, self._file(runtime), target=TARGETS[runtime])
        (found,) = made.verifications
        run = session_of(runtime, made.path)
        drawn = calibration_pictures(1, 257, seed=1)[0]
        for height, width in SIZES if self.arguments.sizes else ():
            found_shape = run(from_levels(drawn[:height, :width])).shape
            assert found_shape[1:] == (height * self.network.scale, width * self.network.scale)
        upscaler = Exported(run, self.network.scale)
        told = {
            "runtime": found.runtime,
            "products": found.products,
            "products_in_integers": found.integers,
            "kernels": dict(found.kernels),
            "verified_psnr": finite_psnr(found.psnr),
            "sizes": [f"{height}x{width}" for height, width in SIZES] if self.arguments.sizes else [],
        }
        native = self._before("native")
        record = self._scored(
            runtime,
            upscaler,
            settings={**self._settings(), "run by": f"export, {runtime}"},
            bytes=made.bytes,
            extra=told,
        )
        if native is None or native.psnr_y is None or record.psnr_y is None:
            return record
        return replace(record, extra={**told, "difference": abs(record.psnr_y - native.psnr_y)})

    def _file(self, runtime: str) -> Path:
        return self.packed.parent / "exported" / f"{self.packed.stem}.{runtime}.onnx"

    def _as_peer(self, runtime: str) -> Peer:
        """The exported file, as one of those that take turns."""

        def make(task: Task) -> Runner:
            run = session_of(runtime, self._file(runtime), task.threads)
            return lambda batch: run(batch[0])[None]

        return Peer(f"export in {runtime}", Precision.INT8, (), make)

    def _before(self, way: str) -> Record | None:
        """What an earlier part recorded of this cell."""
        key = (self.cell.name, self.cell.bits, way)
        return next((one for one in known_records(self.arguments.records) if _way(one) == key), None)

    def _speed(self) -> Record:
        image = calibration_pictures(1, SIDE, seed=0)[0]
        engine = Engine(load_packed(self.packed).program, backend="native", threads=1)
        peers = [PEERS[name] for name in FASTEST if not PEERS[name].missing]
        peers += [self._as_peer(runtime) for runtime in TARGETS if self._file(runtime).exists()]
        drawn = calibration_pictures(4, SIDE, seed=1)
        rounds = self.arguments.rounds
        found = compare(
            engine, self.network, image, peers, calibration=drawn, threads=1, rounds=rounds, progress=Silent()
        )
        return replace(
            self.about("engine"),
            kind="speed",
            dataset=None,
            protocol=None,
            settings={"size": f"{SIDE}x{SIDE}", "threads": 1, "backend": engine.backend},
            bytes=self.packed.stat().st_size,
            seconds=found.ours.median,
            extra={
                **found.content(),
                "best_seconds_in_turn": found.ours.best,
                "load": os.getloadavg()[0],
            },
        )


class Exported:
    """An exported file as an upscaler of 8-bit pictures."""

    def __init__(self, run: Any, scale: int) -> None:
        self.run, self.scale = run, scale

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return to_levels(self.run(from_levels(image)))


def _way(record: Record) -> tuple[str, int, str]:
    kind = "float" if record.method == "float" else record.kind
    return record.network, record.weight_bits or 0, str(record.settings.get("run by", kind))


def missing(cell: Cell, parts: Sequence[str], records: Path) -> Iterator[str]:
    """The parts of a cell that are not in the file yet, in order."""
    found = {_way(one) for one in known_records(records)}
    ways = {"engine": "native"} | {name: f"export, {name}" for name in RUNTIMES}
    for part in parts:
        if (cell.name, 0 if part == "float" else cell.bits, ways.get(part, part)) not in found:
            yield part


def main(words: list[str] | None = None) -> int:
    """Measure what is missing, the next ``--cells`` cells of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="folder of the float weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dataset", default="Set5")
    parser.add_argument("--calibration", default="synthetic", help="folder of LR pictures, or 'synthetic'")
    parser.add_argument("--hold-out", type=int, default=0)
    parser.add_argument("--method", default="dobi", help="one that learns nothing")
    parser.add_argument("--patches", type=int, default=8)
    parser.add_argument("--patch-size", type=int, default=64)
    parser.add_argument("--packed", type=Path, required=True, help="folder for packed and exported files")
    parser.add_argument("--records", type=Path, required=True, help="JSONL file to append to")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["float", "engine"])
    parser.add_argument("--only", nargs="+", help="networks by name")
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 8, 2])
    parser.add_argument("--cells", type=int, default=len(CELLS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", action="store_true", help="also run an exported file at three odd sizes")
    arguments = parser.parse_args(words)
    arguments.packed.mkdir(parents=True, exist_ok=True)
    left = arguments.cells
    for cell in CELLS:
        asked = cell.bits in arguments.bits and (not arguments.only or cell.name in arguments.only)
        parts = list(missing(cell, arguments.parts, arguments.records)) if asked and left else []
        if not parts:
            continue
        left -= 1
        bench = Bench(cell, arguments)
        for part in parts:
            try:
                records = bench.part(part)
            except IntaglioError as error:
                print(f"{cell.name} w{cell.bits}a{cell.bits} {part}: {error}", file=sys.stderr, flush=True)
                continue
            append_records(arguments.records, records)
            for one in records:
                print(_way(one), one.psnr_y, one.bytes, one.seconds, dict(one.extra), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
