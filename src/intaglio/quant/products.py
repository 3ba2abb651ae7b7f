"""Recognising products of two activations in code that nobody wrote for it, while it runs.

A torch function mode sees every call of `torch.matmul`, ``@``, `bmm`, `mm`, `baddbmm`, `einsum` and
`scaled_dot_product_attention`. What becomes of the products is decided in `foreign.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from intaglio.errors import SpecError


@dataclass(frozen=True)
class Multiply:
    """A function linear in both of its arguments; `equation` is that of an einsum, empty for a matrix product."""

    function: Callable[[Tensor, Tensor], Tensor]
    equation: str = ""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """The product."""
        return self.function(a, b)

    def summed(self, a: Tensor, b: Tensor) -> int:
        """How many pairs of values each value of the product sums over.

        >>> Multiply(torch.einsum, "bhid,bhjd->bhij").summed(torch.ones(1, 2, 3, 5), torch.ones(1, 2, 4, 5))
        5
        """
        if not self.equation:
            return a.shape[-1]
        left, _, right = self.equation.replace(" ", "").partition("->")
        sizes: dict[str, int] = {}
        for indices, operand in zip(left.split(","), (a, b), strict=True):
            before, _, after = indices.partition("...")
            sizes |= dict(zip(before, operand.shape, strict=False))
            sizes |= dict(zip(reversed(after), reversed(operand.shape), strict=False))
        kept = right if right or "->" in self.equation else {index for index in sizes if left.count(index) == 1}
        return math.prod(size for index, size in sizes.items() if index not in kept)


MATMUL = Multiply(torch.matmul)


@dataclass(frozen=True)
class Product:
    """One product as it was called: the function's name, its operands, and what multiplies them."""

    kind: str
    a: Tensor
    b: Tensor
    multiply: Multiply


OnProduct = Callable[[Product], Tensor]
OnOther = Callable[[Callable[..., Any]], None]

_TWO_OPERANDS: Mapping[Callable[..., Any], str] = {
    torch.matmul: "matmul",
    torch.linalg.matmul: "matmul",
    Tensor.matmul: "matmul",
    Tensor.__matmul__: "matmul",
    torch.mm: "matmul",
    Tensor.mm: "matmul",
    torch.bmm: "bmm",
    Tensor.bmm: "bmm",
}
_SECOND = ("other", "mat2", "tensor2")


class ProductMode(TorchFunctionMode):
    """While it is entered, `on_product` computes every product of two activations; `on_other` hears of other calls.

    A tensor that shares storage with one of `constants` (parameters, buffers) is no activation.
    """

    def __init__(
        self, on_product: OnProduct, constants: Iterable[Tensor], on_other: OnOther = lambda function: None
    ) -> None:
        super().__init__()
        self._on_product = on_product
        self._on_other = on_other
        # The tensors are kept with their storages: once a storage is freed, an activation may get its number.
        self._constants = {storage_of(tensor): tensor for tensor in constants}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls `func`, or what stands for it."""
        settings = dict(kwargs or {})
        if func is scaled_dot_product_attention:
            return attention(self._on_product, *args, **settings)
        found = recognise(func, args, settings)
        if found is not None and not (self._is_constant(found.a) or self._is_constant(found.b)):
            return self._on_product(found)
        self._on_other(func)
        return func(*args, **settings)

    def _is_constant(self, tensor: Tensor) -> bool:
        return storage_of(tensor) in self._constants


def storage_of(tensor: Tensor) -> int:
    """A number that two tensors share if and only if they share storage, with data or without (on the meta device)."""
    return tensor.untyped_storage()._cdata  # type: ignore[no-any-return]


def recognise(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Product | None:
    """The product that a call computes, or None if it computes none of two float tensors.

    >>> found = recognise(torch.einsum, ("nc,nd->cd", torch.ones(1, 2), torch.ones(1, 3)), {})
    >>> found.kind, tuple(found.multiply(found.a, found.b).shape)
    ('einsum', (2, 3))
    """
    found: Product | None = None
    if "out" in kwargs:
        return None
    if func in _TWO_OPERANDS:
        second = next((kwargs[name] for name in _SECOND if name in kwargs), args[-1] if args else None)
        found = Product(_TWO_OPERANDS[func], args[0] if args else kwargs["input"], second, MATMUL)  # type: ignore[arg-type]
    elif func in (torch.baddbmm, Tensor.baddbmm) and len(args) == 3:
        multiply = Multiply(lambda a, b: torch.baddbmm(args[0], a, b, **kwargs))
        found = Product("baddbmm", args[1], args[2], multiply)
    elif func is torch.einsum and isinstance(args[0], str):
        operands = args[1] if len(args) == 2 else args[1:]
        if len(operands) == 2 and contracts(args[0]):
            multiply = Multiply(lambda a, b: torch.einsum(args[0], a, b), args[0])
            found = Product("einsum", operands[0], operands[1], multiply)
    both = found is not None and all(isinstance(x, Tensor) and x.is_floating_point() for x in (found.a, found.b))
    return found if both else None


def contracts(equation: str) -> bool:
    """Whether an equation of two operands sums over an index that both have, as a matrix product does.

    >>> contracts("bhid,bhjd->bhij"), contracts("bchw,bc->bchw")
    (True, False)
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    first, _, second = left.partition(",")
    shared = {index for index in set(first) & set(second) if index.isalpha()}
    return bool(shared - set(right)) if arrow else bool(shared)


def attention(
    multiply: OnProduct,
    query: Float[Tensor, "... q d"],
    key: Float[Tensor, "... k d"],
    value: Float[Tensor, "... k e"],
    attn_mask: Float[Tensor, ...] | Bool[Tensor, ...] | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Float[Tensor, "... q e"]:
    """What `torch.nn.functional.scaled_dot_product_attention` computes, as two products and a softmax between them.

    The products are of kind ``scores`` and ``context``. Agrees with torch's fused kernels to rounding, not bit by bit.
    Raises: SpecError where dropout is on (remedy: evaluation mode).
    """
    if dropout_p > 0.0:
        raise SpecError(
            f"attention drops {dropout_p:.0%} of its weights at random; put the network in evaluation mode."
        )
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
    if is_causal:
        attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = multiply(Product("scores", query * factor, key.transpose(-2, -1), MATMUL))
    if attn_mask is not None:
        floor = float("-inf")
        scores = scores.masked_fill(~attn_mask, floor) if attn_mask.dtype == torch.bool else scores + attn_mask
    return multiply(Product("context", torch.softmax(scores, dim=-1), value, MATMUL))
