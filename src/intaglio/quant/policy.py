"""The coverage policy: which modules of a network are quantized, and at which widths.

Decided by type, name and work, never by architecture: this subpackage does not know what a Swin block is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import nn

from intaglio.errors import SpecError
from intaglio.quant.layers import input_role
from intaglio.quant.work import SIDE, LayerWork, is_product, measure_work, shadow_of
from intaglio.spec import Coverage, QuantSpec, Shape, SiteName

END_BITS = 8
"""Width of the first and the last convolution in full coverage, as in PTQ4SR and OAQ-SR."""


NEGLIGIBLE_SHARE = 1e-4
"""Share of a network's multiply-adds below which `paper` coverage leaves a layer float: see `choose`."""


class Reason(StrEnum):
    """Why a layer stays float although its kind is covered."""

    NAMED = "named"
    """The network names it: by request, or because no pass ever calls it."""
    CONSTANT = "constant input"
    """It reads nothing of the picture, as in perceptrons of relative positions: its output is a constant."""
    NEGLIGIBLE = "negligible work"
    """Its share of all multiply-adds is below `NEGLIGIBLE_SHARE`."""


@dataclass(frozen=True)
class LeftFloat:
    """A layer that stays float although its kind is covered; `share` is its part of all multiply-adds."""

    path: str
    reason: Reason
    share: float


@dataclass(frozen=True)
class Choice:
    """What a coverage quantizes of a network, in the order of registration, and what it leaves float."""

    covered: tuple[tuple[str, nn.Module], ...]
    left_float: tuple[LeftFloat, ...]


@dataclass(frozen=True)
class SiteInfo:
    """A place where a tensor is quantized, before any method has decided how.

    `path` is the module, `role` the operand (``weight``, ``input``, ``q.input``, ``a``, ...); `readers` lists the
    roles that share this quantizer, `role` first.
    """

    path: str
    role: str
    bits: int
    shape: Shape
    readers: tuple[str, ...]

    @property
    def name(self) -> SiteName:
        """``<path>.<part>:<role>``, or ``<path>:<role>`` for a layer of one part."""
        part, _, role = self.role.rpartition(".")
        return f"{self.path}.{part}:{role}" if part else f"{self.path}:{role}"

    @property
    def is_weight(self) -> bool:
        """Whether the site is a weight, known before any picture is seen."""
        return self.role.endswith("weight")


def is_attention(module: nn.Module) -> bool:
    """Whether a module joins two products by a softmax: it says so by ``joins = ("scores", "context")``."""
    return getattr(module, "joins", None) == ("scores", "context")


def calls_of(module: nn.Module) -> int:
    """How often a pass calls a layer: once, unless it says so by an attribute `calls`."""
    return int(getattr(module, "calls", 1))


def covered(network: nn.Module, coverage: Coverage) -> Iterator[tuple[str, nn.Module]]:
    """Paths and modules that `coverage` quantizes, in the order of registration.

    Raises: SpecError where `paper` coverage would quantize nothing (remedy: full coverage).
    """
    return iter(choose(network, coverage).covered)


def choose(network: nn.Module, coverage: Coverage) -> Choice:
    """Which modules of a network `coverage` quantizes, and which it leaves float although their kind is covered.

    The latter are those that the network names by ``left_float()``; those that read nothing of the picture, so that
    they are constants; and, under `paper`, those whose share of all multiply-adds is below `NEGLIGIBLE_SHARE`.
    2DQuant quantizes what carries the load: the smallest layer that it quantizes in SwinIR-light does 0.34 % of the
    multiply-adds at x4, and all that its table 2 calls neither linear, product nor convolution does 0.45 % together.

    Raises: SpecError where `paper` coverage would quantize nothing (remedy: full coverage).
    """
    named_of = getattr(network, "left_float", None)
    named = frozenset(named_of()) if callable(named_of) else frozenset()
    work = work_of(network)
    total = sum(one.multiply_adds for one in work.values())
    kept: list[tuple[str, nn.Module]] = []
    left: list[LeftFloat] = []
    for path, module in network.named_modules():
        is_conv = isinstance(module, nn.Conv2d) and coverage is Coverage.FULL
        if isinstance(module, nn.Linear) or is_product(module) or is_conv:
            one = work.get(path, LayerWork(0, depends=True))
            share = one.multiply_adds / total if total else 0.0
            reason = _reason(path in named, path in work, one, share, coverage)
            if reason is None:
                kept.append((path, module))
            else:
                left.append(LeftFloat(path, reason, share))
    if not kept:
        name = type(network).__name__
        raise SpecError(
            f"coverage {coverage.value!r} quantizes nothing in {name}: it has no linear layers; choose coverage 'full'."
        )
    return Choice(tuple(kept), tuple(left))


def _reason(named: bool, measured: bool, work: LayerWork, share: float, coverage: Coverage) -> Reason | None:
    if named:
        return Reason.NAMED
    if measured and not work.depends:
        return Reason.CONSTANT
    if measured and coverage is Coverage.PAPER and share < NEGLIGIBLE_SHARE:
        return Reason.NEGLIGIBLE
    return None


def work_of(network: nn.Module) -> Mapping[str, LayerWork]:
    """The work of a network's layers: what it tells by ``work()``, or what a pass on shapes alone counts for a network
    that names its `in_channels`; nothing is known of others."""
    told = getattr(network, "work", None)
    if callable(told):
        known: Mapping[str, LayerWork] = told()
        return known
    channels = getattr(network, "in_channels", None)
    if channels is None:
        return {}
    return measure_work(shadow_of(network), torch.empty(1, int(channels), SIDE, SIDE, device="meta"))


def sites_of(path: str, module: nn.Module, spec: QuantSpec, ends: tuple[str, ...]) -> Iterator[SiteInfo]:
    """The sites of one covered module; modules named in `ends` keep at least 8 bits."""
    widen = END_BITS if path in ends else 0
    weight_bits, act_bits = max(spec.weight_bits, widen), max(spec.act_bits, widen)
    one_sided = tuple(getattr(module, "one_sided", ()))

    def info(role: str, bits: int, readers: tuple[str, ...] = ()) -> SiteInfo:
        shape = Shape.ONE_SIDED if role.rpartition(".")[2] in one_sided else Shape.BELL
        return SiteInfo(path, role, bits, shape, readers or (role,))

    if is_product(module):
        yield from (info(role, act_bits) for role in ("a", "b"))
        return
    prefixes = tuple(f"{part}." for part in getattr(module, "parts", ())) or ("",)
    for role in map(input_role, range(calls_of(module))):
        if spec.share_input:
            yield info(f"{prefixes[0]}{role}", act_bits, tuple(f"{prefix}{role}" for prefix in prefixes))
        else:
            yield from (info(f"{prefix}{role}", act_bits) for prefix in prefixes)
    yield from (info(f"{prefix}weight", weight_bits) for prefix in prefixes)
