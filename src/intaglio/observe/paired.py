"""Two networks seen in step: each layer with weights meets its float inputs and its inputs behind quantized layers.

Each network runs by itself, so that nothing is asked of how it treats a batch. What the float network shows is kept,
as many layers at a time as fit in memory, and the quantized one then runs up to the last of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.quant import QuantModel
from intaglio.quant.layers import QuantConv2d, QuantLayer, QuantLinear

RECORD_BYTES = 1 << 30
"""What inputs of the float network may take at a time; a layer whose inputs take more is met by itself."""

Meet = Callable[[str, QuantLayer, tuple[Tensor, ...], tuple[Tensor, ...]], None]
"""Called with a layer's path, the layer, its float inputs and its inputs behind the quantized layers before it: one of
each for each call of the layer in a pass."""

Inputs = dict[str, list[Tensor]]


def paired_pass(
    model: QuantModel,
    teacher: nn.Module,
    patches: Float[Tensor, "n c h w"],
    meet: Meet,
    record_bytes: int = RECORD_BYTES,
) -> None:
    """Call `meet` once for each quantized linear and convolution, in the order in which they first run.

    `meet` may edit the layer and its quantizers: all later layers then see its outputs as edited. Inputs of a
    convolution are not padded. A layer that is called several times is met before its first call; its quantized inputs
    are then those with this layer, and others met since the last time the float network ran, as they were.

    Cost: a pass of each network for each `record_bytes` of float inputs, the earlier ones cut short. Memory: those
    bytes and a pass. Hooks are removed whatever happens.
    """
    layers = {
        path: layer for path, layer in model.network.named_modules() if isinstance(layer, (QuantLinear, QuantConv2d))
    }
    met: set[str] = set()
    # Not inference mode: quantizers made by `meet` must be fit to learn later.
    with torch.no_grad():
        while floats := _float_inputs(
            teacher, patches, {p: x for p, x in layers.items() if p not in met}, record_bytes
        ):
            met.update(floats)
            _meet_all(model, patches, {path: layers[path] for path in floats}, floats, meet)


class _EnoughError(Exception):
    """Ends a pass once all that is wanted of it has been seen."""


def _float_inputs(teacher: nn.Module, patches: Tensor, layers: Mapping[str, QuantLayer], record_bytes: int) -> Inputs:
    """Inputs of the first of `layers`, in the order in which they run, all calls of each."""
    found: Inputs = {}
    room = record_bytes
    if not layers:
        return found

    def hear(path: str, x: Tensor) -> None:
        nonlocal room
        if path not in found and found and room <= 0:
            if all(len(found[other]) == layers[other].calls for other in found):
                raise _EnoughError
            return
        # A copy: the network may go on to write to the tensor.
        found.setdefault(path, []).append(x.clone())
        room -= x.numel() * x.element_size()

    with suppress(_EnoughError), _hearing({path: teacher.get_submodule(path) for path in layers}, hear):
        teacher(patches)
    return found


def _meet_all(model: QuantModel, patches: Tensor, layers: Mapping[str, QuantLayer], floats: Inputs, meet: Meet) -> None:
    """Run the quantized network until all of `layers` are met; uses up `floats`."""
    ahead = _all_calls(model, patches, {path: layer for path, layer in layers.items() if len(floats[path]) > 1})
    waiting = dict.fromkeys(floats)

    def hear(path: str, x: Tensor) -> None:
        if path in waiting:
            del waiting[path]
            meet(path, layers[path], tuple(floats.pop(path)), tuple(ahead.get(path, [x])))
            if not waiting:
                raise _EnoughError

    with suppress(_EnoughError), _hearing(layers, hear):
        model(patches)


def _all_calls(model: QuantModel, patches: Tensor, layers: Mapping[str, QuantLayer]) -> Inputs:
    """The inputs of layers that are called several times, from a pass of their own."""
    found: Inputs = defaultdict(list)
    if layers:
        with _hearing(layers, lambda path, x: found[path].append(x.clone())):
            model(patches)
    return found


@contextmanager
def _hearing(modules: Mapping[str, nn.Module], hear: Callable[[str, Tensor], None]) -> Iterator[None]:
    """`hear` is called with the path and the input of each of `modules` before it runs."""
    handles = []
    for path, module in modules.items():

        def hook(_module: nn.Module, args: tuple[Any, ...], path: str = path) -> None:
            hear(path, args[0])

        handles.append(module.register_forward_pre_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
