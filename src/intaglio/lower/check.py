"""Site by site: does a program compute what the simulator computes?

Every operation with sites gets the simulator's own input, so that a difference is that operation's and no echo of an
earlier one: quantized networks are chaotic, and one flipped code near the input flips a third of those thirty layers
on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from intaglio.arch.windows import split_windows
from intaglio.errors import LoweringError
from intaglio.evaluate import psnr_y
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.observe import visit_sites
from intaglio.packed.program import Op, Program
from intaglio.quant import QuantModel, SiteInfo
from intaglio.runtime.reference import KERNELS, Probe, Reference
from intaglio.spec import SiteName

MAX_FLIP_SHARE = 1e-2
"""More differing codes at a site are no rounding noise. Single precision moves a value by about 1e-6 of the range and
a boundary lies every 2**-bits of it, so about 1e-6 * 2**bits of the codes may flip: 3e-4 at 8 bits; a flip inside a
block is seen again by the sites after it."""

Codes = UInt8[np.ndarray, "..."]
Map = Float32[np.ndarray, "c h w"]


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


def check(simulator: QuantModel, program: Program, image: UInt8[np.ndarray, "h w 3"]) -> CheckReport:
    """Run a picture through the simulator, hand its maps to the program's reference, and compare site by site.

    `simulator` must be `intaglio.lower.simulator` of the model that was lowered. Codes may flip where a float lies
    within rounding noise of a boundary; integer products, formed anew by torch from the program's codes, may not
    differ at all.

    Raises: LoweringError if an integer product differs.
    """
    inputs = _inputs_of(simulator, program, image)
    ours = _simulated_codes(simulator, program, image)
    theirs: dict[SiteName, Codes] = {}
    integers: dict[str, np.ndarray] = {}
    probe = Probe(theirs.__setitem__, integers.__setitem__)
    products = 0
    for op in program.ops:
        if op.sites:
            KERNELS[op.kind](op, [inputs[op.name]], probe)
            products += _check_products(op, theirs, integers)
    sites = tuple(_compare(name, ours[name], codes) for name, codes in theirs.items())
    picture = Reference(program)(image)
    simulated = TorchUpscaler(simulator, program.scale)(image)
    difference = np.abs(picture.astype(np.int16) - simulated.astype(np.int16))
    return CheckReport(sites, products, psnr_y(picture, simulated, 0), int(difference.max()))


def _inputs_of(simulator: QuantModel, program: Program, image: Codes) -> dict[str, Map]:
    """What enters every operation with sites in the simulator, as planar maps by the operation's name."""
    inputs: dict[str, Map] = {}
    handles = []
    for op in program.ops:
        if op.sites:

            def hook(_module: nn.Module, args: tuple[Tensor, ...], op: Op = op) -> None:
                x = args[0][0].permute(2, 0, 1) if op.kind == "window_block" else args[0][0]
                inputs[op.name] = np.ascontiguousarray(x.numpy())

            handles.append(simulator.network.get_submodule(op.name).register_forward_pre_hook(hook))
    try:
        with torch.inference_mode():
            simulator(_batch(image))
    finally:
        for handle in handles:
            handle.remove()
    return inputs


def _batch(image: Codes) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255.0


def _compare(name: SiteName, ours: Codes, theirs: Codes) -> SiteCheck:
    if ours.shape != theirs.shape:
        raise LoweringError(f"site {name!r} has shape {ours.shape} in the simulator and {theirs.shape} in the program.")
    difference = np.abs(ours.astype(np.int16) - theirs.astype(np.int16))
    return SiteCheck(name, difference.size, int(np.count_nonzero(difference)), int(difference.max(initial=0)))


def _simulated_codes(simulator: QuantModel, program: Program, image: Codes) -> dict[SiteName, Codes]:
    """Codes of every activation site of the simulator, in the shapes of `intaglio.runtime.reference.probe.Tap`."""
    blocks = {op.name: op for op in program.ops if op.kind == "window_block"}

    def visit(site: SiteInfo, tensor: Tensor) -> Codes | None:
        if site.is_weight:
            return None
        codes = simulator.quantizer(site.name).codes(tensor)
        owner = next((op for path, op in blocks.items() if site.path.startswith(f"{path}.")), None)
        return _as_tapped(codes, site, owner).cpu().numpy()

    found = visit_sites(simulator, _batch(image), visit)
    shared = {site.name: found[site.name] for site in simulator.sites.values()}
    return {name: codes for name, codes in _with_readers(simulator, shared) if codes is not None}


def _with_readers(
    simulator: QuantModel, codes: dict[SiteName, Codes | None]
) -> Iterator[tuple[SiteName, Codes | None]]:
    """A shared quantizer's codes under the name of each of its readers, as the program lists them."""
    for site in simulator.sites.values():
        for role in site.readers:
            part, _, operand = role.rpartition(".")
            yield (f"{site.path}.{part}:{operand}" if part else f"{site.path}:{operand}"), codes[site.name]


def _as_tapped(codes: Tensor, site: SiteInfo, block: Op | None) -> Tensor:
    if block is None:
        return codes[0]
    if site.path.endswith(".scores") and site.role == "b":
        return codes.transpose(-2, -1)
    if codes.dim() == 4 and ".mlp." in site.path:
        shift = block.integer("shift")
        rolled = codes.roll((-shift, -shift), dims=(1, 2)).float()
        return split_windows(rolled, block.integer("window")).to(codes.dtype)
    return codes


def _check_products(op: Op, codes: dict[SiteName, Codes], integers: dict[str, np.ndarray]) -> int:
    """Form every integer product of an operation again, by torch in 64-bit integers, and demand equality; returns
    their number."""
    keys = [key for key in integers if key.startswith(f"{op.name}/")]
    for key in keys:
        part = key.removeprefix(f"{op.name}/")
        if not torch.equal(_product(op, part, codes), torch.from_numpy(integers[key]).long()):
            raise LoweringError(
                f"the integer product {key!r} differs between torch and the reference; please report this."
            )
    return len(keys)


def _product(op: Op, part: str, codes: dict[SiteName, Codes]) -> Tensor:
    def activation(role: str) -> Tensor:
        return torch.from_numpy(codes[op.sites[role].name]).long()

    if part == "scores":
        return activation("scores.a") @ activation("scores.b").transpose(-2, -1)
    if part == "context":
        return activation("context.a") @ activation("context.b")
    weight = torch.from_numpy(op.tensors[f"{part}.codes"]).long()
    if part == "conv":
        # Codes are small, so double precision holds every partial sum exactly, and only doubles have a convolution
        # here.
        x = activation("conv.input").double()[None]
        return nn.functional.conv2d(x, weight.double(), stride=op.integer("stride"))[0].long()
    return activation(f"{part}.input") @ weight.T
