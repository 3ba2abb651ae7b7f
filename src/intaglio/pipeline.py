"""The whole road in two calls: a float network becomes an integer program, and the program a packed file.

Every station is a room of its own; nothing is computed here, and nothing is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import intaglio
from intaglio._atomic import PathLike
from intaglio.arch import SRNetwork
from intaglio.evaluate.protocol import PROTOCOL
from intaglio.lower import Remainder, lower
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.packed import format as packed_format
from intaglio.packed.header import Calibration, Header, Provenance
from intaglio.packed.program import Program
from intaglio.progress import Progress, Silent
from intaglio.quant import QuantModel
from intaglio.spec import QuantSpec


@dataclass(frozen=True)
class Recipe:
    """What is asked of a quantization: widths and coverage, a method of the registry and its settings, a seed."""

    spec: QuantSpec
    method: str = "2dquant"
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    remainder: Remainder = Remainder.HALF

    def resolved(self) -> dict[str, Any]:
        """All of it as JSON values: what a packed file keeps of its making.

        The method's defaults are written out; ``changed`` names the settings that are not left to them.
        """
        return {
            "method": self.method,
            "settings": asdict(make_method(self.method, self.settings)),  # type: ignore[call-overload]
            "changed": sorted(self.settings),
            "weight_bits": self.spec.weight_bits,
            "act_bits": self.spec.act_bits,
            "coverage": self.spec.coverage.value,
            "granularity": self.spec.weight_granularity.value,
            "share_input": self.spec.share_input,
            "seed": self.seed,
            "remainder": self.remainder.value,
        }


@dataclass(frozen=True)
class Engraving:
    """A network in integers: the calibrated simulation, the program lowered from it, and how they were made.

    Units: `seconds` of wall clock for calibration and distillation. `figures` is what the method's steps reported.
    """

    recipe: Recipe
    calibration: CalibrationSet
    model: QuantModel
    program: Program
    seconds: float
    figures: Mapping[str, float]


def engrave(
    network: SRNetwork,
    recipe: Recipe,
    calibration: CalibrationSet,
    *,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Engraving:
    """Quantize a float network by a recipe and lower it to an integer program; the network is left as it is.

    With `checkpoint`, a distillation that was interrupted goes on from that file, with the same result.

    Raises: MethodError, SpecError, CalibrationError or LoweringError, each with its remedy.
    """
    method = make_method(recipe.method, recipe.settings)
    quantized = quantize(
        network,
        recipe.spec,
        method,
        calibration,
        seed=recipe.seed,
        progress=progress or Silent(),
        checkpoint=checkpoint,
    )
    program = lower(quantized.model, recipe.remainder)
    return Engraving(recipe, calibration, quantized.model, program, quantized.seconds, quantized.figures)


def save_engraving(engraving: Engraving, path: PathLike, *, source_sha256: str = "") -> int:
    """Write the packed file, whole or not at all; returns its size in bytes.

    `source_sha256` is the hash of the float checkpoint, for the file's provenance. Raises: OutputError, PackedError.
    """
    calibration = engraving.calibration
    header = Header(
        recipe=engraving.recipe.resolved(),
        calibration=Calibration(calibration.name, calibration.content_hash, len(calibration.pictures)),
        protocol=PROTOCOL,
        provenance=Provenance(source_sha256, intaglio.__version__, datetime.now(UTC).date().isoformat()),
    )
    packed_format.save(engraving.program, path, header, remainder=engraving.recipe.remainder.value)
    return Path(path).stat().st_size


def float32_bytes(network: SRNetwork) -> int:
    """What the parameters of a network take in single precision, in bytes: the size that ratios are held against."""
    return 4 * sum(parameter.numel() for parameter in network.parameters())
