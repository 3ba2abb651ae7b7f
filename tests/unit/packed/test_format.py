"""Save and load give back the same program; equal programs give equal bytes; the size is what the packing promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intaglio.errors import OutputError
from intaglio.packed.container import read
from intaglio.packed.errors import HeaderError
from intaglio.packed.examples import random_program
from intaglio.packed.format import KEY, load, operations, save
from intaglio.packed.header import Calibration, Header, Provenance
from intaglio.packed.json_schema import document
from intaglio.packed.program import Op, Program
from intaglio.packed.summary import size_report, summarise
from intaglio.spec import Coverage, Piece

HEADER = Header(
    {"method": "dobi", "bits": 4}, Calibration("div2k", "ab12", 32), "psnr-y", Provenance("cd", "0.1.0", "2025")
)


def assert_same(a: Program, b: Program) -> None:
    assert (a.scale, a.architecture, a.coverage, len(a.ops)) == (b.scale, b.architecture, b.coverage, len(b.ops))
    for left, right in zip(a.ops, b.ops, strict=True):
        assert (left.kind, left.name, left.inputs, left.output) == (right.kind, right.name, right.inputs, right.output)
        assert (dict(left.attrs), dict(left.sites)) == (dict(right.attrs), dict(right.sites))
        assert left.tensors.keys() == right.tensors.keys()
        for role, tensor in left.tensors.items():
            assert tensor.dtype == right.tensors[role].dtype
            assert np.array_equal(tensor, right.tensors[role])


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("kind", ["swin", "cnn", "mixed"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_load_gives_back_what_was_saved(tmp_path: Path, kind: str, bits: int, per_channel: bool) -> None:
    rng = np.random.default_rng(bits)
    program = random_program(rng, kind=kind, bits=bits, per_channel=per_channel, coverage=Coverage.FULL)
    save(program, tmp_path / "a", HEADER)
    model = load(tmp_path / "a")
    assert_same(model.program, program)
    assert model.header == HEADER
    save(model.program, tmp_path / "b", model.header)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("kind", ["swin", "cnn", "mixed"])
def test_pieces_are_stored_only_where_there_are_some(tmp_path: Path, kind: str) -> None:
    pieces = (Piece(20, 4), Piece(3, 7), Piece(30, 4))
    program = random_program(np.random.default_rng(0), kind=kind, coverage=Coverage.FULL, pieces=pieces)
    save(program, tmp_path / "model")
    assert_same(load(tmp_path / "model").program, program)
    stored = operations(read(tmp_path / "model"))
    assert conforms(stored, document()["$defs"]["operations"])
    lengths = {len(site) for op in stored for site in op["sites"]}
    assert lengths == {4, 5}  # weights have none


def test_half_precision_is_used_where_it_loses_nothing(tmp_path: Path) -> None:
    program = random_program(np.random.default_rng(0))
    third = Program(program.scale, program.architecture, program.coverage, tuple(map(with_thirds, program.ops)))
    for name, one in (("half", program), ("single", third)):
        save(one, tmp_path / name)
        assert_same(load(tmp_path / name).program, one)
        biases = sum(op.tensors["bias"].size for op in one.ops if op.kind == "conv2d")
        singles = read(tmp_path / name).arrays.get("singles", np.empty(0))
        assert len(singles) == (0 if name == "half" else biases)


def with_thirds(op: Op) -> Op:
    if op.kind != "conv2d":
        return op
    bias = np.full_like(op.tensors["bias"], np.float32(1 / 3))
    return Op(op.kind, op.name, op.inputs, op.output, op.attrs, {**op.tensors, "bias": bias}, op.sites)


def test_unwritable_places_and_recipes_are_refused(tmp_path: Path) -> None:
    program = random_program(np.random.default_rng(0))
    with pytest.raises(OutputError):
        save(program, tmp_path / "missing" / "model")
    with pytest.raises(HeaderError, match="recipe"):
        save(program, tmp_path / "model", Header({"x": object()}))


def test_the_safetensors_library_reads_our_files(tmp_path: Path) -> None:
    numpy_api = pytest.importorskip("safetensors.numpy")
    save(random_program(np.random.default_rng(0), coverage=Coverage.FULL), tmp_path / "model", HEADER)
    ours, theirs = read(tmp_path / "model").arrays, numpy_api.load_file(tmp_path / "model")
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def swinir_light() -> Program:
    """Blocks of the size of SwinIR-light with the residual convolutions that its four groups have."""
    program = random_program(np.random.default_rng(0), bits=4, dim=60, heads=6, window=8, blocks=24)
    ops = list(program.ops)
    conv = next(op for op in ops if op.name == "conv_after_body")
    at, source = ops.index(conv), conv.inputs[0]
    for group in range(4):
        name = f"layers.{group}.residual_group.conv"
        ops.insert(at, Op("conv2d", name, (source,), name, conv.attrs, conv.tensors))
        ops.insert(at + 1, Op("add", f"{name}.add", (name, source), f"{name}.add"))
        at, source = at + 2, f"{name}.add"
    ops[at] = Op(conv.kind, conv.name, (source,), conv.output, conv.attrs, conv.tensors)
    return Program(program.scale, program.architecture, program.coverage, tuple(ops))


def test_a_four_bit_swinir_light_is_at_most_5_percent_above_its_contents(tmp_path: Path) -> None:
    program = swinir_light()
    assert program.code_count() == {4: 691_200}
    save(program, tmp_path / "model", HEADER)
    report = size_report(tmp_path / "model")
    assert report.codes == 345_600
    assert report.floats == 2 * sum(t.size for op in program.ops for r, t in op.tensors.items() if "codes" not in r)
    assert report.total == (tmp_path / "model").stat().st_size
    assert report.ratio <= 1.05


def test_summary_has_a_row_for_each_site() -> None:
    program = random_program(np.random.default_rng(0), bits=3, coverage=Coverage.FULL, per_channel=True)
    rows = summarise(program)
    assert [row.site for row in rows] == [site.name for site in program.sites()]
    assert sum(row.codes for row in rows) == program.code_count()[3]
    assert all(row.bytes == -(-row.codes * row.bits // 8) and row.lower < row.upper for row in rows)


def conforms(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a JSON value satisfies a schema; the keywords that ours uses."""
    types = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None)}
    if "anyOf" in schema:
        return any(conforms(value, option) for option in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")])
    if not isinstance(value, types[schema["type"]]) or isinstance(value, bool):
        return False
    if isinstance(value, dict) and "properties" in schema:
        inner = schema["properties"]
        known = set(schema["required"]) <= value.keys() <= inner.keys()
        return known and all(conforms(value[key], inner[key]) for key in value)
    if isinstance(value, list):
        items = schema.get("prefixItems", [])[: len(value)] or [schema.get("items", {})] * len(value)
        fits = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        return fits and all(conforms(item, form) for item, form in zip(value, items, strict=True))
    if isinstance(value, int | float):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


@pytest.mark.parametrize("kind", ["swin", "cnn", "mixed"])
@pytest.mark.parametrize("coverage", Coverage)
def test_headers_conform_to_the_published_schema(tmp_path: Path, kind: str, coverage: Coverage) -> None:
    save(random_program(np.random.default_rng(0), kind=kind, coverage=coverage), tmp_path / "model", HEADER)
    container, schemas = read(tmp_path / "model"), document()["$defs"]
    stored = operations(container)
    assert conforms(json.loads(container.metadata[KEY]), schemas["header"])
    assert conforms(stored, schemas["operations"])
    stored[0]["attrs"]["multiple"] = 0
    assert not conforms(stored, schemas["operations"])
