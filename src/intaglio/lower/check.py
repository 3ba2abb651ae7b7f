"""Site by site: does a program compute what the simulator computes?

Every operation with sites gets the simulator's own input, so that a difference is that operation's and no echo of an
earlier one: quantized networks are chaotic, and one flipped code near the input flips a third of those thirty layers
on.
"""

from __future__ import annotations

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
from intaglio.packed.program import Op
from intaglio.packed.shapes import infer_shapes, padded_sides
from intaglio.quant import QuantModel, SiteInfo
from intaglio.quant.markers import name_of
from intaglio.runtime.reference import KERNELS, Probe, Reference
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

    `picture_psnr` is PSNR-Y in dB between the simulator's picture and the program's, run freely from end to end: what
    flips and their echoes leave. `grey_levels` is the largest difference of a sample.
    """

    sites: tuple[SiteCheck, ...]
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
        return sum(site.flipped for site in self.sites) / max(1, sum(site.codes for site in self.sites))

    def require(self) -> None:
        """Raises: LoweringError if a site differs by more than rounding noise explains."""
        if self.worst.share > MAX_FLIP_SHARE:
            raise LoweringError(
                f"the program differs from the simulator in {self.worst.share:.2%} of the codes at {self.worst.name!r};"
                " this is a fault of intaglio, please report the network."
            )


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
    height, width = image.shape[:2]
    shapes, picture = infer_shapes(program, height, width), padded_sides(program, height, width)
    seen = {
        name: _moved(one, lowered.moved.get(name, ()), picture) for name, one in _sites_of(simulator, image).items()
    }
    theirs: dict[SiteName, Codes] = {}
    integers: dict[str, np.ndarray] = {}
    probe = Probe(theirs.__setitem__, integers.__setitem__)
    found, products = [], 0
    for op in program.ops:
        if not op.sites:
            continue
        roles = tuple(role for role in ("input", "a", "b") if role in op.sites)
        operands = [seen[op.sites[role].name] for role in roles]
        inputs = [_unpadded(op, one.values, shapes[name]) for one, name in zip(operands, op.inputs, strict=True)]
        KERNELS[op.kind](op, inputs, probe, picture)
        for role, one in zip(roles, operands, strict=True):
            name = op.sites[role].name
            found.append(_compare(name, one.codes.reshape(theirs[name].shape), theirs[name]))
        if not torch.equal(_product(op, theirs), torch.from_numpy(integers[op.name]).long()):
            raise LoweringError(
                f"the integer product {op.name!r} differs between torch and the reference; please report this."
            )
        products += 1
    ours, simulated = Reference(program)(image), TorchUpscaler(simulator, program.scale)(image)
    difference = np.abs(ours.astype(np.int16) - simulated.astype(np.int16))
    rgb, wanted = (np.repeat(one, 3, axis=2) if one.shape[2] == 1 else one for one in (ours, simulated))
    return CheckReport(tuple(found), products, psnr_y(rgb, wanted, 0), int(difference.max()))


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
