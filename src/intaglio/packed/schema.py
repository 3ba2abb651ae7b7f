"""What each operation is: its inputs, attributes, tensors and sites, by role. The one table that the file reader, the
reference, the native engine and the tests all walk. Meaning is written in ``docs/numerics.md``, section "Operations".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

ACTIVATIONS = ("none", "relu", "leaky_relu", "prelu", "sigmoid", "gelu", "silu")

BLOCK_ACTIVATIONS = (
    "q.input", "k.input", "v.input", "scores.a", "scores.b", "context.a", "context.b",
    "proj.input", "fc1.input", "fc2.input",
)  # fmt: skip
BLOCK_WEIGHTS = ("q", "k", "v", "proj", "fc1", "fc2")


@dataclass(frozen=True)
class OpSchema:
    """The form of one kind of operation.

    `attrs` maps names to their types; `tensors` and `sites` list roles in the order of storage. `choices` lists
    alternative (tensors, sites) forms where an operation has more than one (a float and a quantized convolution).
    """

    arity: tuple[int, int]
    attrs: Mapping[str, type] = field(default_factory=dict)
    forms: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (((), ()),)
    optional: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "attrs", MappingProxyType(dict(self.attrs)))


def _block() -> OpSchema:
    tensors = ("norm", *(f"{part}.codes" for part in BLOCK_WEIGHTS), "bias", "table")
    sites = (*BLOCK_ACTIVATIONS, *(f"{part}.weight" for part in BLOCK_WEIGHTS))
    attrs = {"dim": int, "heads": int, "window": int, "shift": int, "hidden": int, "eps": float}
    return OpSchema(arity=(1, 1), attrs=attrs, forms=((tensors, sites),))


OPS: Mapping[str, OpSchema] = MappingProxyType(
    {
        # uint8 picture (h, w, 3) -> (3, H, W): (u8 / 255 - mean) * range, then mirrored right and down to a multiple
        "picture": OpSchema(arity=(0, 0), attrs={"range": float, "mean": tuple, "multiple": int}),
        # (C, H, W) -> uint8 (h*s, w*s, 3): x / range + mean, clipped to [0, 1], times 255, rounded, cropped
        "output": OpSchema(arity=(1, 1), attrs={"range": float, "mean": tuple}),
        "conv2d": OpSchema(
            arity=(1, 1),
            attrs={"in": int, "out": int, "kernel": int, "stride": int, "pad": int, "act": str, "slope": float},
            forms=((("weight", "bias"), ()), (("conv.codes", "bias"), ("conv.input", "conv.weight"))),
            optional=("prelu",),
        ),
        "layer_norm": OpSchema(arity=(1, 1), attrs={"dim": int, "eps": float}, forms=((("norm",), ()),)),
        "window_block": _block(),
        "add": OpSchema(arity=(2, 2), attrs={"scale": float}),  # a + scale * b
        "mul": OpSchema(arity=(2, 2)),  # b may be (C, 1, 1)
        "activation": OpSchema(arity=(1, 1), attrs={"act": str, "slope": float}, optional=("prelu",)),
        "pixel_shuffle": OpSchema(arity=(1, 1), attrs={"factor": int}),
        "nearest": OpSchema(arity=(1, 1), attrs={"factor": int}),
        "bilinear": OpSchema(arity=(2, 2)),  # the first, resized to the height and width of the second
        "bilinear_scale": OpSchema(arity=(1, 1), attrs={"factor": int}),
        "global_mean": OpSchema(arity=(1, 1)),  # (C, H, W) -> (C, 1, 1)
        "max_pool": OpSchema(arity=(1, 1), attrs={"kernel": int, "stride": int}),
        "concat": OpSchema(arity=(2, 8)),
    }
)
