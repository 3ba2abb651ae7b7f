"""Emits operations with random parameters, each under its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from intaglio.packed.program import Op, Site
from intaglio.packed.size import Extent
from intaglio.spec import Bounds, Coverage, Grid, Piece, float32

MEAN = (0.45, 0.44, 0.4)


class Maker:
    """Operations of a program in the making; every method appends some and returns the name of the last value."""

    def __init__(
        self,
        rng: np.random.Generator,
        bits: int,
        act_bits: int,
        coverage: Coverage = Coverage.PAPER,
        per_channel: bool = False,
        pieces: tuple[Piece, ...] = (),
    ) -> None:
        self.rng = rng
        self.ops: list[Op] = []
        self._bits, self._act_bits = bits, act_bits
        self._coverage, self._per_channel, self._pieces = coverage, per_channel, pieces

    def emit(
        self,
        kind: str,
        name: str,
        inputs: tuple[str, ...],
        attrs: Mapping[str, Any] | None = None,
        tensors: Mapping[str, np.ndarray] | None = None,
        sites: Mapping[str, Site] | None = None,
    ) -> str:
        """Append an operation whose value has its own name."""
        self.ops.append(Op(kind, name, inputs, name, attrs or {}, tensors or {}, sites or {}))
        return name

    def input(self, multiple: int, pad: str = "mirror", channels: int = 3) -> str:
        attrs: dict[str, Any] = {"channels": channels, "range": 1.0, "mean": MEAN[:channels]}
        return self.emit("input", "input", (), {**attrs, "multiple": multiple, "pad": pad})

    def output(self, x: str, channels: int = 3) -> str:
        return self.emit("output", "output", (x,), {"range": 1.0, "mean": MEAN[:channels]})

    def floats(self, *shape: int, spread: float = 0.2) -> np.ndarray:
        """Normal numbers that half precision holds exactly."""
        return np.asarray(spread * self.rng.standard_normal(shape)).astype(np.float16).astype(np.float32)

    def codes(self, *shape: int) -> np.ndarray:
        return self.rng.integers(0, 1 << self._bits, shape, dtype=np.uint8)

    def weight_site(self, name: str, outputs: int, terms: int) -> Site:
        """Grids about zero, of a width that keeps the size of what passes through."""
        spread = 2.0 / np.sqrt(terms)
        ends = self.rng.uniform(0.5, 1.0, (outputs if self._per_channel else 1, 2)) * spread
        return Site(name, tuple(Grid.from_bounds(Bounds(-float(low), float(high)), self._bits) for low, high in ends))

    def act_site(self, name: str, lower: float = -2.0, upper: float = 2.0) -> Site:
        low, high = self.rng.uniform(0.8, 1.0, 2)
        bounds = Bounds(lower * float(low), upper * float(high))
        if self._pieces:
            top = sum(stride * steps for stride, steps in self._pieces)
            step = float32((bounds.upper - bounds.lower) / top)
            return Site(name, (Grid(float32(bounds.lower), step, 8, self._pieces),))
        return Site(name, (Grid.from_bounds(bounds, self._act_bits),))

    def _weights(
        self, name: str, shape: tuple[int, ...], quantized: bool, bounds: tuple[float, float], bias: bool
    ) -> tuple[dict[str, np.ndarray], dict[str, Site]]:
        terms = int(np.prod(shape[1:]))
        tensors = {"bias": self.floats(shape[0], spread=0.1)} if bias else {}
        if not quantized:
            return {"weight": self.floats(*shape, spread=float(terms**-0.5)), **tensors}, {}
        sites = {
            "input": self.act_site(f"{name}:input", *bounds),
            "weight": self.weight_site(f"{name}:weight", shape[0], terms),
        }
        return {"weight.codes": self.codes(*shape), **tensors}, sites

    def conv(self, name: str, x: str, inputs: int, outputs: int, *, kernel: int = 3, **changes: Any) -> str:
        """A convolution that keeps the sides; `changes` may hold other attributes, `act`, and `bias`=False."""
        act, bias = changes.pop("act", None), changes.pop("bias", True)
        attrs: dict[str, Any] = {
            "stride": (1, 1), "padding": (kernel // 2,) * 4, "dilation": (1, 1), "groups": 1, "pad_mode": "zeros",
        } | changes  # fmt: skip
        shape = (outputs, inputs // int(changes.get("groups", 1)), kernel, kernel)
        full = self._coverage is Coverage.FULL
        x = self.emit("conv2d", name, (x,), attrs, *self._weights(name, shape, full, (-1.5, 2.0), bias))
        return x if act is None else self.act(f"{name}.{act}", x, act, channels=outputs)

    def linear(self, name: str, x: str, inputs: int, outputs: int, *, bounds: tuple[float, float] = (-2.0, 2.0)) -> str:
        return self.emit("linear", name, (x,), {}, *self._weights(name, (outputs, inputs), True, bounds, True))

    def matmul(self, name: str, a: str, b: str, *, a_bounds: tuple[float, float] = (-2.0, 2.0)) -> str:
        sites = {"a": self.act_site(f"{name}:a", *a_bounds), "b": self.act_site(f"{name}:b")}
        return self.emit("matmul", name, (a, b), {}, {}, sites)

    def act(self, name: str, x: str, function: str, *, channels: int = 1, low: float = 0.0, high: float = 0.0) -> str:
        slope = 0.125 if function == "leaky_relu" else 0.0
        attrs = {"function": function, "slope": slope, "low": low, "high": high}
        return self.emit(
            "activation", name, (x,), attrs, {"weight": self.floats(channels)} if function == "prelu" else {}
        )

    def norm(self, name: str, x: str, dim: int) -> str:
        """Weights near one and biases near zero."""
        weight = np.asarray((self.floats(dim, spread=0.1) + 1).astype(np.float16), dtype=np.float32)
        tensors = {"weight": weight, "bias": self.floats(dim, spread=0.1)}
        return self.emit("layer_norm", name, (x,), {"eps": 1e-5}, tensors)

    def reshape(self, name: str, x: str, *shape: Extent) -> str:
        return self.emit("reshape", name, (x,), {"shape": shape})

    def permute(self, name: str, x: str, *axes: int) -> str:
        return self.emit("permute", name, (x,), {"axes": axes})

    def slice(self, name: str, x: str, axis: int, start: Extent, stop: Extent, step: int = 1) -> str:
        return self.emit("slice", name, (x,), {"axis": axis, "start": start, "stop": stop, "step": step})

    def resize(self, name: str, x: str, mode: str, factor: float) -> str:
        return self.emit("resize", name, (x,), {"mode": mode, "to": "factor", "factor": (factor, factor)})

    def reduce(self, name: str, x: str, function: str, *axes: int, keep: int = 1) -> str:
        return self.emit("reduce", name, (x,), {"function": function, "axes": axes, "keep": keep})
