"""The coverage policy: which modules of a network are quantized, and at which widths.

Decided by type and name alone, never by architecture: this room does not know what a Swin block is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from intaglio.errors import SpecError
from intaglio.spec import Coverage, QuantSpec, Shape, SiteName

END_BITS = 8
"""Width of the first and the last convolution in full coverage, as in PTQ4SR and OAQ-SR."""


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


def is_product(module: nn.Module) -> bool:
    """Whether a module multiplies two activations: it says so by an attribute ``operands = ("a", "b")``."""
    return getattr(module, "operands", None) == ("a", "b")


def is_attention(module: nn.Module) -> bool:
    """Whether a module joins two products by a softmax: it says so by ``joins = ("scores", "context")``."""
    return getattr(module, "joins", None) == ("scores", "context")


def covered(network: nn.Module, coverage: Coverage) -> Iterator[tuple[str, nn.Module]]:
    """Paths and modules that `coverage` quantizes, in the order of registration, but for those that the
    network names by ``left_float()``.

    Raises: SpecError where `paper` coverage would quantize nothing (remedy: full coverage).
    """
    found = False
    left_float_of = getattr(network, "left_float", None)
    left_float = frozenset(left_float_of()) if callable(left_float_of) else frozenset()
    for path, module in network.named_modules():
        if path in left_float:
            continue
        is_conv = isinstance(module, nn.Conv2d) and coverage is Coverage.FULL
        if isinstance(module, nn.Linear) or is_product(module) or is_conv:
            found = True
            yield path, module
    if not found:
        name = type(network).__name__
        raise SpecError(
            f"coverage {coverage.value!r} quantizes nothing in {name}: it has no linear layers; choose coverage 'full'."
        )


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
    if spec.share_input:
        yield info(f"{prefixes[0]}input", act_bits, tuple(f"{prefix}input" for prefix in prefixes))
    else:
        yield from (info(f"{prefix}input", act_bits) for prefix in prefixes)
    yield from (info(f"{prefix}weight", weight_bits) for prefix in prefixes)
