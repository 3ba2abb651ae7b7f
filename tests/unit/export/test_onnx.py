"""Exported programs against the reference: the same codes and integers, any size, in integers where it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pytest
from onnx import helper

from intaglio.errors import ExportError
from intaglio.export.onnx import INPUT, PRODUCTS, growing, to_onnx
from intaglio.export.products import Profile, Target
from intaglio.export.verify import installed, run_onnxruntime, run_openvino, verify
from intaglio.packed.examples import random_program
from intaglio.packed.examples.maker import Maker
from intaglio.packed.ops import OPS
from intaglio.packed.program import Program
from intaglio.packed.size import AREA, H, W
from intaglio.packed.validate import validate
from intaglio.runtime.reference import Reference
from intaglio.spec import Coverage, Piece

KINDS: tuple[Literal["swin", "cnn", "mixed"], ...] = ("swin", "cnn", "mixed")
PIECES = (Piece(1, 3), Piece(3, 4))


def program(kind: Literal["swin", "cnn", "mixed"], bits: int, **options: object) -> Program:
    return random_program(np.random.default_rng(bits), kind=kind, bits=bits, coverage=Coverage.FULL, **options)  # type: ignore[arg-type]


def picture(made: Program, height: int, width: int) -> np.ndarray:
    channels = len(made.ops[0].reals("mean"))
    return np.random.default_rng(1).random((channels, height, width), np.float32)


def tolerance(wanted: np.ndarray) -> float:
    """Some hundred roundings of single precision of the largest number; a code that flips moves far more."""
    return float(256 * np.finfo(np.float32).eps * np.abs(wanted).max())


def saved(made: Program, folder: Path, target: Target, profile: Profile = Profile.FAST) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(to_onnx(made, target, profile).SerializeToString())
    return path


def close_share(found: np.ndarray, wanted: np.ndarray) -> float:
    return float((np.abs(found - wanted) <= tolerance(wanted)).mean())


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_onnx_runtime_computes_what_the_program_says(
    kind: Literal["swin", "cnn", "mixed"], bits: int, profile: Profile, tmp_path: Path
) -> None:
    made = program(kind, bits)
    path, shares = saved(made, tmp_path, Target.ONNX, profile), []
    for height, width in ((17, 30), (24, 9)):
        planes = picture(made, height, width)
        wanted = Reference(made).planes(planes)
        found = verify(made, path, "onnxruntime", planes, wanted)
        shares.append(close_share(run_onnxruntime(path, planes).planes, wanted))
        assert found.psnr > 40
        assert found.all_in_integers
    # "mixed" takes means of whole maps, by which a single code that flips is seen in every pixel: not in both pictures.
    assert max(shares) > 0.9
    assert kind == "mixed" or min(shares) > 0.9


@pytest.mark.skipif(not installed("openvino"), reason="openvino is not installed (extra 'peers')")
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("kind", ["swin", "cnn"])
def test_openvino_computes_what_the_program_says(kind: Literal["swin", "cnn"], bits: int, tmp_path: Path) -> None:
    made = program(kind, bits)
    planes = picture(made, 17, 30)
    wanted = Reference(made).planes(planes)
    path = saved(made, tmp_path, Target.OPENVINO)
    assert close_share(run_openvino(path, planes).planes, wanted) > 0.8


def test_grids_with_pieces_are_exported(tmp_path: Path) -> None:
    made = program("swin", 4, pieces=PIECES)
    planes = picture(made, 16, 20)
    found = run_onnxruntime(saved(made, tmp_path, Target.ONNX), planes).planes
    assert close_share(found, Reference(made).planes(planes)) > 0.9


def test_every_integer_product_is_the_reference_s(tmp_path: Path) -> None:
    """Sums of products of codes read out as extra outputs, compared with ``==``."""
    made = program("swin", 4)
    planes = picture(made, 16, 20)
    wanted: dict[str, np.ndarray] = {}
    Reference(made, tap_integer=wanted.__setitem__).planes(planes)
    model = to_onnx(made)
    for node in model.graph.node:
        if node.op_type.endswith("Integer"):
            model.graph.output.append(helper.make_tensor_value_info(node.output[0], onnx.TensorProto.INT32, None))
    found = _integers(model, planes)
    assert found.keys() == wanted.keys()
    axes = {op.name: 1 if op.kind == "conv2d" else -1 for op in made.ops}
    flips = 0
    for name, integers in wanted.items():
        # what is beyond are the sums of codes, one more output behind those of a layer
        kept = np.take(found[name], range(integers.shape[axes[name]]), axis=axes[name])
        flips += int(np.count_nonzero(kept != integers))
    total = sum(integers.size for integers in wanted.values())
    assert flips <= total // 1000  # a float near a boundary may round to another code; all else is equal


def over_channels(bits: int) -> Program:
    """Attention over channels: a product whose sums are as long as the map has pixels."""
    maker = Maker(np.random.default_rng(bits), bits, bits, Coverage.FULL)
    x = maker.input(multiple=1)
    rows = maker.emit("reshape", "rows", (x,), {"shape": (1, 3, AREA)})
    columns = maker.emit("permute", "columns", (rows,), {"axes": (0, 2, 1)})
    scores = maker.matmul("scores", rows, columns)
    mean = maker.emit("affine", "mean", (scores,), {"scale": 0.001, "offset": 0.0})
    context = maker.matmul("context", mean, rows)
    maker.output(maker.emit("reshape", "map", (context,), {"shape": (1, 3, H, W)}))
    made = Program(1, "over channels", Coverage.FULL, tuple(maker.ops))
    validate(made)
    return made


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_sums_that_grow_with_the_picture_are_added_up_in_parts(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not installed(runtime):
        pytest.skip(f"{runtime} is not installed")
    made = over_channels(8)
    assert growing(made) == {"scores": 3}
    monkeypatch.setattr("intaglio.export.products.MOST", 100 * 255 * 255)
    path = saved(made, tmp_path, Target.OPENVINO if runtime == "openvino" else Target.ONNX)
    assert "ReduceSum" in {node.op_type for node in onnx.load(path).graph.node if node.name.startswith("scores/")}
    for height, width in ((1, 1), (9, 11), (10, 10), (23, 31)):
        planes = picture(made, height, width)
        wanted = Reference(made).planes(planes)
        found = verify(made, path, runtime, planes, wanted)
        assert found.all_in_integers
        assert found.largest <= tolerance(wanted)


def test_a_sum_beyond_32_bits_is_right(tmp_path: Path) -> None:
    made = over_channels(8)
    planes = np.ones((3, 200, 200), np.float32)  # the largest code everywhere: 40,000 products of 255 * 255
    found = run_onnxruntime(saved(made, tmp_path, Target.ONNX), planes).planes
    wanted = Reference(made).planes(planes)
    assert np.abs(found - wanted).max() <= tolerance(wanted)


def _integers(model: onnx.ModelProto, planes: np.ndarray) -> dict[str, np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()][1:]
    values = session.run(names, {INPUT: planes[None]})
    return {name.rpartition("/")[0]: value for name, value in zip(names, values, strict=True)}


def test_every_operation_of_the_registry_has_a_counterpart() -> None:
    """Between them the random programs hold every operation; one that ONNX lacks would be refused by name."""
    held = {op.kind for kind in KINDS for op in program(kind, 4).ops}
    assert held == set(OPS)
    for kind in KINDS:
        to_onnx(program(kind, 4))


def test_nodes_are_named_after_operations() -> None:
    made = program("swin", 4)
    names = {op.name for op in made.ops if op.kind in PRODUCTS}
    found = {node.name.rpartition("/")[0] for node in to_onnx(made).graph.node}
    assert names <= found


def test_an_unknown_operation_is_named_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    made = program("cnn", 4)
    monkeypatch.setattr("intaglio.export.onnx.NUMBERS", {})
    with pytest.raises(ExportError, match="has no counterpart in ONNX"):
        to_onnx(made)


def test_small_files_are_small() -> None:
    made = program("swin", 4, dim=64, heads=4)
    fast, small = (len(to_onnx(made, Target.ONNX, profile).SerializeToString()) for profile in Profile)
    assert small < fast - sum(op.tensors["weight.codes"].size for op in made.ops if op.kind == "linear") // 4
