"""One pass that carries a picture batch twice: through the float network and through its quantized copy, in step.

Both halves of one batch run through the quantized model; each layer's float half is replaced by what the float layer
gives. So a layer can be seen on float and on quantized inputs at once, and edited before it runs, without keeping
activations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.quant import QuantModel
from intaglio.quant.layers import QuantLayer

Meet = Callable[[str, QuantLayer, tuple[Tensor, ...], tuple[Tensor, ...]], None]
"""Called with a layer's path, the layer, its float inputs and its inputs behind the quantized layers before it."""


def paired_pass(model: QuantModel, teacher: nn.Module, patches: Float[Tensor, "n c h w"], meet: Meet) -> None:
    """Run both networks once, in step, and call `meet` before each quantized layer runs, in the order of the network.

    `meet` may edit the layer and its quantizers: the layer then runs as edited. Inputs of a convolution are not padded.
    The batch must stay the leading part of every tensor's first axis (as in window attention, where windows of a
    picture follow each other).

    Memory: two forward passes' largest activations. Hooks are removed whatever happens.
    """
    # Not inference mode: quantizers made by `meet` must be fit to learn later.
    with torch.no_grad(), _in_step(model, teacher, meet):
        model(torch.cat([patches, patches]))


@contextmanager
def _in_step(model: QuantModel, teacher: nn.Module, meet: Meet) -> Iterator[None]:
    handles = []
    for path, layer in model.network.named_modules():
        if isinstance(layer, QuantLayer):
            twin = teacher.get_submodule(path)

            def before(module: nn.Module, args: tuple[Any, ...], path: str = path) -> None:
                assert isinstance(module, QuantLayer)
                floats, quantized = zip(*(x.chunk(2) for x in args), strict=True)
                meet(path, module, floats, quantized)

            def after(_module: nn.Module, args: tuple[Any, ...], output: Tensor, twin: nn.Module = twin) -> Tensor:
                return torch.cat([twin(*(x.chunk(2)[0] for x in args)), output.chunk(2)[1]])

            handles += [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
