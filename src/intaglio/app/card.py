"""A model card: what a packed file is, from what and how it was made, in Markdown for whoever is given the file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np

from intaglio.app.networks import Network
from intaglio.app.quantizing import Quantization, float32_bytes, left_float
from intaglio.evaluate import psnr_y
from intaglio.evaluate.machine import current_machine
from intaglio.evaluate.metrics import finite_psnr
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.images import calibration_pictures
from intaglio.packed.program import Program
from intaglio.provenance import VERSION, file_sha256
from intaglio.runtime.engine import Engine

PICTURES = 2
SIDE = 96
"""How many drawn pictures the distance from the float network is measured on, and their side in pixels."""
RUNS = 5
"""How often the first of them is timed."""


@dataclass(frozen=True)
class Figures:
    """What is measured for a card.

    Attributes:
        psnr_y: mean over the drawn pictures of PSNR-Y between the packed model and the float network, in dB.
        seconds: median of one thread on one of them.
        backend: what ran.
    """

    psnr_y: float
    seconds: float
    backend: str


def figures_of(network: Network, program: Program) -> Figures:
    """Both networks on drawn pictures of `SIDE` pixels: seconds for the float one, milliseconds for the program."""
    engine, wanted = Engine(program, threads=1), TorchUpscaler(network, program.scale)
    drawn = calibration_pictures(PICTURES, SIDE, seed=1)
    found = [finite_psnr(psnr_y(_rgb(engine, one), _rgb(wanted, one, engine.channels), 0)) for one in drawn]
    picture, seconds = np.ascontiguousarray(drawn[0][..., : engine.channels]), []
    for _ in range(RUNS):
        began = time.perf_counter()
        engine(picture)
        seconds.append(time.perf_counter() - began)
    return Figures(fmean(found), median(seconds), engine.backend)


def _rgb(upscaler: Engine | TorchUpscaler, picture: np.ndarray, channels: int | None = None) -> np.ndarray:
    """An enlarged picture in three channels; of a gray network, its one channel three times."""
    kept = channels or (upscaler.channels if isinstance(upscaler, Engine) else 3)
    large = upscaler(np.ascontiguousarray(picture[..., :kept]))
    return np.repeat(large, 3, axis=2) if large.shape[2] == 1 else large


def card_of(
    network: Network, made: Quantization, packed: Path, source: Path | None, licence: str, figures: Figures
) -> str:
    """The card of a file that `intaglio.app.quantizing.save` wrote. `licence` is that of the weights, as stated."""
    recipe, spec, calibration = made.recipe, made.recipe.spec, made.calibration
    size, full = packed.stat().st_size, float32_bytes(network)
    left = left_float(made.model).get("left_float", {})
    settings = ", ".join(f"{key} {value}" for key, value in recipe.resolved()["settings"].items())
    colours = "gray" if network.in_channels == 1 else "RGB"
    rows = {
        "what": f"{network.architecture}, x{network.scale}, {colours} pictures, as an integer program",
        "made from": f"`{source.name}`, SHA-256 `{file_sha256(source)}`" if source else "a network given in Python",
        "licence of the weights": licence or "not stated by who made this file; ask before you pass it on",
        "method": f"{recipe.method} ({settings})" if settings else recipe.method,
        "bits": f"weights {spec.weight_bits}, activations {spec.act_bits}, bounds {spec.weight_granularity.value}",
        "coverage": f"{spec.coverage.value}; left float: "
        + (", ".join(f"{count} layers ({reason})" for reason, count in left.items()) or "nothing that it covers"),
        "calibration": f"{calibration.name}, {len(calibration.pictures)} pictures, `{calibration.content_hash}`, "
        f"seed {recipe.seed}",
        "size": f"{size:,} bytes; {full / size:.2f} times smaller than float32",
        "distance from the float network": f"{figures.psnr_y:.2f} dB PSNR-Y on {PICTURES} drawn pictures of {SIDE} x "
        f"{SIDE}; the loss on a test set is measured by `intaglio eval`",
        "speed": f"{figures.seconds * 1e3:.1f} ms for {SIDE} x {SIDE} pixels, one thread, {figures.backend}, "
        f"{current_machine().cpu}",
        "made by": f"intaglio {VERSION}",
    }
    if made.report is not None:
        rows["check"] = (
            f"{made.report.products} integer products equal to the simulator's; {made.report.flip_share:.4%} of the "
            "codes differ by rounding"
        )
    if made.note:
        rows["note"] = made.note
    lines = [
        f"# {packed.name}",
        "",
        "| | |",
        "|:--|:--|",
        *(f"| {key} | {_cell(value)} |" for key, value in rows.items()),
    ]
    return "\n".join([*lines, "", f"Use: `intaglio upscale {packed.name} picture.png`", ""])


def _cell(text: str) -> str:
    """Text within a table: a bar would end the cell, a line the row."""
    return " ".join(text.split()).replace("|", r"\|")
