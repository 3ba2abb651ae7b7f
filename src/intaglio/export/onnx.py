"""A program as an ONNX model: one traversal, one function for each operation."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import helper

from intaglio.errors import ExportError
from intaglio.export.graph import FLOAT, IR_VERSION, OPSET, Graph
from intaglio.export.numbers import NUMBERS, float_conv2d, float_linear
from intaglio.export.products import Products, Profile, Target
from intaglio.export.shaping import SHAPING, entered, left
from intaglio.packed.program import Op, Program
from intaglio.packed.shapes import infer_shapes
from intaglio.provenance import VERSION

INPUT, OUTPUT = "picture", "enlarged"
"""Names of the graph's input, planes (1, C, h, w) in [0, 1], and output, planes (1, C', h * scale, w * scale)."""

_TWO_SIZES = ((61, 97), (122, 97))
"""Sizes of pictures, in units of the padding multiple, that tell what grows with them."""

PRODUCTS = ("conv2d", "linear", "matmul")
"""The kinds of operations that may have sites."""


def to_onnx(program: Program, target: Target = Target.ONNX, profile: Profile = Profile.FAST) -> onnx.ModelProto:
    """The ONNX model (opset 21) of a sound program, of dynamic height and width, its products in integers.

    Shapes: float32 (1, C, h, w) in [0, 1] to (1, C', h * scale, w * scale), not clipped. Padding and cropping are in
    the graph; nodes and constants are named after the program's operations. The model is checked by `onnx.checker`.
    Raises: ExportError for an operation that has no counterpart, by name.
    """
    first, *middle, last = program.ops
    if unknown := [op for op in middle if op.kind not in (*PRODUCTS, *SHAPING, *NUMBERS)]:
        raise ExportError(f"operation {unknown[0].name!r} ({unknown[0].kind}) has no counterpart in ONNX; report it.")
    graph, products = Graph(), Products(target, profile, growing(program))
    graph.scope = first.name
    values = {first.output: entered(graph, first, INPUT)}
    for op in middle:
        graph.scope = op.name
        values[op.output] = _emit(graph, products, op, [values[name] for name in op.inputs])
    graph.scope = last.name
    left(graph, last, values[last.inputs[0]], INPUT, program.scale, OUTPUT)
    return _model(graph, program, (first, last))


def growing(program: Program) -> dict[str, int]:
    """Products of two values whose sums have more terms in larger pictures, by name, with the rank of their value."""
    multiple = program.ops[0].integer("multiple")
    small, large = (infer_shapes(program, *(multiple * side for side in sides)) for sides in _TWO_SIZES)
    found = [op for op in program.ops if op.kind == "matmul" and op.sites]
    return {op.name: len(small[op.output]) for op in found if small[op.inputs[0]][-1] != large[op.inputs[0]][-1]}


def _emit(graph: Graph, products: Products, op: Op, inputs: Sequence[str]) -> str:
    if op.kind == "matmul":
        return products.matmul(graph, op, inputs[0], inputs[1]) if op.sites else graph.node("MatMul", inputs)
    if op.kind == "conv2d":
        return (products.conv2d if op.sites else float_conv2d)(graph, op, inputs[0])
    if op.kind == "linear":
        return (products.linear if op.sites else float_linear)(graph, op, inputs[0])
    return (SHAPING.get(op.kind) or NUMBERS[op.kind])(graph, op, inputs)


def _model(graph: Graph, program: Program, ends: tuple[Op, Op]) -> onnx.ModelProto:
    channels = [len(end.reals("mean")) for end in ends]
    picture = helper.make_tensor_value_info(INPUT, FLOAT, [1, channels[0], "height", "width"])
    enlarged = helper.make_tensor_value_info(OUTPUT, FLOAT, [1, channels[1], "enlarged_height", "enlarged_width"])
    made = helper.make_graph(graph.nodes, program.architecture, [picture], [enlarged], list(graph.constants.values()))
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="intaglio",
        producer_version=VERSION,
    )
    helper.set_model_props(model, {"scale": str(program.scale), "coverage": program.coverage.value})
    onnx.checker.check_model(model, full_check=True)
    return model
