"""Which linears alone read a LayerNorm of a foreign network, so that what changes there can be undone in them.

Candidates are found by what they read, and tried: the output must not change.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.quant.editing import shift_and_scale
from intaglio.quant.layers import QuantLinear

ROWS = 64
"""Rows of a linear's input that are looked for in a LayerNorm's output."""

TOLERANCE = 1e-3
"""How far the output may move, relative to its largest value, when a LayerNorm is moved by its own size and the linears
undo it. Rounding moves it by some 1e-5 in single precision; an unknown reader by about as much as the norm."""


@torch.no_grad()
def norm_readers(network: nn.Module, example: Float[Tensor, "n c h w"]) -> tuple[tuple[str, str], ...]:
    """Pairs of a LayerNorm and a linear that reads it, for those LayerNorms that such linears alone read.

    Cost: a pass for the candidates, two to try them all at once, and one for each only if that fails.
    """
    candidates = _candidates(network, example)
    if not candidates or _undone(network, example, candidates):
        kept = candidates
    else:
        kept = {norm: read for norm, read in candidates.items() if _undone(network, example, {norm: read})}
    return tuple((norm, reader) for norm, read in kept.items() for reader in read)


def _candidates(network: nn.Module, example: Tensor) -> dict[str, tuple[str, ...]]:
    """LayerNorms over channels, with linears all of whose inputs' rows are among the rows of their output."""
    rows: dict[str, set[bytes]] = {}
    readers: dict[str, list[str]] = {}
    handles = []

    def remember(path: str, output: Tensor) -> None:
        rows.setdefault(path, set()).update(row.tobytes() for row in output.cpu().float().flatten(0, -2).numpy())

    def compare(path: str, x: Tensor) -> None:
        some = x.float().flatten(0, -2)
        some = some[:: max(1, len(some) // ROWS)]
        keys = {row.tobytes() for row in some.cpu().contiguous().numpy()}
        for norm, known in rows.items():
            if keys <= known:
                readers.setdefault(norm, []).append(path)

    for path, module in network.named_modules():
        if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 1 and module.bias is not None:
            handles.append(module.register_forward_hook(lambda _m, _a, out, path=path: remember(path, out)))
        elif isinstance(module, (nn.Linear, QuantLinear)):
            handles.append(module.register_forward_pre_hook(lambda _m, args, path=path: compare(path, args[0])))
    try:
        network(example)
    finally:
        for handle in handles:
            handle.remove()
    return {norm: tuple(dict.fromkeys(read)) for norm, read in readers.items()}


def _undone(network: nn.Module, example: Tensor, candidates: Mapping[str, Sequence[str]]) -> bool:
    """Whether the output stays when the LayerNorms are moved at random and the linears undo it."""
    moved = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(0)
    for norm, read in candidates.items():
        channels = _channels(moved.get_submodule(norm))
        shift = torch.randn(channels, generator=generator).double().to(example.device)
        scale = torch.rand(channels, generator=generator).double().to(example.device) + 0.5
        shift_and_scale(moved.get_submodule(norm), [moved.get_submodule(path) for path in read], shift, scale)
    before, after = network(example), moved(example)
    return bool((after - before).abs().max() <= TOLERANCE * before.abs().max())


def _channels(norm: Any) -> int:
    return int(norm.normalized_shape[0])
