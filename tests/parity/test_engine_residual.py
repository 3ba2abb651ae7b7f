"""Sums fused into convolutions: the same floats as the convolution and the sum one after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from intaglio.errors import EngineError
from intaglio.packed.program import Op, Site
from intaglio.runtime import native
from intaglio.runtime.single import run_operation
from intaglio.spec import Grid

RUNNABLE = [one.name for one in native.machine().sets if one.runnable]
GRID = Grid(-2.0, float(np.float32(4.0 / 15)), 4)


def convolution(inputs: int, outputs: int, quantized: bool) -> Op:
    rng = np.random.default_rng(0)
    size = (outputs, inputs, 3, 3)
    attrs = {"in": inputs, "out": outputs, "kernel": 3, "stride": 1, "pad": 1, "act": "none", "slope": 0.0}
    tensors: dict[str, np.ndarray] = {"bias": rng.normal(size=outputs).astype(np.float32)}
    if not quantized:
        return Op("conv2d", "conv", ("x",), "y", attrs, tensors | {"weight": rng.normal(size=size).astype(np.float32)})
    sites = {"conv.input": Site("conv:input", (GRID,)), "conv.weight": Site("conv:weight", (GRID,))}
    codes = rng.integers(0, GRID.levels, size, dtype=np.uint8)
    return Op("conv2d", "conv", ("x",), "y", attrs, tensors | {"conv.codes": codes}, sites)


def map_of(seed: int, shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("width", [5, 33, 130])
def test_the_sum_is_that_of_two_operations(isa: str, quantized: bool, width: int) -> None:
    conv, x, residual = convolution(60, 20, quantized), map_of(1, (60, 4, width)), map_of(2, (20, 4, width))
    alone = run_operation(conv, [x], isa=isa, threads=2).output
    for scale, own in ((0.3, False), (1.0, False), (0.3, True)):
        add = Op("add", "sum", ("a", "b"), "s", {"scale": scale}, {})
        wanted = run_operation(add, [residual, alone] if own else [alone, residual], isa=isa).output
        attrs = {**conv.attrs, "own_scale" if own else "residual_scale": scale}
        fused = replace(conv, inputs=("x", "r"), attrs=attrs)
        np.testing.assert_array_equal(run_operation(fused, [x, residual], isa=isa, threads=2).output, wanted)


def test_a_residual_of_another_shape_is_refused() -> None:
    fused = replace(convolution(3, 4, False), inputs=("x", "r"))
    with pytest.raises(EngineError, match="different shapes"):
        run_operation(fused, [map_of(1, (3, 8, 8)), map_of(2, (4, 8, 9))])
