"""Named building blocks with what an architecture knows of its own tensors, and the mean colour of DIV2K.

Plain float modules: whoever quantizes a network finds the sites by type and name and reads `one_sided` and `parts`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean RGB colour of the DIV2K training pictures, in units of [0, 1]; published SR networks subtract it."""


class MatMul(nn.Module):
    """The product of two activations as a module of its own, so that it has a name in the network.

    `one_sided` names the operands ("a", "b") whose values are bounded below near zero (a softmax output, say).
    `operands` is how quantization recognises a product without importing this subpackage.

    >>> MatMul()(torch.ones(2, 3), torch.ones(3, 1)).tolist()
    [[3.0], [3.0]]
    """

    operands = ("a", "b")

    def __init__(self, one_sided: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.one_sided = one_sided

    def forward(self, a: Float[Tensor, "... m k"], b: Float[Tensor, "... k n"]) -> Float[Tensor, "... m n"]:
        """``a @ b`` over the last two axes; leading axes are equal or broadcast."""
        return a @ b


class Attention(nn.Module):
    """Softmax attention by two named products that belong to its caller.

    A module without weights, so that what stands between the products can be exchanged together with them. `joins` is
    how quantization recognises it without importing this subpackage.
    """

    joins = ("scores", "context")

    def forward(
        self,
        scores: nn.Module,
        context: nn.Module,
        q: Float[Tensor, "windows heads tokens channels"],
        k: Float[Tensor, "windows heads tokens channels"],
        v: Float[Tensor, "windows heads tokens channels"],
        bias: Float[Tensor, "maps heads tokens tokens"],
    ) -> Float[Tensor, "windows heads tokens channels"]:
        """``context(softmax(scores(q, k^T) + bias), v)``; window w has the bias of map ``w % maps``."""
        found = scores(q, k.transpose(-2, -1))
        # Added once, and in place where that needs no view: the scores are the largest tensor of the network.
        if len(bias) == 1:
            found += bias
        else:
            found = (found.view(-1, *bias.shape) + bias).view(found.shape)
        attended: Tensor = context(found.softmax(dim=-1), v)
        return attended


class Linear(nn.Linear):
    """A linear layer that states what is known of its input's distribution.

    `one_sided` is ``("input",)`` where the input is bounded below near zero (the output of a GELU), else empty.
    """

    def __init__(
        self, in_features: int, out_features: int, *, bias: bool = True, one_sided: tuple[str, ...] = ()
    ) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.one_sided = one_sided


class FusedLinear(nn.Linear):
    """Several linear layers that read one input, stored as one: equal slices of output rows, named by `parts`.

    The state dict is that of a plain linear layer. ``FusedLinear(60, 180, parts=("q", "k", "v"))`` keeps the weight of
    ``k`` in rows 60 to 119.
    """

    def __init__(self, in_features: int, out_features: int, *, parts: tuple[str, ...], bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.parts = parts


def colour_mean(channels: int) -> Float[Tensor, "1 channels 1 1"]:
    """What a network subtracts from its input, in units of [0, 1]: the DIV2K mean for RGB, zero for gray.

    Shapes: (1, channels, 1, 1), to broadcast over (N, C, H, W).

    >>> colour_mean(1).flatten().tolist()
    [0.0]
    """
    mean = DIV2K_MEAN if channels == len(DIV2K_MEAN) else (0.0,) * channels
    return torch.tensor(mean).view(1, channels, 1, 1)
