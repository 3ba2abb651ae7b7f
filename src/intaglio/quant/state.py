"""What stands at the sites of a model as a tensor of bytes, so that a state dict has all of a quantized model.

Bounds and the like are parameters and travel by themselves; what no tensor tells (kind of quantizer, width, pieces) is
JSON. A copy with unset sites can then load the state.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from intaglio.errors import BoundsError, CheckpointError, SpecError
from intaglio.quant.dual_region import Budget, DualRegionQuantizer
from intaglio.quant.lattice import GridQuantizer
from intaglio.quant.quantizers import AffineQuantizer, Quantizer, Unset
from intaglio.quant.symmetric import SignedRange, SymmetricQuantizer
from intaglio.spec import Grid, Piece, SiteName

Words = Mapping[str, Any]
"""What JSON says of one quantizer."""


def encode_sites(quantizers: Mapping[SiteName, Quantizer]) -> UInt8[Tensor, " n"]:
    """All of them as the bytes of a JSON object. Raises: SpecError for a quantizer of a kind that cannot be saved."""
    text = json.dumps({name: _describe(name, quantizer) for name, quantizer in quantizers.items()}, sort_keys=True)
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


def decode_sites(state: object, channels: Mapping[SiteName, int]) -> dict[SiteName, Quantizer]:
    """New quantizers of the kinds that `state` tells, their tensors still to be loaded.

    `channels` has the sites of the model, with the number of output channels of a weight and 0 for an activation; no
    other size is believed. Raises: CheckpointError for anything else than what `encode_sites` made of such a model.
    """
    if not (isinstance(state, Tensor) and state.dtype is torch.uint8 and state.dim() == 1):
        raise CheckpointError("the sites of this state are no bytes; save it by `state_dict()` of a quantized model.")
    try:
        words = json.loads(bytes(state.tolist()))
        if words.keys() != channels.keys():
            raise ValueError(f"it has {len(words)} sites, or others than the {len(channels)} of this model")
        return {name: _KINDS[one["kind"]](one, channels[name]) for name, one in words.items()}
    except (ValueError, KeyError, TypeError, AttributeError, SpecError, BoundsError) as error:
        raise CheckpointError(
            f"this state does not fit the model ({error}); wrap the same network with the same spec, and load what"
            " `state_dict()` of a quantized model gave."
        ) from error


def _describe(name: SiteName, quantizer: Quantizer) -> Words:
    if isinstance(quantizer, Unset):
        return {"kind": "unset"}
    if isinstance(quantizer, AffineQuantizer):
        return {"kind": "affine", "bits": quantizer.bits, "dims": quantizer.lower.dim()}
    if isinstance(quantizer, SymmetricQuantizer):
        return {"kind": "symmetric", "bits": quantizer.bits, "signed": quantizer.signed.value}
    if isinstance(quantizer, DualRegionQuantizer):
        return {"kind": "dual-region", "bits": quantizer.bits, "budget": quantizer.budget.value}
    if isinstance(quantizer, GridQuantizer):
        grid = quantizer.grid
        return {"kind": "grid", "bits": grid.bits, "lower": grid.lower, "step": grid.step, "pieces": grid.pieces}
    raise SpecError(f"site {name!r} holds a {type(quantizer).__name__}, which cannot be saved; set another quantizer.")


def _affine(words: Words, channels: int) -> Quantizer:
    dims = words["dims"]
    if dims not in ((0, 2, 4) if channels else (0,)):
        raise ValueError(f"bounds with {dims!r} axes")
    shape = (channels, *(1,) * (dims - 1)) if dims else ()
    return AffineQuantizer(torch.zeros(shape), torch.ones(shape), words["bits"])


def _grid(words: Words, _channels: int) -> Quantizer:
    pieces = tuple(Piece(int(stride), int(steps)) for stride, steps in words["pieces"])
    return GridQuantizer(Grid(float(words["lower"]), float(words["step"]), words["bits"], pieces))


def _symmetric(words: Words, _channels: int) -> Quantizer:
    return SymmetricQuantizer(torch.tensor(1.0), words["bits"], SignedRange(words["signed"]))


def _dual_region(words: Words, _channels: int) -> Quantizer:
    lower, upper, split = torch.tensor([-1.0, 1.0, 0.5]).unbind()
    return DualRegionQuantizer(lower, upper, split, words["bits"], Budget(words["budget"]))


_KINDS: Mapping[str, Callable[[Words, int], Quantizer]] = {
    "unset": lambda words, channels: Unset(),
    "affine": _affine,
    "symmetric": _symmetric,
    "dual-region": _dual_region,
    "grid": _grid,
}
