"""Site by site: does a program compute what the simulator computes?

Every operation with sites gets the simulator's own input, so that a difference is that operation's and no echo of an
earlier one: quantized networks are chaotic, and one flipped code near the input flips a third of those thirty layers
on. What the program itself would have handed to each site is compared too, and the picture that comes out in the end:
so the operations between the sites are held against the simulator, each stretch from site to site by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from intaglio.errors import LoweringError
from intaglio.evaluate import psnr_y
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.lower.lower import Lowered
from intaglio.observe import visit_sites
from intaglio.packed.errors import ShapeError
from intaglio.packed.program import Op, Program
from intaglio.packed.shapes import infer_shapes, padded_sides
from intaglio.quant import QuantModel, SiteInfo
from intaglio.quant.markers import name_of
from intaglio.runtime.reference import KERNELS, Probe, Reference
from intaglio.runtime.reference.affine import quantize
from intaglio.runtime.reference.ends import enter, from_levels, leave, to_levels
from intaglio.spec import SiteName

MAX_FLIP_SHARE = 1e-2
"""More differing codes at a site are no rounding noise. Single precision moves a value by about 1e-6 of the range and
a boundary lies every 2**-bits of it, so about 1e-6 * 2**bits of the codes may flip: 3e-4 at 8 bits; a flip inside a
block is seen again by the sites after it."""

Codes = UInt8[np.ndarray, "..."]
Value = Float32[np.ndarray, "..."]
Picture = UInt8[np.ndarray, "h w c"]


@dataclass(frozen=True)
class SiteCheck:
    """How many codes of one site differ between simulator and program, and by how much at most."""

    name: SiteName
    codes: int
    flipped: int
    largest: int

    @property
    def share(self) -> float:
        """Flipped codes of all."""
        return self.flipped / max(1, self.codes)


@dataclass(frozen=True)
class CheckReport:
    """The outcome of `check`. `products` is the number of integer products compared, all of them equal.

    `sites` compares codes of equal values, `arrived` codes of the values that the program hands to a site where every
    earlier site was given the simulator's values. `held_grey_levels` is the largest difference of a sample of the
    picture that comes out so.

    `picture_psnr` is PSNR-Y in dB between the simulator's picture and the program's, run freely from end to end: what
    flips and their echoes leave. `grey_levels` is the largest difference of a sample.
    """

    sites: tuple[SiteCheck, ...]
    arrived: tuple[SiteCheck, ...]
    held_grey_levels: int
    products: int
    picture_psnr: float
    grey_levels: int

    @property
    def worst(self) -> SiteCheck:
        """The site with the largest share of flipped codes."""
        return max(self.sites, key=lambda site: site.share)

    @property
    def flip_share(self) -> float:
        """Flipped codes of all codes of all sites."""
        return _share(self.sites)

    @property
    def arrived_share(self) -> float:
        """Of all codes, those that differ by what lies between a site and the sites before it."""
        return _share(self.arrived)

    def require(self) -> None:
        """Raises: LoweringError if a site, or what leads to the sites, differs by more than rounding noise explains."""
        if self.worst.share > MAX_FLIP_SHARE:
            raise LoweringError(
                f"the program differs from the simulator in {self.worst.share:.2%} of the codes at {self.worst.name!r};"
                " this is a fault of intaglio, please report the network."
            )
        if self.arrived_share > MAX_FLIP_SHARE:
            first = next(site for site in self.arrived if site.share > MAX_FLIP_SHARE)
            raise LoweringError(
                f"between its sites the program differs from the simulator: {first.share:.2%} of the codes that arrive"
                f" at {first.name!r} do; this is a fault of intaglio, please report the network."
            )


def _share(sites: Sequence[SiteCheck]) -> float:
    return sum(site.flipped for site in sites) / max(1, sum(site.codes for site in sites))


@dataclass(frozen=True)
class _Seen:
    """What passes a site of the simulator: the values, and the codes that it gives them."""

    values: Value
    codes: Codes


def check(simulator: QuantModel, lowered: Lowered, image: Picture) -> CheckReport:
    """Run a picture through the simulator, hand its values to the program's reference, and compare site by site.

    `simulator` must be `intaglio.lower.simulator` of the model that was lowered. Codes may flip where a float lies
    within rounding noise of a boundary; integer products, formed anew by torch from the program's codes, may not
    differ at all. The picture's sides must be ones that the network takes.

    Raises: LoweringError if an integer product differs.
    """
    program = lowered.program
    shapes, picture = infer_shapes(program, *image.shape[:2]), padded_sides(program, *image.shape[:2])
    seen = {
        name: _moved(one, lowered.moved.get(name, ()), picture) for name, one in _sites_of(simulator, image).items()
    }
    theirs: dict[SiteName, Codes] = {}
    integers: dict[str, np.ndarray] = {}
    held = _Held(program, image, picture, Probe(theirs.__setitem__, integers.__setitem__))
    found, products = [], 0
    for op in program.ops[1:-1]:
        if not op.sites:
            held.run(op)
            continue
        roles = tuple(role for role in ("input", "a", "b") if role in op.sites)
        operands = [seen[op.sites[role].name] for role in roles]
        held.run(op, [_unpadded(op, one.values, shapes[name]) for one, name in zip(operands, op.inputs, strict=True)])
        for role, one in zip(roles, operands, strict=True):
            name = op.sites[role].name
            found.append(_compare(name, one.codes.reshape(theirs[name].shape), theirs[name]))
        if not torch.equal(_product(op, theirs), torch.from_numpy(integers[op.name]).long()):
            raise LoweringError(
                f"the integer product {op.name!r} differs between torch and the reference; please report this."
            )
        products += 1
    ours, simulated = Reference(program)(image), TorchUpscaler(simulator, program.scale)(image)
    rgb, wanted = (np.repeat(one, 3, axis=2) if one.shape[2] == 1 else one for one in (ours, simulated))
    return CheckReport(
        tuple(found), tuple(held.arrived), _largest(held.result(), simulated), products,
        psnr_y(rgb, wanted, 0), _largest(ours, simulated),
    )  # fmt: skip


def _largest(a: Picture, b: Picture) -> int:
    return int(np.abs(a.astype(np.int16) - b.astype(np.int16)).max())


class _Held:
    """A run of a program in which every operation with sites reads what it is given, not what arrives there."""

    def __init__(self, program: Program, image: Picture, picture: tuple[int, int], probe: Probe) -> None:
        self.arrived: list[SiteCheck] = []
        self._program, self._picture, self._probe, self._size = program, picture, probe, image.shape[:2]
        self._readers = Counter(name for op in program.ops for name in op.inputs)
        first = program.ops[0]
        self._values: dict[str, Value] = {first.output: enter(from_levels(image), first, picture)}

    def run(self, op: Op, given: Sequence[Value] | None = None) -> None:
        """The next operation, on what arrives or on what is given instead: then the codes of both are compared."""
        inputs = [self._read(name) for name in op.inputs]
        if given is not None:
            roles = (role for role in ("input", "a", "b") if role in op.sites)
            for role, ours, simulated in zip(roles, inputs, given, strict=True):
                name, (grid,) = op.sites[role].name, op.sites[role].grids
                self.arrived.append(_compare(name, quantize(ours, grid), quantize(simulated, grid)))
            inputs = list(given)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self._values[op.output] = KERNELS[op.kind](op, inputs, self._probe, self._picture)

    def _read(self, name: str) -> Value:
        self._readers[name] -= 1
        return self._values[name] if self._readers[name] else self._values.pop(name)

    def result(self) -> Picture:
        """The picture."""
        last, scale = self._program.ops[-1], self._program.scale
        planes = leave(self._read(last.inputs[0]), last, self._size[0] * scale, self._size[1] * scale)
        return to_levels(planes)


def check_side(lowered: Lowered, least: int = 24) -> int:
    """The side of a picture to check on: the smallest multiple of the program's, `least` pixels or more, for which no
    map of the network is too small."""
    multiple = lowered.program.ops[0].integer("multiple")
    side = -(-least // multiple) * multiple
    for _ in range(8):
        try:
            infer_shapes(lowered.program, side, side)
        except ShapeError:
            side += multiple
        else:
            break
    return side


def _sites_of(simulator: QuantModel, image: Picture) -> dict[SiteName, _Seen]:
    """What every activation site of the simulator sees, under the name of each of its readers."""

    def visit(site: SiteInfo, tensor: Tensor) -> _Seen | None:
        if site.is_weight:
            return None
        codes = simulator.quantizer(site.name).codes(tensor)
        return _Seen(np.ascontiguousarray(tensor.numpy()), codes.to(torch.uint8).cpu().numpy())

    batch = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255.0
    found = visit_sites(simulator, batch, visit)
    named = {name_of(site, role): found.get(site.name) for site in simulator.sites.values() for role in site.readers}
    return {name: one for name, one in named.items() if one is not None}


def _moved(seen: _Seen, ops: Sequence[Op], picture: tuple[int, int]) -> _Seen:
    """What a site sees, moved to where the product reads it."""
    values, codes = seen.values, seen.codes.astype(np.float32)
    for op in ops:
        values, codes = (np.asarray(KERNELS[op.kind](op, [x], Probe(), picture)) for x in (values, codes))
    return _Seen(values, codes.astype(np.uint8))


def _unpadded(op: Op, values: Value, shape: tuple[int, ...]) -> Value:
    """What an operation reads; a convolution reads the map before padding."""
    if op.kind == "conv2d":
        top, left, bottom, right = op.integers("padding")
        values = values[..., top : values.shape[-2] - bottom, left : values.shape[-1] - right]
    return np.ascontiguousarray(values.reshape(shape))


def _compare(name: SiteName, ours: Codes, theirs: Codes) -> SiteCheck:
    difference = np.abs(ours.astype(np.int16) - theirs.astype(np.int16))
    return SiteCheck(name, difference.size, int(np.count_nonzero(difference)), int(difference.max(initial=0)))


def _product(op: Op, codes: Mapping[SiteName, Codes]) -> Tensor:
    """The integer product of an operation, formed again by torch in 64-bit integers."""

    def activation(role: str) -> Tensor:
        return torch.from_numpy(codes[op.sites[role].name]).long()

    if op.kind == "matmul":
        return activation("a") @ activation("b")
    weight = torch.from_numpy(op.tensors["weight.codes"]).long()
    if op.kind == "linear":
        return activation("input") @ weight.T
    # Codes are small, so double precision holds every partial sum exactly, and only doubles have a convolution here.
    # The sums are integers: rounded, they do not depend on whether the algorithm that is picked multiplies fractions.
    strides, dilations = op.integers("stride"), op.integers("dilation")
    x = activation("input").double()
    return nn.functional.conv2d(x, weight.double(), None, strides, 0, dilations, op.integer("groups")).round().long()
