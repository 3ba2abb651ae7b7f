"""Programs about one operation, its attributes drawn up to their limits: whatever passes validation must run anywhere.

Many are refused, and should be: shapes that do not fit, attributes that contradict one another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from intaglio.packed.definition import Attribute, Tensor
from intaglio.packed.examples.maker import Maker
from intaglio.packed.layout import is_codes, tensor_roles
from intaglio.packed.ops import OPS
from intaglio.packed.program import Program
from intaglio.packed.size import AREA, H, W
from intaglio.spec import MAX_BITS, MIN_BITS, Coverage

CHANNELS = 4
_FEW = (1, 2, 3, CHANNELS, 8)


def limit_program(rng: np.random.Generator, kind: str) -> Program:
    """A program of scale 1 about one operation of this kind, sound or not.

    Its value, of whatever shape, is brought to its mean, which is added to the picture.

    >>> [op.kind for op in limit_program(np.random.default_rng(0), "affine").ops]
    ['input', 'affine', 'reduce', 'activation', 'expand', 'add', 'output']
    """
    bits = int(rng.integers(MIN_BITS, MAX_BITS + 1))
    maker = Maker(rng, bits, int(rng.integers(MIN_BITS, MAX_BITS + 1)), per_channel=bool(rng.random() < 0.5))
    channels = int(rng.choice([3, CHANNELS]))
    multiple = int(rng.choice([1, 4, 8, 256])) if kind == "input" else 4
    pad = str(rng.choice(OPS["input"].attrs["pad"].choices))
    picture = maker.input(multiple, pad, 3)
    x = picture if channels == 3 else maker.emit("concat", "four", (picture, _first(maker, picture)), {"axis": 1})
    if kind not in ("input", "output"):
        x = _operation(maker, kind, x, channels)
        x = _mean(maker, x)
        x = maker.emit("add", "sum", (picture, x))
    else:
        x = picture
    maker.output(x)
    return Program(1, "limits", Coverage.FULL, tuple(maker.ops))


def _first(maker: Maker, x: str) -> str:
    return maker.slice("first", x, 1, 0, 1)


def _mean(maker: Maker, x: str) -> str:
    """The mean of a value of unknown rank, held between -1 and 1, as large as the picture."""
    shape = _shape(maker)
    if shape:
        x = maker.reduce("mean", x, "mean", *range(len(shape)), keep=0)
    x = maker.act("held", x, "clamp", low=-1.0, high=1.0)
    return maker.emit("expand", "wide", (x,), {"shape": (1, 3, H, W)})


def _shape(maker: Maker) -> tuple[int, ...]:
    """The shape of the last value for a picture of 8 by 12; of no axis if there is none."""
    shapes: dict[str, tuple[int, ...]] = {}
    try:
        for op in maker.ops:
            shapes[op.output] = OPS[op.kind].shape(op, [shapes[name] for name in op.inputs], (8, 12))
    except Exception:
        return ()
    return shapes[maker.ops[-1].output]


def _operation(maker: Maker, kind: str, x: str, channels: int) -> str:
    known, rng = OPS[kind], maker.rng
    hint = _HINTS.get(kind, {})
    attrs = {name: _attribute(rng, one, hint.get(name)) for name, one in known.attrs.items()}
    if "fit" in hint:
        attrs |= hint["fit"](rng, attrs)
    count = int(rng.integers(known.arity[0], min(known.arity[1], 3) + 1))
    if kind == "resize":
        count = 2 if attrs["to"] == "like" else 1
    inputs = tuple(_input(maker, kind, x, channels, index) for index in range(count))
    quantized = bool(known.sites) and rng.random() < 0.7
    tensors, lengths = {}, dict(hint.get("lengths", lambda *_: {})(rng, attrs, channels))
    for role, tensor in tensor_roles(kind, attrs, quantized).items():
        if not tensor.optional or rng.random() < 0.5:
            tensors[role] = _tensor(maker, role, tensor, lengths)
    sites = {}
    for role in known.sites if quantized else ():
        codes = tensors.get(f"{role}.codes")
        site = f"op:{role}"
        sites[role] = maker.act_site(site) if codes is None else maker.weight_site(site, len(codes), codes[0].size)
    return maker.emit(kind, "op", inputs, attrs, tensors, sites)


def _input(maker: Maker, kind: str, x: str, channels: int, index: int) -> str:
    """A map, or a value that was made of it."""
    if kind == "matmul":
        axes = (0, 1, 2, 3) if index == 0 else (0, 1, 3, 2)
        return x if index == 0 else maker.permute(f"in{index}", x, *axes)
    if kind in ("linear", "layer_norm") or (kind in ("softmax", "reduce", "affine") and maker.rng.random() < 0.5):
        tokens = maker.permute(f"in{index}", x, 0, 2, 3, 1)
        return tokens if maker.rng.random() < 0.5 else maker.reshape(f"flat{index}", tokens, 1, AREA, channels)
    if kind in _BINARY and index == 1 and maker.rng.random() < 0.5:
        return maker.reduce("mean1", x, "mean", 2, 3)
    return x


_BINARY = ("add", "sub", "mul", "div", "maximum", "minimum")


def _attribute(rng: np.random.Generator, one: Attribute, among: Any) -> Any:
    """A value within the limits: the least, the greatest, or a small one."""
    if among is not None:
        return among[int(rng.integers(len(among)))]
    if one.form == "str":
        return str(rng.choice(one.choices))
    many, count = one.form.endswith("s"), int(rng.integers(one.least, min(one.most, one.least + 2) + 1))
    entries = tuple(_entry(rng, one) for _ in range(count))
    return entries if many else entries[0]


def _entry(rng: np.random.Generator, one: Attribute) -> Any:
    kind = one.form.removesuffix("s")
    small = [float(number) for number in range(4) if one.low <= number <= one.high]
    value = float(rng.choice([one.low, one.high, *small]))
    if kind == "size":
        return [1, 2, 3, H, W, AREA][int(rng.integers(6))]
    return value if kind == "float" else int(value)


def _tensor(maker: Maker, role: str, tensor: Tensor, lengths: dict[str, int]) -> np.ndarray:
    shape = []
    for dim in tensor.dims if tensor.dims is not None else ():
        lengths.setdefault(dim.name, int(maker.rng.choice([number for number in _FEW if number <= dim.most])))
        shape.append(lengths[dim.name])
    if tensor.dims is None:
        shape = [int(side) for side in maker.rng.choice(_FEW, int(maker.rng.integers(0, 5)))]
    if is_codes(role):
        return maker.codes(*shape)
    if tensor.form == "indices":
        return maker.rng.integers(0, 4, shape, dtype=np.int32)
    return maker.floats(*shape)


Hint = Mapping[str, Any]
Fit = Callable[[np.random.Generator, Mapping[str, Any]], dict[str, Any]]


def _channels_of(rng: np.random.Generator, attrs: Mapping[str, Any], channels: int) -> dict[str, int]:
    return {"K": channels, "C": channels}


def _kernels(rng: np.random.Generator, attrs: Mapping[str, Any], channels: int) -> dict[str, int]:
    wide, tall = (int(rng.choice([1, 2, 3, 31])) for _ in range(2))
    return {
        "O": int(rng.choice([1, channels, 2 * channels, 4096])) if wide * tall == 1 else channels,
        "I": channels // attrs["groups"] if channels % attrs["groups"] == 0 else 1,
        "kh": tall,
        "kw": wide,
    }


def _no_parameters(rng: np.random.Generator, attrs: Mapping[str, Any]) -> dict[str, Any]:
    function = attrs["function"]
    slope = attrs["slope"] if function == "leaky_relu" else 0.0
    low, high = (attrs["low"], abs(attrs["low"])) if function == "clamp" else (0.0, 0.0)
    return {"slope": slope, "low": low, "high": high}


def _window(rng: np.random.Generator, attrs: Mapping[str, Any]) -> dict[str, Any]:
    window = attrs["window"]
    return {"shift": tuple(int(rng.integers(0, side)) for side in window)}


def _table(rng: np.random.Generator, attrs: Mapping[str, Any], channels: int) -> dict[str, int]:
    height, width = attrs["window"]
    return {"rows": (2 * height - 1) * (2 * width - 1), "heads": int(rng.choice([1, 2, 6]))}


def _no_factor(rng: np.random.Generator, attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {} if attrs["to"] == "factor" else {"factor": (1.0, 1.0)}


def _no_value(rng: np.random.Generator, attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {} if attrs["mode"] == "zero" else {"value": 0.0}


_HINTS: Mapping[str, Hint] = MappingProxyType(
    {
        "conv2d": {"groups": (1, 1, 3, 4), "lengths": _kernels},
        "linear": {"lengths": _channels_of},
        "layer_norm": {"lengths": _channels_of},
        "activation": {"fit": _no_parameters, "lengths": _channels_of},
        "softmax": {"axis": (1, 2, 3)},
        "normalize": {"axis": (1, 2, 3)},
        "concat": {"axis": (1, 2, 3)},
        "take": {"axis": (1, 2, 3)},
        "reduce": {"axes": ((0,), (1,), (2, 3), (1, 2, 3), (3,), (0, 1))},
        "reshape": {"shape": ((1, -1, H * W), (-1, H, W), (-1,), (H, 1, -1, W), (1, -1, H / 2, 2, W / 4, 4))},
        "permute": {"axes": ((0, 2, 3, 1), (3, 2, 1, 0), (1, 0, 3, 2))},
        "expand": {"shape": ((2, 3, H, W), (1, CHANNELS, H, W), (3, 1, 1, CHANNELS, H, W))},
        "slice": {"axis": (1, 2, 3), "start": (0, 1, H / 4), "stop": (2, H / 2, W, H), "step": (1, 2, 3, 1 << 16)},
        "pad": {
            "widths": ((0, 0, 0, 0, 1, 2, 3, 0), (0, 0, 1, 1, H - 1, 0, 0, W), (0, 3, 0, 0, 2, 2, 2, 2)),
            "fit": _no_value,
        },
        "roll": {"shifts": ((1,), (-(1 << 20),), (1 << 20,)), "axes": ((1,), (2,), (3,))},
        "resize": {"fit": _no_factor},
        "pixel_shuffle": {"factor": (1, 2)},
        "pixel_unshuffle": {"factor": (1, 2, 4)},
        "position_bias": {"window": ((1, 1), (4, 4), (2, 8), (64, 1), (1, 64), (16, 16)), "lengths": _table},
        "shift_mask": {
            "window": ((1, 1), (4, 4), (2, 4), (4, 1)),
            "height": (H, 8, H * 2),
            "width": (W, 8),
            "fit": _window,
        },
    }
)
"""What is drawn instead of any value within the limits, where that would hardly ever fit anything."""
