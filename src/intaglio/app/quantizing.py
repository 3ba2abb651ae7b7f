"""From a float network to an integer program that was held against its simulator, and on to a packed file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from intaglio import ranks
from intaglio._atomic import PathLike
from intaglio.app.devices import CPU
from intaglio.arch import SRNetwork
from intaglio.errors import LoweringError, SpecError
from intaglio.evaluate.protocol import PROTOCOL
from intaglio.images import calibration_pictures
from intaglio.lower import FloatDtype, Lowered, Outline, lowered, outlined, simulator
from intaglio.lower.check import CheckReport, check, check_side
from intaglio.methods import make_method
from intaglio.methods import quantize as calibrate
from intaglio.methods.effort import DEFAULT_METHODS, Effort, effort_settings
from intaglio.observe import CalibrationSet
from intaglio.packed import format as packed_format
from intaglio.packed.header import Calibration, Header, Provenance
from intaglio.packed.program import Program
from intaglio.progress import Progress, Silent
from intaglio.provenance import VERSION
from intaglio.quant import ForeignNetwork, QuantModel, wrap
from intaglio.spec import QuantSpec

CHECK_SIZE = 24
"""Least side in pixels of the picture on which program and simulator are compared, up to whole windows."""


@dataclass(frozen=True)
class Recipe:
    """What is asked of a quantization.

    Attributes:
        spec: widths, coverage and granularity.
        method: a name of the registry (`intaglio methods`).
        settings: settings of the method that differ from its defaults.
        seed: seed of crops and of learning.
        float_dtype: the type of what stays float.

    Raises: MethodError, at once, for an unknown method or setting.
    """

    spec: QuantSpec
    method: str = "2dquant"
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    float_dtype: FloatDtype = FloatDtype.FLOAT16

    def __post_init__(self) -> None:
        make_method(self.method, self.settings)

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
            "float_dtype": self.float_dtype.value,
        }


def effort_recipe(
    effort: str,
    spec: QuantSpec,
    method: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    float_dtype: FloatDtype = FloatDtype.FLOAT16,
) -> Recipe:
    """A recipe by what its user waits for: the method where none is named, and settings where they are not given.

    Raises: SpecError for an unknown effort, MethodError for an unknown method or setting.
    """
    if effort not in tuple(Effort):
        raise SpecError(f"effort {effort!r} is unknown; choose {', '.join(Effort)}.")
    chosen = Effort(effort)
    method = method or DEFAULT_METHODS[chosen]
    return Recipe(spec, method, {**effort_settings(chosen, method), **(settings or {})}, seed, float_dtype)


@dataclass(frozen=True)
class Quantization:
    """A quantized network and how it was made.

    Attributes:
        recipe: what was asked for.
        calibration: the pictures that were used.
        model: the calibrated simulation in torch.
        program: the integer program; None where the network cannot be lowered.
        obstacle: why there is no program; empty where there is one.
        report: how the program compares with its simulator; None where it was not checked.
        seconds: wall clock of calibration and learning.
        metrics: what the steps of the method reported.
        note: in what the program differs from the network, empty where in nothing.
    """

    recipe: Recipe
    calibration: CalibrationSet
    model: QuantModel
    program: Program | None
    obstacle: str
    report: CheckReport | None
    seconds: float
    metrics: Mapping[str, float]
    note: str = ""

    def require_program(self) -> Program:
        """The integer program. Raises: LoweringError with the reason where there is none."""
        if self.program is None:
            raise LoweringError(self.obstacle)
        return self.program


def quantize(
    network: SRNetwork | ForeignNetwork,
    recipe: Recipe,
    calibration: CalibrationSet,
    *,
    checked: bool = True,
    required: bool = False,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    device: torch.device = CPU,
) -> Quantization:
    """Calibrate a float network by a recipe, lower it to an integer program, and check the program.

    The network is left as it is. Whether it can be lowered is tried first, before any time is spent on calibration; one
    that cannot comes back with the reason in `obstacle`, to be evaluated in simulation, or is refused at once where a
    program is `required`. The check compares program and simulator on a drawn picture (about a second for
    SwinIR-light); `checked` false leaves it out. With `checkpoint`, learning that was interrupted goes on from that
    file, with the same result. Calibration and learning are computed on `device`, the rest on the CPU.
    Where several processes share a calibration (`intaglio.ranks.joined`), the first alone makes and checks the program.

    Raises: MethodError, SpecError or CalibrationError, each with its remedy; LoweringError if the program differs from
    its simulator by more than rounding explains.
    """
    progress = progress or Silent()
    method = make_method(recipe.method, recipe.settings)
    outline, obstacle = _foreseen(wrap(network, recipe.spec), recipe.float_dtype)
    if required and obstacle:
        raise LoweringError(obstacle)
    made = calibrate(
        network, recipe.spec, method, calibration, seed=recipe.seed, progress=progress, checkpoint=checkpoint,
        device=device,
    )  # fmt: skip
    found, report = None, None
    if not ranks.is_first():
        obstacle = f"rank {ranks.rank()} leaves the integer program to rank 0."
    if not obstacle:
        try:
            found = lowered(made.model, recipe.float_dtype, outline)
        except LoweringError as error:
            obstacle = str(error)
    if found is not None and checked:
        report = _check(made.model, recipe, found, progress)
    program, note = (found.program, found.note) if found else (None, "")
    return Quantization(recipe, calibration, made.model, program, obstacle, report, made.seconds, made.metrics, note)


def _foreseen(model: QuantModel, float_dtype: FloatDtype) -> tuple[Outline | None, str]:
    """What the model, not calibrated yet, computes, and why it cannot be lowered (or "")."""
    try:
        return outlined(model, float_dtype), ""
    except LoweringError as error:
        return None, str(error)


def _check(model: QuantModel, recipe: Recipe, found: Lowered, progress: Progress) -> CheckReport:
    with progress.stage("check", 1) as advance:
        side, channels = check_side(found, CHECK_SIZE), found.program.ops[0].integer("channels")
        picture = calibration_pictures(1, side, seed=recipe.seed)[0][..., :channels]
        report = check(simulator(model, recipe.float_dtype), found, picture)
        advance(f"{report.products} products equal")
    report.require()
    return report


def save(quantization: Quantization, path: PathLike, *, source_sha256: str = "") -> int:
    """Write the packed file, whole or not at all; returns its size in bytes.

    `source_sha256` is the hash of the float checkpoint, for the file's provenance. The file also says how many layers
    stayed float although the coverage names their kind, and why.
    Raises: LoweringError without a program; OutputError, PackedError.
    """
    program, calibration = quantization.require_program(), quantization.calibration
    header = Header(
        recipe={**quantization.recipe.resolved(), **left_float(quantization.model)},
        calibration=Calibration(calibration.name, calibration.content_hash, len(calibration.pictures)),
        protocol=PROTOCOL,
        provenance=Provenance(source_sha256, VERSION, datetime.now(UTC).date().isoformat()),
    )
    packed_format.save(program, path, header)
    return Path(path).stat().st_size


def left_float(model: QuantModel) -> dict[str, dict[str, int]]:
    """How many layers stay float although the coverage names their kind, as ``{"left_float": {reason: count}}``; empty
    if none does. `QuantModel.left_float` has their names."""
    found = Counter(one.reason.value for one in model.left_float)
    return {"left_float": dict(found)} if found else {}


def float32_bytes(network: nn.Module) -> int:
    """What the parameters of a network take in single precision, in bytes: the size that ratios are held against."""
    return 4 * sum(parameter.numel() for parameter in network.parameters())
