"""The table of methods: what `intaglio methods` lists, what recipes name, what tests walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from intaglio.errors import MethodError, SpecError
from intaglio.methods.base import Method
from intaglio.methods.condiquant import CondiQuant, CondiQuantProject
from intaglio.methods.dbdc_pac import DbdcPac, DbdcPacRelease
from intaglio.methods.engrave import Engrave
from intaglio.methods.least_squares import LeastSquaresMethod, RidgeMethod
from intaglio.methods.minmax import MinMaxMethod
from intaglio.methods.mse import Mse
from intaglio.methods.norm_folding import NoisyQuant, RepQ
from intaglio.methods.oaq import Oaq, OaqRelease
from intaglio.methods.percentile import PercentileMethod
from intaglio.methods.twin_uniform import Ptq4Vit
from intaglio.methods.two_d_quant import Dobi, TwoDQuant, TwoDQuantRelease


@dataclass(frozen=True)
class MethodEntry:
    """A method's name, maker and what a reader of a table should know of it.

    `make` is the method's dataclass; `cost` says what it takes in words; `trains` whether it distils; `transformers`
    whether it works on networks with attention and LayerNorms only.
    """

    name: str
    make: type[Method]
    summary: str
    paper: str
    cost: str
    trains: bool = False
    transformers: bool = False


_ENTRIES = (
    MethodEntry("minmax", MinMaxMethod, "extremes of every tensor", "Jacob et al., CVPR 2018", "one float pass"),
    MethodEntry(
        "percentile", PercentileMethod, "activations clipped at percentiles", "Li et al., CVPR 2019", "one float pass"
    ),
    MethodEntry(
        "dobi",
        Dobi,
        "least squared error for each tensor",
        "2DQuant, NeurIPS 2024, section 3.2",
        "one float pass, one sort",
    ),
    MethodEntry(
        "mse", Mse, "least squared error, both bounds free, zero kept where frequent", "ours", "one float pass"
    ),
    MethodEntry(
        "2dquant",
        TwoDQuant,
        "DOBI, then bounds distilled end to end",
        "2DQuant, NeurIPS 2024",
        "distillation",
        trains=True,
    ),
    MethodEntry(
        "2dquant-release",
        TwoDQuantRelease,
        "2DQuant as its released code runs",
        "2DQuant, released code",
        "distillation",
        trains=True,
    ),
    MethodEntry(
        "condiquant",
        CondiQuant,
        "weight matrices conditioned by proximal steps, then 2DQuant",
        "CondiQuant, arXiv 2502.15478",
        "one float pass, distillation",
        trains=True,
    ),
    MethodEntry(
        "condiquant-project",
        CondiQuantProject,
        "weight matrices projected on a bounded condition number, then 2DQuant",
        "after CondiQuant, arXiv 2502.15478",
        "one float pass, distillation",
        trains=True,
    ),
    MethodEntry(
        "ridge",
        RidgeMethod,
        "weights shrunk in closed form against the quantizers' noise",
        "ours; relatives: ERQ, HarmoQ",
        "three float passes",
    ),
    MethodEntry(
        "least-squares",
        LeastSquaresMethod,
        "weights fitted in closed form to quantized inputs",
        "ours; relatives: ERQ, HarmoQ",
        "three float passes",
    ),
    MethodEntry(
        "repq",
        RepQ,
        "channels of LayerNorm outputs brought to one range, then DOBI",
        "RepQ-ViT, ICCV 2023, section 3.2",
        "two float passes",
        transformers=True,
    ),
    MethodEntry(
        "noisyquant",
        NoisyQuant,
        "fixed noise on LayerNorm outputs, then DOBI",
        "NoisyQuant, CVPR 2023",
        "three float passes",
        transformers=True,
    ),
    MethodEntry(
        "ptq4vit",
        Ptq4Vit,
        "two regions for attention maps and GELU outputs, DOBI for the rest",
        "PTQ4ViT, ECCV 2022, section 3.2",
        "two float passes",
        transformers=True,
    ),
    MethodEntry(
        "dbdc-pac",
        DbdcPac,
        "sparse histogram ends clipped, then bounds calibrated end to end",
        "Tu et al., CVPR 2023",
        "float passes, short distillation",
        trains=True,
    ),
    MethodEntry(
        "dbdc-pac-release",
        DbdcPacRelease,
        "DBDC+Pac as its released code runs",
        "Tu et al., released code",
        "float passes, short distillation",
        trains=True,
    ),
    MethodEntry(
        "oaq",
        Oaq,
        "dual-region grids of 2^b levels, learned in turns",
        "OAQ-SR, ICCV 2025",
        "float passes, short distillation",
        trains=True,
    ),
    MethodEntry(
        "oaq-release",
        OaqRelease,
        "OAQ-SR as released: 2^(b+1) activation levels",
        "OAQ-SR, released code",
        "float passes, short distillation",
        trains=True,
    ),
    MethodEntry(
        "engrave",
        Engrave,
        "weights and bounds distilled together after least squares",
        "ours",
        "three float passes, distillation",
        trains=True,
    ),
)

METHODS: Mapping[str, MethodEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def entry_of(name: str) -> MethodEntry:
    """The entry of a method.

    Raises: MethodError for an unknown name, listing the known ones.
    """
    if name not in METHODS:
        raise MethodError(f"no method is called {name!r}; there are {', '.join(METHODS)}.")
    return METHODS[name]


def make_method(name: str, settings: Mapping[str, Any] | None = None) -> Method:
    """A method with the given hyper-parameters in place of its own.

    Raises: MethodError for an unknown name or setting, or a value of the wrong kind (the message lists the settings).

    >>> make_method("percentile", {"tail": 0.01})
    PercentileMethod(tail=0.01, patches=32, patch_size=64)
    """
    entry = entry_of(name)
    known = {field.name: field for field in fields(entry.make)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in (settings or {}).items():
        if key not in known:
            raise MethodError(f"method {name!r} has no setting {key!r}; it has {', '.join(known)}.")
        default = known[key].default
        assert default is not MISSING, f"{entry.make.__name__}.{key} has no default"
        values[key] = _converted(name, key, value, type(default))
    try:
        method = entry.make(**values)
        # Steps check their part of the settings when they are made, so a wrong one is found here and not after an hour.
        method.steps()
    except SpecError as error:
        raise MethodError(f"method {name!r}: {error}") from error
    return method


def _converted(name: str, key: str, value: Any, kind: type) -> Any:
    if issubclass(kind, StrEnum) and isinstance(value, str):
        if value not in tuple(kind):
            raise MethodError(f"setting {key!r} of {name!r} is {value!r}; choose one of {', '.join(kind)}.")
        return kind(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise MethodError(f"setting {key!r} of {name!r} is {value!r}; give a value of type {kind.__name__}.")
    return value
