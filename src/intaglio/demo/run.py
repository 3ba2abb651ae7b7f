"""The demonstration: quantize the embedded network on drawn pictures and measure what it cost. Prints nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from intaglio._atomic import make_folder
from intaglio.app.quantizing import Recipe, float32_bytes, quantize, save
from intaglio.arch import SRNetwork, load
from intaglio.demo.pictures import CHART, write_pictures
from intaglio.demo.sheet import Version, cut_around, sheet, telling_corner
from intaglio.evaluate import BicubicUpscaler, Dataset, Evaluation, Upscaler, evaluate, load_dataset
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.images import write_image
from intaglio.observe import CalibrationSet
from intaglio.progress import Progress
from intaglio.provenance import file_sha256
from intaglio.runtime.engine import Engine
from intaglio.spec import QuantSpec

WEIGHTS = "swinir_light_x2.safetensors"
PICTURES = "pictures"

_FIT = {"patches": 8, "patch_size": 48}
SHORT: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"minmax": _FIT, "2dquant": {**_FIT, "iterations": 60, "batch": 2, "pool": 48}}
)
"""The methods compared, with what is shortened so that all ends within minutes; the paper's 2DQuant takes 3,000
iterations of 32 crops of 64 x 64."""


@dataclass(frozen=True)
class Row:
    """One line of the demonstration's table. Units: `bytes` on disk (of the float row: in single precision)."""

    name: str
    evaluation: Evaluation
    bytes: int | None = None
    quantize_seconds: float | None = None
    runs_on: str = "numpy"


@dataclass(frozen=True)
class Demonstration:
    """What came out: the rows (bicubic, float, then one a method of `SHORT`), the files written, all seconds."""

    rows: tuple[Row, ...]
    files: Mapping[str, Path]
    calibration: str
    iterations: int
    seconds: float

    @property
    def float_bytes(self) -> int:
        """Size of the float network in single precision."""
        return next(row.bytes for row in self.rows if row.name == "float" and row.bytes)


def demonstrate(folder: Path, progress: Progress, *, settings: Mapping[str, Any] | None = None) -> Demonstration:
    """Quantize, evaluate and compare; everything is written below `folder`, which is made when it is missing.

    `settings` replaces some of the shortened settings of 2DQuant. Raises: OutputError if the folder cannot be written.
    """
    began = time.perf_counter()
    make_folder(folder / PICTURES)
    write_pictures(folder / PICTURES)
    network, source_hash = _embedded_network()
    dataset = load_dataset(folder, PICTURES, network.scale)
    with progress.stage("drawing", 1) as advance:
        calibration = CalibrationSet.synthetic(count=16, size=96, seed=0)
        advance("calibration pictures")

    upscalers: dict[str, Upscaler] = {
        "bicubic": BicubicUpscaler(network.scale),
        "float": TorchUpscaler(network, network.scale),
    }
    facts: dict[str, dict[str, Any]] = {"float": {"bytes": float32_bytes(network), "runs_on": "torch"}}
    paths: dict[str, Path] = {}
    for method, short in SHORT.items():
        recipe = Recipe(QuantSpec(4, 4), method, {**short, **(settings or {} if method == "2dquant" else {})})
        made = quantize(network, recipe, calibration, progress=progress)
        paths[method] = folder / f"swinir_light_x2.{recipe.spec.label}-{method}.intaglio"
        size = save(made, paths[method], source_sha256=source_hash)
        engine = Engine(made.require_program())
        upscalers[method] = engine
        facts[method] = {"bytes": size, "quantize_seconds": made.seconds, "runs_on": engine.backend}
    rows = tuple(
        Row(name, evaluate(upscaler, dataset, progress=progress), **facts.get(name, {}))
        for name, upscaler in upscalers.items()
    )
    written = {"packed": paths["2dquant"], **_write_pictures(folder, dataset, upscalers, rows)}
    iterations = int({**SHORT["2dquant"], **(settings or {})}["iterations"])
    return Demonstration(rows, written, calibration.name, iterations, time.perf_counter() - began)


def _embedded_network() -> tuple[SRNetwork, str]:
    with as_file(files("intaglio.data").joinpath(WEIGHTS)) as path:
        return load(path), file_sha256(path)


def _write_pictures(
    folder: Path, dataset: Dataset, upscalers: Mapping[str, Upscaler], rows: tuple[Row, ...]
) -> dict[str, Path]:
    """The chart's LR picture, its 4-bit enlargement, and two sheets: all versions with the original, and the README's
    picture."""
    pair = next(pair for pair in dataset if pair.name == CHART)
    scores = {row.name: next(s for s in row.evaluation.scores if s.name == CHART) for row in rows}
    shown = {name: upscalers[name](pair.lr) for name in ("bicubic", "float", "2dquant")}
    names = {"bicubic": "bicubic", "float": "float, 32 bits", "2dquant": "4 bits, integers (2DQuant)"}
    versions = [
        Version(names[name], f"{scores[name].psnr_y:.2f} dB   SSIM {scores[name].ssim_y:.4f}", picture)
        for name, picture in shown.items()
    ]
    corner = telling_corner(shown["float"], shown["bicubic"], pair.hr)
    comparison = sheet([*versions, Version("original", "drawn by the package", pair.hr)], corner)
    large_pixels = pair.lr.repeat(dataset.scale, axis=0).repeat(dataset.scale, axis=1)
    before = Version("before", f"{pair.lr.shape[1]} x {pair.lr.shape[0]} pixels", large_pixels)
    pictures = {
        "small": (folder / "small.png", pair.lr),
        "upscaled": (folder / "upscaled.png", shown["2dquant"]),
        "comparison": (folder / "comparison.png", comparison),
        "before_after": (folder / "before-after.png", sheet(*cut_around([before, versions[0], versions[2]], corner))),
    }
    for path, picture in pictures.values():
        write_image(path, picture)
    return {name: path for name, (path, _) in pictures.items()}
