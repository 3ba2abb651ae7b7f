"""Networks that pad between their layers, and the trace that is made once."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from intaglio.arch.examples import random_network
from intaglio.export.onnx import to_onnx
from intaglio.export.verify import run_onnxruntime
from intaglio.lower import lower, lowered, outlined, simulator
from intaglio.lower.check import check
from intaglio.lower.fit import fit
from intaglio.lower.ragged import SIZES, picture_multiple, ragged
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.packed.program import Program
from intaglio.packed.size import AREA, Extent, H, Size, W, describe, evaluate, whole
from intaglio.quant import QuantModel, wrap
from intaglio.runtime.engine import Engine
from intaglio.runtime.reference import Reference
from intaglio.spec import Coverage, QuantSpec

SPEC = QuantSpec(8, 8, Coverage.FULL)
LEAST_PSNR = 30.0
"""In dB, of free runs in which flipped codes echo, as in tests/parity/lower; what is exact is checked site by site."""
PICTURE = CalibrationSet.synthetic(count=1, size=32).pictures[0][:19, :13]


def quantized(name: str) -> QuantModel:
    method = make_method("minmax", {"patches": 2, "patch_size": 24})
    return quantize(random_network(name), SPEC, method, CalibrationSet.synthetic(count=2, size=32)).model


def lengths(program: Program) -> set[Size]:
    values = [value for op in program.ops for value in op.attrs.values()]
    return {one for value in values for one in (value if isinstance(value, tuple) else (value,)) if type(one) is Size}


@pytest.mark.parametrize(("name", "multiples"), [("DAT", {4}), ("HiT-SR", {4, 8, 12})])
def test_a_network_that_pads_inside_is_given_the_picture_as_it_is(
    name: str, multiples: set[int], tmp_path: Path
) -> None:
    model = quantized(name)
    found = lowered(model)
    assert (found.program.ops[0].integer("multiple"), found.note) == (1, "")
    assert {multiple for size in lengths(found.program) for term in size.terms for multiple in term[4:]} == {
        1,
        *multiples,
    }
    report = check(simulator(model), found, PICTURE)
    report.require()
    assert report.products == sum(site.is_weight or site.role == "a" for site in model.sites.values())
    require_alike(found.program, tmp_path)


def require_alike(program: Program, folder: Path) -> None:
    """The core and an exported file compute what the reference does, on a picture that is no whole window."""
    planes = np.ascontiguousarray(PICTURE.transpose(2, 0, 1).astype(np.float32) / np.float32(255.0))
    wanted = Reference(program).planes(planes)
    for fuse in (True, False):
        found = Engine(program, backend="native", threads=1, fuse=fuse).planes(planes)
        assert _psnr(found, wanted) >= LEAST_PSNR
    file = folder / "model.onnx"
    file.write_bytes(to_onnx(program).SerializeToString())
    run = run_onnxruntime(file, planes)
    assert _psnr(run.planes, wanted) >= LEAST_PSNR
    assert run.integers == sum(1 for op in program.ops if "input" in op.sites or "a" in op.sites)


def _psnr(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(-10 * np.log10(max(float(np.mean(np.square(found - wanted))), 1e-12)))


class PadsFirst(nn.Module):
    """Pads the picture to whole eights, and a map between two convolutions to whole twelves if `inside`."""

    def __init__(self, inside: bool) -> None:
        super().__init__()
        self.first, self.last, self.inside = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 1), inside

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        if not self.inside:
            x = pad(x, (0, -w % 8, 0, -h % 8), "reflect")
        x = self.first(x)
        if self.inside:
            x = pad(x, (0, -w % 12, 0, -h % 12))
            n, c, high, wide = x.shape
            cut = x.view(n, c, high // 12, 12, wide // 12, 12)
            x = (cut - cut.mean((3, 5), keepdim=True)).view(x.shape)
        return self.last(x)[..., :h, :w]


def test_what_pads_the_picture_is_told_from_what_pads_inside() -> None:
    outside, inside = (ragged(PadsFirst(inside).eval(), 3) for inside in (False, True))
    assert outside is not None
    assert inside is not None
    assert (picture_multiple(outside), picture_multiple(inside)) == (8, None)
    assert inside.inside == (12,)
    first = outlined(wrap(PadsFirst(inside=False).eval(), SPEC)).program.ops[0]
    assert (first.integer("multiple"), first.text("pad")) == (8, "reflect")


FORMS: list[Extent] = [
    whole(H, 16), whole(W, 48) / 48, whole(H, 64) * whole(W, 64) / 4096, whole(H, 48) * whole(W, 48) / 2304,
    whole(H, 32) - H, 2 * whole(W, 16), whole(H, 16) * whole(W, 64), AREA, W + 2, whole(H, 64) + 1,
]  # fmt: skip


@pytest.mark.parametrize("extent", FORMS, ids=describe)
def test_lengths_are_found_again(extent: Extent) -> None:
    seen = tuple(evaluate(extent, *size) for size in SIZES)
    assert fit(seen, SIZES, (8, 16, 32, 48, 64)) == extent


def test_a_model_whose_calibration_changed_bounds_alone_is_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = outlined(wrap(random_network("RLFN"), SPEC))
    model = quantized("RLFN")
    expected = Reference(lower(model))(PICTURE.repeat(2, 0).repeat(2, 1))

    def never(*_: object) -> None:
        raise AssertionError("traced again")

    monkeypatch.setattr(import_module("intaglio.lower.lower"), "alignments", never)
    again = lowered(model, before=before).program
    assert np.array_equal(Reference(again)(PICTURE.repeat(2, 0).repeat(2, 1)), expected)
    with torch.no_grad():
        next(one for name, one in model.network.named_parameters() if name.endswith("bias")).add_(1.0)
    with pytest.raises(AssertionError, match="traced again"):
        lowered(model, before=before)


def test_a_program_with_lengths_rounded_up_takes_every_size() -> None:
    program = lower(quantized("DAT"))
    shapes = [(1, 1, 3), (4, 4, 3), (5, 23, 3)]
    assert [Reference(program)(np.zeros(shape, np.uint8)).shape for shape in shapes] == [
        (2 * h, 2 * w, c) for h, w, c in shapes
    ]
