"""Every native operation but convolutions and blocks against the reference, on every instruction set.

Operations whose order of roundings is fixed are held to ``==``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intaglio.packed.schema import ACTIVATIONS, OPS

from intaglio.errors import EngineError
from intaglio.packed.program import Attr, Op
from intaglio.runtime import native
from intaglio.runtime.reference.machine import KERNELS
from intaglio.runtime.reference.probe import Probe
from intaglio.runtime.single import run_operation

RUNNABLE = [one.name for one in native.machine().sets if one.runnable]
SIZES = [(1, 1, 1), (3, 5, 17), (60, 4, 31), (2, 1, 128), (7, 33, 3)]
EPSILON = 2.0**-24


def operation(kind: str, attrs: dict[str, Attr], **tensors: np.ndarray) -> Op:
    return Op(kind, kind, ("a", "b")[: OPS[kind].arity[0]], "y", attrs, tensors)


def maps(rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [rng.normal(size=shape, scale=3.0).astype(np.float32) for shape in shapes]


def both(op: Op, inputs: Sequence[np.ndarray], isa: str) -> tuple[np.ndarray, np.ndarray]:
    """The native and the reference result."""
    got = run_operation(op, inputs, isa=isa, threads=2).output
    want = KERNELS[op.kind](op, inputs, Probe())
    assert got.shape == want.shape
    return got, want


isas = pytest.mark.parametrize("isa", RUNNABLE)
sizes = pytest.mark.parametrize("size", SIZES, ids=str)


@isas
@sizes
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_add(size: tuple[int, ...], scale: float, isa: str) -> None:
    np.testing.assert_array_equal(
        *both(operation("add", {"scale": scale}), maps(np.random.default_rng(0), size, size), isa)
    )


@isas
@sizes
@pytest.mark.parametrize("whole", [True, False])
def test_mul(size: tuple[int, ...], whole: bool, isa: str) -> None:
    second = size if whole else (size[0], 1, 1)
    np.testing.assert_array_equal(*both(operation("mul", {}), maps(np.random.default_rng(1), size, second), isa))


@isas
@sizes
@pytest.mark.parametrize("act", ACTIVATIONS)
def test_activation(act: str, size: tuple[int, ...], isa: str) -> None:
    """Exact where there is one rounding; gelu to 1e-5.

    The power of the sigmoid is right to 5e-7, its argument to two roundings of x; six more roundings follow on both
    sides.
    """
    rng = np.random.default_rng(2)
    tensors = {"prelu": rng.normal(size=size[0]).astype(np.float32)} if act == "prelu" else {}
    inputs = maps(rng, size)
    got, want = both(operation("activation", {"act": act, "slope": 0.2}, **tensors), inputs, isa)
    magnitude = np.abs(inputs[0])
    relative = 5e-7 + 2 * EPSILON * magnitude + 6 * EPSILON
    tolerance = {"gelu": 1e-5 + EPSILON * magnitude, "sigmoid": relative * want, "silu": relative * np.abs(want)}
    assert (np.abs(got - want) <= tolerance.get(act, 0.0)).all()


@isas
@pytest.mark.parametrize("act", ["sigmoid", "silu", "gelu"])
def test_activations_far_out(act: str, isa: str) -> None:
    """No overflow where e to the x is none: limits are reached."""
    x = np.array([-1e4, -200.0, -90.0, 90.0, 200.0, 1e4], dtype=np.float32).reshape(1, 1, 6)
    got, want = both(operation("activation", {"act": act, "slope": 0.0}), [x], isa)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=2e-5)


@isas
@sizes
def test_layer_norm(size: tuple[int, ...], isa: str) -> None:
    """Normalised values are below the root of the number of channels; sums of as many terms round as often."""
    rng, channels = np.random.default_rng(3), size[0]
    norm = rng.normal(size=(2, channels)).astype(np.float32)
    got, want = both(operation("layer_norm", {"dim": channels, "eps": 1e-5}, norm=norm), maps(rng, size), isa)
    bound = np.sqrt(channels) * np.abs(norm[0]) + np.abs(norm[1])
    assert (np.abs(got - want) <= 16 * (channels + 8) * EPSILON * bound[:, None, None]).all()


@isas
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("pixels", [(1, 1), (3, 17), (5, 32)], ids=str)
def test_pixel_shuffle_and_nearest(pixels: tuple[int, int], factor: int, isa: str) -> None:
    rng = np.random.default_rng(4)
    np.testing.assert_array_equal(
        *both(operation("pixel_shuffle", {"factor": factor}), maps(rng, (2 * factor**2, *pixels)), isa)
    )
    np.testing.assert_array_equal(*both(operation("nearest", {"factor": factor}), maps(rng, (3, *pixels)), isa))


@isas
@pytest.mark.parametrize("target", [(1, 1), (4, 9), (31, 47), (5, 64)], ids=str)
def test_bilinear(target: tuple[int, int], isa: str) -> None:
    """Enlarging and shrinking, the order of roundings as in the reference."""
    rng = np.random.default_rng(5)
    np.testing.assert_array_equal(*both(operation("bilinear", {}), maps(rng, (3, 5, 11), (1, *target)), isa))
    np.testing.assert_array_equal(*both(operation("bilinear_scale", {"factor": 3}), maps(rng, (2, *target)), isa))


@isas
@sizes
def test_global_mean(size: tuple[int, ...], isa: str) -> None:
    """Both sum in double precision: the results differ by at most one rounding to single."""
    got, want = both(operation("global_mean", {}), maps(np.random.default_rng(6), size), isa)
    np.testing.assert_array_max_ulp(got, want, maxulp=1)


@given(
    channels=st.integers(1, 5),
    height=st.integers(1, 20),
    width=st.integers(1, 40),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 4),
    isa=st.sampled_from(RUNNABLE),
)
def test_max_pool(channels: int, height: int, width: int, kernel: int, stride: int, isa: str) -> None:
    op = operation("max_pool", {"kernel": kernel, "stride": stride})
    inputs = maps(np.random.default_rng(7), (channels, height, width))
    if kernel > min(height, width):
        with pytest.raises(EngineError, match="enlarge"):
            run_operation(op, inputs, isa=isa)
        return
    np.testing.assert_array_equal(*both(op, inputs, isa))


@isas
@pytest.mark.parametrize("channels", [(1, 1), (3, 2, 4), (1,) * 8], ids=str)
def test_concat(channels: tuple[int, ...], isa: str) -> None:
    inputs = maps(np.random.default_rng(8), *((count, 5, 7) for count in channels))
    op = Op("concat", "concat", tuple(f"x{index}" for index in range(len(channels))), "y")
    np.testing.assert_array_equal(*both(op, inputs, isa))


MISFITS: dict[str, tuple[Op, list[tuple[int, int, int]]]] = {
    "add": (operation("add", {"scale": 1.0}), [(2, 3, 4), (2, 4, 3)]),
    "mul": (operation("mul", {}), [(2, 3, 4), (2, 3, 1)]),
    "concat": (operation("concat", {}), [(2, 3, 4), (2, 3, 5)]),
    "pixel_shuffle": (operation("pixel_shuffle", {"factor": 2}), [(6, 3, 4)]),
    "layer_norm": (operation("layer_norm", {"dim": 3, "eps": 0.0}, norm=np.ones((2, 3), np.float32)), [(2, 3, 4)]),
    "prelu": (operation("activation", {"act": "prelu", "slope": 0.0}, prelu=np.ones(3, np.float32)), [(2, 3, 4)]),
    "activation": (operation("activation", {"act": "tanh", "slope": 0.0}), [(2, 3, 4)]),
    "nearest": (operation("nearest", {"factor": 0}), [(2, 3, 4)]),
    "max_pool": (operation("max_pool", {"kernel": 2, "stride": 0}), [(2, 3, 4)]),
}


@pytest.mark.parametrize("name", MISFITS)
def test_maps_that_do_not_fit_are_refused(name: str) -> None:
    op, shapes = MISFITS[name]
    with pytest.raises(EngineError, match="pack the model again"):
        run_operation(op, maps(np.random.default_rng(9), *shapes))
