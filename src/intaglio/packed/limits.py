"""What the native core checks of operations, as the text of ``csrc/engine/limits.inc``, made from the definitions."""

from __future__ import annotations

from collections.abc import Iterator

from intaglio.packed import definition, shapes, size, validate
from intaglio.packed.definition import Definition
from intaglio.packed.ops import OPS, matmul
from intaglio.spec import MAX_BITS, MAX_PIECES, MIN_BITS

_HEAD = """\
// Made by scripts/generate.py from src/intaglio/packed/ops; a test fails where it is stale. Do not edit.
//
// LIMIT(name, value)
// OP(kind, fewest inputs, most inputs)
// ATTR(kind, name, form, least, greatest, fewest entries, most entries, words separated by |)
// TENSOR(kind, role, type, axes or -1, optional, attribute that decides or "", its word or "")
// DIM(kind, role, axis, most)
// SITE(kind, role)
//
// Forms are int_, float_, str_, ints_, floats_, size_, sizes_; types are float_, weight_ (codes with sites), indices_.
"""

_MACROS = ("LIMIT", "OP", "ATTR", "TENSOR", "DIM", "SITE")

LIMITS = {
    "max_rank": definition.MAX_RANK,
    "max_per_pixel": shapes.MAX_PER_PIXEL,
    "max_beside": shapes.MAX_BESIDE,
    "max_side": shapes.MAX_SIDE,
    "max_terms": size.MAX_TERMS,
    "max_degree": size.MAX_DEGREE,
    "max_coefficient": size.MAX_COEFFICIENT,
    "max_length": size.MAX_LENGTH,
    "max_ops": validate.MAX_OPS,
    "max_scale": validate.MAX_SCALE,
    "max_name": validate.MAX_NAME,
    "int32_terms": matmul.INT32_TERMS,
    "exact_terms": matmul.EXACT_TERMS,
    "min_bits": MIN_BITS,
    "max_bits": MAX_BITS,
    "max_pieces": MAX_PIECES,
}
"""Limits that no single operation owns."""


def text() -> str:
    """The whole file."""
    guards = [line for name in _MACROS for line in (f"#ifndef {name}", f"#define {name}(...)", "#endif")]
    limits = [f"LIMIT({name}, {value})" for name, value in LIMITS.items()]
    rows = [row for kind, known in OPS.items() for row in _rows(kind, known)]
    return "\n".join([_HEAD, *guards, "", *limits, *rows, "", *(f"#undef {name}" for name in _MACROS), ""])


def _rows(kind: str, known: Definition) -> Iterator[str]:
    yield ""
    yield f'OP("{kind}", {known.arity[0]}, {known.arity[1]})'
    for name, one in known.attrs.items():
        low, high = (repr(float(number)) for number in (one.low, one.high))
        words = "|".join(one.choices)
        yield f'ATTR("{kind}", "{name}", {one.form}_, {low}, {high}, {one.least}, {one.most}, "{words}")'
    for tensor in known.tensors:
        axes = -1 if tensor.dims is None else len(tensor.dims)
        when = tensor.when or ("", "")
        optional = str(tensor.optional).lower()
        yield f'TENSOR("{kind}", "{tensor.role}", {tensor.form}_, {axes}, {optional}, "{when[0]}", "{when[1]}")'
        for axis, dim in enumerate(tensor.dims or ()):
            yield f'DIM("{kind}", "{tensor.role}", {axis}, {dim.most})'
    for role in known.sites:
        yield f'SITE("{kind}", "{role}")'
