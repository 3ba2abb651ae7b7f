"""Every operation of the registry against torch in double precision (or exactly), on random shapes and attributes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intaglio.packed.ops import OPS
from intaglio.packed.ops.activation import FUNCTIONS
from intaglio.packed.program import Op
from intaglio.packed.size import AREA, H, W, whole
from intaglio.runtime.reference import KERNELS, Probe

torch = pytest.importorskip("torch")
F = torch.nn.functional

ROUNDING = 2.0**-24  # the relative error of one rounding to single precision
Rng = np.random.Generator


@dataclass
class Case:
    """An operation on inputs, what it should give, and by how much it may differ."""

    attrs: dict[str, Any]
    inputs: list[np.ndarray]
    expected: np.ndarray
    error: np.ndarray | float = 0.0
    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    picture: tuple[int, int] = (1, 1)


def normal(rng: Rng, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def wide(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(x)).double()


def some(rng: Rng, low: int, high: int) -> int:
    """An integer from low to high, ends included."""
    return int(rng.integers(low, high + 1))


def shape_of(rng: Rng, low: int, high: int) -> tuple[int, ...]:
    return tuple(int(side) for side in rng.integers(1, 5, some(rng, low, high)))


def conv2d(rng: Rng) -> Case:
    groups, kernel = some(rng, 1, 3), (some(rng, 1, 3), some(rng, 1, 3))
    stride, dilation = (some(rng, 1, 2), some(rng, 1, 2)), (some(rng, 1, 2), some(rng, 1, 2))
    top, left, bottom, right = padding = tuple(some(rng, 0, 2) for _ in range(4))
    mode = str(rng.choice(["zeros", "reflect"]))
    x = normal(rng, some(rng, 1, 2), 2 * groups, some(rng, 5, 8), some(rng, 5, 8))
    weight = normal(rng, groups * some(rng, 1, 2), 2, *kernel)
    bias = normal(rng, len(weight))
    keywords = {"stride": stride, "dilation": dilation, "groups": groups}

    def convolve(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> np.ndarray:
        padded = F.pad(x, (left, right, top, bottom), mode="constant" if mode == "zeros" else "reflect")
        return F.conv2d(padded, weight, bias, **keywords).numpy()

    arguments = wide(x), wide(weight), wide(bias)
    # a sum of K products and a bias: K + 1 roundings of at most the sum of the magnitudes
    error = 1.01 * (weight[0].size + 1) * ROUNDING * convolve(*(one.abs() for one in arguments))
    tensors = {"weight": weight, **({"bias": bias} if rng.random() < 0.5 else {})}
    if "bias" not in tensors:
        arguments = (*arguments[:2], torch.zeros_like(arguments[2]))
    attrs = {"padding": padding, "pad_mode": mode, **keywords}
    return Case(attrs, [x], convolve(*arguments), error, tensors)


def linear(rng: Rng) -> Case:
    x, weight = normal(rng, *shape_of(rng, 0, 3), 7), normal(rng, 5, 7)
    bias = normal(rng, 5)
    error = 1.01 * 8 * ROUNDING * F.linear(wide(x).abs(), wide(weight).abs(), wide(bias).abs()).numpy()
    return Case({}, [x], F.linear(wide(x), wide(weight), wide(bias)).numpy(), error, {"weight": weight, "bias": bias})


def matmul(rng: Rng) -> Case:
    batch = shape_of(rng, 0, 2)
    a, b = normal(rng, *batch, 3, 7), normal(rng, *(batch if rng.random() < 0.5 else batch[1:]), 7, 2)
    error = 1.01 * 7 * ROUNDING * (wide(a).abs() @ wide(b).abs()).numpy()
    return Case({}, [a, b], (wide(a) @ wide(b)).numpy(), error)


def softmax(rng: Rng) -> Case:
    x = 3 * normal(rng, *shape_of(rng, 1, 4))
    axis = some(rng, 0, x.ndim - 1)
    expected = torch.softmax(wide(x), axis).numpy()
    # the difference to the largest is at most 24 and rounded once; then an exponential of 2 units, and a sum of 4
    return Case({"axis": axis}, [x], expected, (2 * 24 + 2 * 4 + 4 + 2) * ROUNDING * expected)


def normalize(rng: Rng) -> Case:
    x = normal(rng, *shape_of(rng, 1, 4))
    axis = some(rng, 0, x.ndim - 1)
    expected = F.normalize(wide(x), dim=axis, eps=1e-12).numpy()
    return Case({"axis": axis, "eps": 1e-12}, [x], expected, 2.01 * ROUNDING * np.abs(expected))


def layer_norm(rng: Rng) -> Case:
    n = some(rng, 4, 16)
    x = normal(rng, *shape_of(rng, 0, 3), n)
    weight, bias = normal(rng, n), normal(rng, n)
    normed = F.layer_norm(wide(x), (n,), eps=1e-5).numpy()
    spread = np.sqrt(x.var(axis=-1, keepdims=True, dtype=np.float64) + 1e-5)
    # a mean of n numbers moves every number and, through the variance, all of them in proportion
    moved = (n + 2) * ROUNDING * np.abs(x).max(axis=-1, keepdims=True) / spread
    error = (moved * (1 + np.abs(normed)) + (n + 8) * ROUNDING * np.abs(normed)) * np.abs(weight)
    error = 1.01 * (error + ROUNDING * (np.abs(bias) + np.abs(normed * weight)))
    return Case({"eps": 1e-5}, [x], normed * weight + bias, error, {"weight": weight, "bias": bias})


TORCH: dict[str, Callable[..., Any]] = {
    "relu": torch.relu, "leaky_relu": lambda x: F.leaky_relu(x, 0.125), "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "sigmoid": torch.sigmoid,
    "tanh": torch.tanh, "mish": F.mish, "hard_swish": F.hardswish, "hard_sigmoid": F.hardsigmoid,
    "softplus": F.softplus, "clamp": lambda x: x.clamp(-0.5, 0.75), "exp": torch.exp, "log": torch.log,
    "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "abs": torch.abs, "neg": torch.neg, "square": torch.square,
    "reciprocal": torch.reciprocal, "prelu": None,
}  # fmt: skip


def activation(rng: Rng, function: str = "") -> Case:
    function = function or str(rng.choice(FUNCTIONS))
    x = 4 * normal(rng, *shape_of(rng, 2, 4))
    if function in ("log", "sqrt", "rsqrt"):
        x = np.abs(x) + np.float32(0.01)
    attrs = {"function": function, "slope": 0.0, "low": 0.0, "high": 0.0}
    attrs |= {"slope": 0.125} if function == "leaky_relu" else {}
    attrs |= {"low": -0.5, "high": 0.75} if function == "clamp" else {}
    slopes = normal(rng, x.shape[1] if rng.random() < 0.5 else 1)
    expected = (F.prelu(wide(x), wide(slopes)) if function == "prelu" else TORCH[function](wide(x))).numpy()
    # functions of 4 units in the last place, at most three of them and three roundings on the way; a clamped sum is off
    # by a rounding of its terms; torch's softplus is x above 20, off by exp(-20); the error function by 1e-9
    error = 16 * ROUNDING * np.abs(expected) + 2.1e-9 * np.maximum(np.abs(x), 1)
    if function.startswith("hard"):
        error += 3 * ROUNDING * np.maximum(np.abs(x), 1)
    return Case(attrs, [x], expected, error, {"weight": slopes} if function == "prelu" else {})


def affine(rng: Rng) -> Case:
    x = normal(rng, *shape_of(rng, 0, 4))
    return Case({"scale": 0.375, "offset": -1.5}, [x], np.float32(0.375) * x + np.float32(-1.5))


def binary(function: Callable[..., torch.Tensor]) -> Callable[[Rng], Case]:
    def case(rng: Rng) -> Case:
        shape = shape_of(rng, 0, 4)
        thin = tuple(side if rng.random() < 0.5 else 1 for side in shape)[some(rng, 0, len(shape)) :]
        inputs = [normal(rng, *shape), normal(rng, *thin)]
        if rng.random() < 0.5:
            inputs.reverse()
        return Case({}, inputs, function(*(torch.from_numpy(x) for x in inputs)).numpy())

    return case


def reduce(rng: Rng) -> Case:
    x = normal(rng, *shape_of(rng, 1, 4))
    axes = tuple(sorted(rng.permutation(x.ndim)[: some(rng, 1, x.ndim)].tolist()))
    function, keep = str(rng.choice(["mean", "sum", "max", "min", "var"])), bool(rng.random() < 0.5)
    of = {
        "mean": torch.mean, "sum": torch.sum, "max": torch.amax, "min": torch.amin,
        "var": lambda x, **other: torch.var(x, correction=0, **other),
    }  # fmt: skip
    expected = of[function](wide(x), dim=axes, keepdim=keep).numpy()
    # doubles, rounded once; 256 numbers and their squares in doubles
    error = ROUNDING * np.abs(expected) + 600 * 2.0**-53 * np.square(np.abs(x) + 1).sum()
    return Case({"function": function, "axes": axes, "keep": int(keep)}, [x], expected, error)


def reshape(rng: Rng) -> Case:
    height, width = 2 * some(rng, 1, 3), 3 * some(rng, 1, 3)
    x = normal(rng, 1, 4, height, width)
    count = height * width
    shape, wanted = [
        ((1, 2, 2, AREA), (1, 2, 2, count)),
        ((4, H / 2, 2, -1), (4, height // 2, 2, width)),
        ((AREA / 6, 6, 4), (count // 6, 6, 4)),
        ((H * 4, W), (4 * height, width)),
    ][some(rng, 0, 3)]
    return Case({"shape": shape}, [x], torch.from_numpy(x).reshape(wanted).numpy(), picture=(height, width))


def permute(rng: Rng) -> Case:
    x = normal(rng, *shape_of(rng, 1, 5))
    axes = tuple(rng.permutation(x.ndim).tolist())
    return Case({"axes": axes}, [x], torch.from_numpy(x).permute(axes).numpy())


def expand(rng: Rng) -> Case:
    x = normal(rng, 2, 1, 1)
    expected = torch.from_numpy(x).expand(3, 2, 5, 7).numpy()
    return Case({"shape": (3, 2, H, W)}, [x], expected, picture=(5, 7))


def slice_(rng: Rng) -> Case:
    x, step = normal(rng, 2, 9, 11), some(rng, 1, 3)
    start, less = some(rng, 0, 3), some(rng, 0, 3)
    attrs = {"axis": 1, "start": start, "stop": H - less, "step": step}
    return Case(attrs, [x], x[:, start : 9 - less : step], picture=(9, 11))


def concat(rng: Rng) -> Case:
    shape = list(shape_of(rng, 1, 4))
    axis, inputs = some(rng, 0, len(shape) - 1), []
    for _ in range(some(rng, 2, 4)):
        shape[axis] = some(rng, 1, 4)
        inputs.append(normal(rng, *shape))
    return Case({"axis": axis}, inputs, torch.cat([torch.from_numpy(x) for x in inputs], axis).numpy())


def bounced(length: int, before: int, after: int, mode: str) -> list[int]:
    """Places along a mirrored axis: a walk to and fro between its ends, one step after another."""

    def walk(at: int, step: int, count: int) -> list[int]:
        found = []
        for _ in range(count):
            if 0 <= at + step < length:
                at += step
            else:
                step = -step
                at += step if mode == "reflect" and length > 1 else 0
            found.append(at)
        return found

    return walk(0, -1, before)[::-1] + list(range(length)) + walk(length - 1, 1, after)


def pad(rng: Rng) -> Case:
    x = normal(rng, 2, 3, some(rng, 3, 4), some(rng, 1, 5))
    mode = str(rng.choice(["zero", "reflect", "mirror", "edge", "circular"]))
    value = 1.5 if mode == "zero" else 0.0
    most = min(3, *x.shape[2:]) if mode == "circular" else 11 if mode in ("reflect", "mirror") else 3
    a, b, c, d = (some(rng, 0, most) for _ in range(4))
    attrs = {"widths": (0, 0, 0, 0, a, b, c, whole(H, 8) - 8 + d), "mode": mode, "value": value}
    if mode in ("reflect", "mirror"):
        rows, columns = bounced(x.shape[2], a, b, mode), bounced(x.shape[3], c, d, mode)
        return Case(attrs, [x], x[:, :, rows][..., columns], picture=(4, 1))
    name = {"zero": "constant", "edge": "replicate"}.get(mode, mode)
    filling = {"value": value} if mode == "zero" else {}
    return Case(attrs, [x], F.pad(torch.from_numpy(x), (c, d, a, b), name, **filling).numpy(), picture=(4, 1))


def roll(rng: Rng) -> Case:
    x = normal(rng, *shape_of(rng, 1, 4))
    axes = tuple(rng.permutation(x.ndim)[: some(rng, 1, x.ndim)].tolist())
    shifts = tuple(some(rng, -7, 7) for _ in axes)
    return Case({"shifts": shifts, "axes": axes}, [x], torch.from_numpy(x).roll(shifts, axes).numpy())


def take(rng: Rng) -> Case:
    x = normal(rng, *shape_of(rng, 1, 4))
    axis = some(rng, 0, x.ndim - 1)
    indices = rng.integers(0, x.shape[axis], some(rng, 1, 6), dtype=np.int32)
    expected = torch.from_numpy(x).index_select(axis, torch.from_numpy(indices)).numpy()
    return Case({"axis": axis}, [x], expected, tensors={"indices": indices})


def pool2d(rng: Rng) -> Case:
    kernel, stride = (some(rng, 1, 4), some(rng, 1, 4)), (some(rng, 1, 3), some(rng, 1, 3))
    padding = some(rng, 0, kernel[0] // 2), some(rng, 0, kernel[1] // 2)
    x, function = normal(rng, 1, 2, some(rng, 4, 8), some(rng, 4, 8)), str(rng.choice(["max", "avg"]))
    pool = F.max_pool2d if function == "max" else F.avg_pool2d
    expected = pool(wide(x), kernel, stride, padding).numpy()
    error = ROUNDING * np.abs(expected) + 20 * 2.0**-53 * np.abs(x).sum()
    return Case({"function": function, "kernel": kernel, "stride": stride, "padding": padding}, [x], expected, error)


def resize(rng: Rng) -> Case:
    x, mode = normal(rng, 1, 2, some(rng, 2, 6), some(rng, 2, 6)), str(rng.choice(["nearest", "bilinear", "bicubic"]))
    corners = {} if mode == "nearest" else {"align_corners": False}
    # weights rounded once, products and sums: 12 roundings of at most the square of 1.6 times the largest number
    error = 0.0 if mode == "nearest" else 12 * ROUNDING * 2.6 * float(np.abs(x).max())
    if rng.random() < 0.5:
        factor = [(2.0, 2.0), (3.0, 1.0), (0.5, 4.0), (1.5, 1.25)][some(rng, 0, 3)]
        expected = F.interpolate(wide(x), scale_factor=factor, mode=mode, **corners).numpy()
        return Case({"mode": mode, "to": "factor", "factor": factor}, [x], expected, error)
    like = np.zeros((1, 1, some(rng, 1, 9), some(rng, 1, 9)), np.float32)
    if mode == "nearest":
        sides = zip(x.shape[2:], like.shape[2:], strict=True)
        rows, columns = ([i * size // out for i in range(out)] for size, out in sides)
        expected = x[:, :, rows][..., columns]
    else:
        expected = F.interpolate(wide(x), size=like.shape[2:], mode=mode, **corners).numpy()
    return Case({"mode": mode, "to": "like", "factor": (1.0, 1.0)}, [x, like], expected, error)


def pixel_shuffle(rng: Rng) -> Case:
    factor = some(rng, 1, 3)
    x = normal(rng, *shape_of(rng, 0, 2), 2 * factor**2, 3, 4)
    return Case({"factor": factor}, [x], F.pixel_shuffle(torch.from_numpy(x), factor).numpy())


def pixel_unshuffle(rng: Rng) -> Case:
    factor = some(rng, 1, 3)
    x = normal(rng, *shape_of(rng, 0, 2), 2, 3 * factor, 2 * factor)
    return Case({"factor": factor}, [x], F.pixel_unshuffle(torch.from_numpy(x), factor).numpy())


def unfold(rng: Rng) -> Case:
    least = {"kernel": 1, "stride": 1, "padding": 0}
    attrs = {name: (some(rng, low, 3), some(rng, low, 3)) for name, low in least.items()}
    x = normal(rng, some(rng, 1, 2), 2, some(rng, 3, 6), some(rng, 3, 6))
    expected = F.unfold(torch.from_numpy(x), attrs["kernel"], 1, attrs["padding"], attrs["stride"]).numpy()
    return Case(attrs, [x], expected)


def constant(rng: Rng) -> Case:
    value = normal(rng, *shape_of(rng, 0, 4))
    return Case({}, [], value, tensors={"value": value})


def position_bias(rng: Rng) -> Case:
    h, w = some(rng, 1, 3), some(rng, 1, 3)
    table = normal(rng, (2 * h - 1) * (2 * w - 1), 2)
    places = [(y, x) for y in range(h) for x in range(w)]
    rows = [[(yi - yj + h - 1) * (2 * w - 1) + xi - xj + w - 1 for yj, xj in places] for yi, xi in places]
    return Case({"window": (h, w)}, [], table[np.array(rows)].transpose(2, 0, 1), tensors={"table": table})


def shift_mask(rng: Rng) -> Case:
    h, w = some(rng, 1, 4), some(rng, 1, 4)
    s, t, height, width = some(rng, 0, h - 1), some(rng, 0, w - 1), h * some(rng, 1, 3), w * some(rng, 1, 3)
    # neighbours in the rolled map are strangers in the picture when only one of them came round its edge
    came = [[(y + s >= height, x + t >= width) for x in range(width)] for y in range(height)]
    corners = [(y, x) for y in range(0, height, h) for x in range(0, width, w)]
    windows = [[came[y + i][x + j] for i in range(h) for j in range(w)] for y, x in corners]
    mask = [[[0.0 if a == b else -100.0 for b in window] for a in window] for window in windows]
    attrs = {"window": (h, w), "shift": (s, t), "height": H, "width": W, "value": -100.0}
    return Case(attrs, [], np.array(mask), picture=(height, width))


CASES: dict[str, Callable[[Rng], Case]] = {
    "conv2d": conv2d, "linear": linear, "matmul": matmul, "softmax": softmax, "layer_norm": layer_norm,
    "normalize": normalize, "activation": activation, "affine": affine, "add": binary(torch.add),
    "sub": binary(torch.sub), "mul": binary(torch.mul), "div": binary(torch.div), "maximum": binary(torch.maximum),
    "minimum": binary(torch.minimum), "reduce": reduce, "reshape": reshape, "permute": permute, "expand": expand,
    "slice": slice_, "concat": concat, "pad": pad, "roll": roll, "take": take, "pool2d": pool2d, "resize": resize,
    "pixel_shuffle": pixel_shuffle, "pixel_unshuffle": pixel_unshuffle, "unfold": unfold, "constant": constant,
    "position_bias": position_bias, "shift_mask": shift_mask,
}  # fmt: skip


def run(kind: str, case: Case) -> None:
    """The reference gives what is expected, and its definition that shape."""
    names = tuple(f"x{index}" for index in range(len(case.inputs)))
    op = Op(kind, "op", names, "y", case.attrs, case.tensors)
    for key, attribute in OPS[kind].attrs.items():
        attribute.check(kind, key, op.attrs[key])
    assert OPS[kind].check(op) is None
    got = KERNELS[kind](op, case.inputs, Probe(), case.picture)
    assert got.dtype == np.float32
    shapes = [tuple(x.shape) for x in case.inputs]
    assert got.shape == case.expected.shape == OPS[kind].shape(op, shapes, case.picture)
    assert np.all(np.abs(got - case.expected) <= case.error)


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_operation_is_what_torch_says(kind: str, seed: int) -> None:
    run(kind, CASES[kind](np.random.default_rng(seed)))


@pytest.mark.parametrize("function", FUNCTIONS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_function_is_what_torch_says(function: str, seed: int) -> None:
    run("activation", activation(np.random.default_rng(seed), function))


def test_every_operation_has_a_kernel_and_a_case() -> None:
    assert KERNELS.keys() == CASES.keys() == OPS.keys() - {"input", "output"}
    assert TORCH.keys() == set(FUNCTIONS)
