"""Every operation between picture and output against torch, and whole programs on pictures of awkward sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from intaglio.packed.schema import ACTIVATIONS, OPS

from intaglio.errors import EngineError
from intaglio.packed.errors import DataFlowError
from intaglio.packed.examples import random_program
from intaglio.packed.program import Op, Program, Site
from intaglio.runtime.reference import KERNELS, Probe, Reference
from intaglio.runtime.reference.activations import FUNCTIONS
from intaglio.runtime.reference.picture import output, picture
from intaglio.spec import Bounds, Coverage, Grid

torch = pytest.importorskip("torch")
F = torch.nn.functional

ROUNDING = 2.0**-24
RNG = np.random.default_rng(7)
X, Y = (RNG.standard_normal((4, 6, 5)).astype(np.float32) for _ in range(2))
GATE = RNG.standard_normal((4, 1, 1)).astype(np.float32)
WEIGHT, BIAS = RNG.standard_normal((3, 4, 3, 3)).astype(np.float32), RNG.standard_normal(3).astype(np.float32)
NORM = RNG.standard_normal((2, 4)).astype(np.float32)
SLOPES = RNG.standard_normal(4).astype(np.float32)
CONV = {"in": 4, "out": 3, "kernel": 3, "stride": 1, "pad": 1, "act": "none", "slope": 0.0}

Oracle = Callable[..., object]

CASES: list[tuple[str, tuple[np.ndarray, ...], dict[str, object], dict[str, np.ndarray], Oracle]] = [
    ("conv2d", (X,), CONV, {"weight": WEIGHT, "bias": BIAS}, lambda x: F.conv2d(x, t(WEIGHT), t(BIAS), padding=1)),
    ("conv2d", (X,), {**CONV, "stride": 2, "pad": 0, "act": "relu"}, {"weight": WEIGHT, "bias": BIAS},
     lambda x: F.conv2d(x, t(WEIGHT), t(BIAS), stride=2).relu()),
    ("layer_norm", (X,), {"dim": 4, "eps": 1e-5}, {"norm": NORM},
     lambda x: F.layer_norm(x.movedim(0, -1), (4,), t(NORM[0]), t(NORM[1]), 1e-5).movedim(-1, 0)),
    ("add", (X, Y), {"scale": 0.25}, {}, lambda x, y: x + 0.25 * y),
    ("mul", (X, Y), {}, {}, lambda x, y: x * y),
    ("mul", (X, GATE), {}, {}, lambda x, y: x * y),
    ("activation", (X,), {"act": "prelu", "slope": 0.0}, {"prelu": SLOPES}, lambda x: F.prelu(x[None], t(SLOPES))[0]),
    ("activation", (X,), {"act": "leaky_relu", "slope": 0.125}, {}, lambda x: F.leaky_relu(x, 0.125)),
    ("activation", (X,), {"act": "none", "slope": 0.0}, {}, lambda x: x),
    ("activation", (X,), {"act": "relu", "slope": 0.0}, {}, torch.relu),
    ("activation", (X,), {"act": "sigmoid", "slope": 0.0}, {}, torch.sigmoid),
    ("activation", (X,), {"act": "gelu", "slope": 0.0}, {}, F.gelu),
    ("activation", (X,), {"act": "silu", "slope": 0.0}, {}, F.silu),
    ("pixel_shuffle", (X,), {"factor": 2}, {}, lambda x: F.pixel_shuffle(x, 2)),
    ("nearest", (X,), {"factor": 3}, {}, lambda x: F.interpolate(x[None], scale_factor=3, mode="nearest")[0]),
    ("bilinear", (X, np.zeros((1, 13, 11), dtype=np.float32)), {}, {},
     lambda x, y: F.interpolate(x[None], size=y.shape[1:], mode="bilinear", align_corners=False)[0]),
    ("bilinear", (X, np.zeros((1, 3, 2), dtype=np.float32)), {}, {},
     lambda x, y: F.interpolate(x[None], size=y.shape[1:], mode="bilinear", align_corners=False)[0]),
    ("bilinear_scale", (X,), {"factor": 4}, {},
     lambda x: F.interpolate(x[None], scale_factor=4, mode="bilinear", align_corners=False)[0]),
    ("global_mean", (X,), {}, {}, lambda x: x.mean((1, 2), keepdim=True)),
    ("max_pool", (X,), {"kernel": 3, "stride": 2}, {}, lambda x: F.max_pool2d(x, 3, 2)),
    ("concat", (X, Y), {}, {}, lambda x, y: torch.cat([x, y])),
]  # fmt: skip


def t(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).double()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[2].get('act', '')}")
def test_operation_equals_torch_in_double_precision(case: tuple) -> None:
    kind, inputs, attrs, tensors, oracle = case
    got = KERNELS[kind](Op(kind, "op", ("x",), "y", attrs, tensors), list(inputs), Probe())
    expected = oracle(*(t(x) for x in inputs)).numpy()
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    # the longest sum has 4 * 9 products and a bias, of factors below 4; eight more roundings for the rest
    assert np.max(np.abs(got - expected)) <= (37 + 8) * ROUNDING * max(16.0, float(np.abs(expected).max()))


def test_every_operation_and_activation_is_defined_and_tested() -> None:
    assert {"picture", "output"} | KERNELS.keys() == OPS.keys()
    assert {case[0] for case in CASES} | {"picture", "output", "window_block"} == OPS.keys()
    assert FUNCTIONS.keys() == set(ACTIVATIONS)
    assert {case[2]["act"] for case in CASES if case[0] == "activation"} == set(ACTIVATIONS)


@pytest.mark.parametrize(("stride", "pad", "bits"), [(1, 1, 4), (2, 1, 3), (1, 2, 8), (2, 0, 2)])
def test_quantized_convolution_pads_before_it_quantizes(stride: int, pad: int, bits: int) -> None:
    # zero is no level of this grid, so that a padding with code 0, or with real 0, would show at the border
    grid = Grid.from_bounds(Bounds(-1.3, 2.1), bits)
    grids = tuple(Grid.from_bounds(Bounds(-0.4 - n, 0.7), bits) for n in range(3))
    codes = RNG.integers(0, 1 << bits, WEIGHT.shape, dtype=np.uint8)
    attrs = {**CONV, "stride": stride, "pad": pad}
    sites = {"conv.input": Site("c:input", (grid,)), "conv.weight": Site("c:weight", grids)}
    seen: dict[str, np.ndarray] = {}
    op = Op("conv2d", "c", ("x",), "y", attrs, {"conv.codes": codes, "bias": BIAS}, sites)
    got = KERNELS["conv2d"](op, [X], Probe(seen.__setitem__, seen.__setitem__))
    padded = np.pad(X, ((0, 0), (pad, pad), (pad, pad)))
    code = np.clip(np.rint((padded - np.float32(grid.lower)) * (np.float32(1) / np.float32(grid.step))), 0, grid.top)
    assert np.array_equal(seen["c:input"], code)
    assert np.array_equal(
        seen["c/conv"], F.conv2d(t(code.astype(np.float32)), t(codes.astype(np.float32)), stride=stride)
    )
    weight = np.stack([grids[n].lower + grids[n].step * codes[n].astype(np.float64) for n in range(3)])
    real = grid.lower + grid.step * code.astype(np.float64)
    expected = F.conv2d(torch.from_numpy(real), torch.from_numpy(weight), t(BIAS), stride=stride).numpy()
    # equation (5): five roundings of the sum of magnitudes, which are below 36 products of 3.4 * 3.1, four times over
    assert np.max(np.abs(got - expected)) <= 5.01 * ROUNDING * 4 * 36 * 3.4 * 3.1


@pytest.mark.parametrize("multiple", [1, 4, 8])
def test_picture_mirrors_and_output_inverts_it(multiple: int) -> None:
    attrs = {"range": 2.0, "mean": (0.25, 0.5, 0.75)}
    first = Op("picture", "p", (), "p", {**attrs, "multiple": multiple})
    for height, width in ((1, 1), (3, 5), (8, 7)):
        image = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
        x = picture(image, first)
        assert all(side % multiple == 0 for side in x.shape[1:])
        for row in range(x.shape[1]):
            place = row % (2 * height)
            assert np.array_equal(x[:, row, 0], x[:, min(place, 2 * height - 1 - place), 0])
        assert np.array_equal(output(x, Op("output", "o", ("p",), "o", attrs), height, width), image)


@pytest.mark.parametrize("coverage", Coverage)
@pytest.mark.parametrize(("kind", "sizes"), [("swin", [(1, 1), (5, 3), (9, 4)]), ("cnn", [(3, 3), (5, 8)])])
@pytest.mark.parametrize("scale", [2, 3])
def test_programs_run_on_pictures_of_any_size(
    kind: str, sizes: list[tuple[int, int]], coverage: Coverage, scale: int
) -> None:
    seen: dict[str, np.ndarray] = {}
    program = random_program(np.random.default_rng(0), kind=kind, coverage=coverage, scale=scale, per_channel=True)
    upscaler = Reference(program, tap=seen.__setitem__)
    for height, width in sizes:
        image = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
        result = upscaler(image)
        assert result.shape == (height * scale, width * scale, 3)
        assert np.array_equal(result, Reference(program)(image))
    acts = {site.name: site for op in program.ops for role, site in op.sites.items() if not role.endswith(".weight")}
    assert seen.keys() == acts.keys()
    assert all(codes.max() <= acts[name].grid.top for name, codes in seen.items())


def test_wrong_pictures_and_programs_are_refused() -> None:
    program = random_program(np.random.default_rng(0), kind="cnn")
    upscaler = Reference(program)
    for image in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(EngineError, match="expected uint8"):
            upscaler(image)
    with pytest.raises(EngineError, match="too small"):
        upscaler(np.zeros((1, 1, 3), np.uint8))
    first, second, *rest = program.ops
    with pytest.raises(DataFlowError):
        Reference(Program(program.scale, program.architecture, program.coverage, (first, *rest[:1], second, *rest[1:])))
