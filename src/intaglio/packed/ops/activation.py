"""A function of each number, named by ``function``.

- ``relu``: max(x, 0). ``leaky_relu``: x, or ``slope`` x below 0. ``prelu``: the same with the slope of the channel
  (axis 1), ``weight`` (C,), or one slope for all, (1,).
- ``gelu``: x / 2 (1 + erf(x / sqrt 2)). ``gelu_tanh``: x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
- ``sigmoid``: 1 / (1 + exp(-x)). ``silu``: x sigmoid(x). ``tanh``. ``softplus``: log(1 + exp(x)).
  ``mish``: x tanh(softplus(x)).
- ``hard_sigmoid``: clamp(x / 6 + 1/2, 0, 1). ``hard_swish``: x hard_sigmoid(x). ``clamp``: to [``low``, ``high``].
- ``exp``, ``log``, ``sqrt``, ``rsqrt`` (1 / sqrt x), ``abs``, ``neg``, ``square``, ``reciprocal``.

``slope``, ``low`` and ``high`` are 0 where the function has no use for them.
"""

from __future__ import annotations

from intaglio.packed.definition import Definition, Dim, Picture, Tensor, need, real, word
from intaglio.packed.field import Shape, Shapes, pointwise
from intaglio.packed.ops.conv2d import MAX_CHANNELS
from intaglio.packed.program import Op

FUNCTIONS = (
    "relu", "leaky_relu", "prelu", "gelu", "gelu_tanh", "silu", "sigmoid", "tanh", "mish", "hard_swish",
    "hard_sigmoid", "softplus", "clamp", "exp", "log", "sqrt", "rsqrt", "abs", "neg", "square", "reciprocal",
)  # fmt: skip


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    if op.text("function") == "prelu":
        slopes = len(op.tensors["weight"])
        fits = slopes == 1 or (len(shapes[0]) >= 2 and shapes[0][1] == slopes)
        need(fits, op, shapes, f"{slopes} channels along axis 1, one for each slope")
    return shapes[0]


def _check(op: Op) -> str | None:
    function = op.text("function")
    if function != "leaky_relu" and op.real("slope") != 0.0:
        return f"slope must be 0 for {function}"
    if function != "clamp" and (op.real("low"), op.real("high")) != (0.0, 0.0):
        return f"low and high must be 0 for {function}"
    return None if op.real("low") <= op.real("high") else "low must not exceed high"


DEFINITION = Definition(
    "activation",
    _shape,
    attrs={"function": word(*FUNCTIONS), "slope": real(-1e6, 1e6), "low": real(), "high": real()},
    tensors=(Tensor("weight", (Dim("C", MAX_CHANNELS),), when=("function", "prelu")),),
    check=_check,
    field=pointwise,
)
