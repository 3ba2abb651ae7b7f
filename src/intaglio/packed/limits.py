"""What the native core checks of operations, as the text of ``csrc/engine/limits.inc``, made from the definitions."""

from __future__ import annotations

from collections.abc import Iterator

from intaglio.packed import container, definition, format, header, names, pools, shapes, size, validate
from intaglio.packed.definition import Definition
from intaglio.packed.ops import OPS, matmul
from intaglio.spec import MAX_BITS, MAX_PIECES, MIN_BITS, Coverage

_HEAD = """\
// Made by scripts/generate.py from src/intaglio/packed/ops; a test fails where it is stale. Do not edit.
//
// LIMIT(name, value)
// OP(kind, fewest inputs, most inputs)
// ATTR(kind, name, form, least, greatest, fewest entries, most entries, words separated by |)
// TENSOR(kind, role, type, axes or -1, optional, attribute that decides or "", its word or "")
// DIM(kind, role, axis, most)
// SITE(kind, role)
// POOL(type, name of its array, bytes of one entry)
// COVERAGE(word)
// UNPRINTABLE(first, last), code points that no name has
// PROBE(height, width), in units of the padding multiple: sizes for which shapes are checked
//
// Forms are int_, float_, str_, ints_, floats_, size_, sizes_; types are float_, weight_ (codes with sites), indices_.
"""

_MACROS = ("LIMIT", "OP", "ATTR", "TENSOR", "DIM", "SITE", "POOL", "COVERAGE", "UNPRINTABLE", "PROBE")

LIMITS = {
    "max_rank": definition.MAX_RANK,
    "max_per_pixel": shapes.MAX_PER_PIXEL,
    "max_beside": shapes.MAX_BESIDE,
    "max_side": shapes.MAX_SIDE,
    "max_terms": size.MAX_TERMS,
    "max_degree": size.MAX_DEGREE,
    "max_coefficient": size.MAX_COEFFICIENT,
    "max_multiple": size.MAX_MULTIPLE,
    "max_length": size.MAX_LENGTH,
    "max_ops": validate.MAX_OPS,
    "max_scale": validate.MAX_SCALE,
    "max_name": names.MAX_NAME,
    "max_depth": header.MAX_DEPTH,
    "max_header": container.MAX_HEADER_BYTES,
    "max_text": format.MAX_TEXT,
    "max_count": container.MAX_COUNT,
    "version": format.VERSION,
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
    return "\n".join(
        [_HEAD, *guards, "", *limits, "", *_file(), *rows, "", *(f"#undef {name}" for name in _MACROS), ""]
    )


def _file() -> Iterator[str]:
    """Rows for the reader of files."""
    for code, name in pools.POOLS.items():
        yield f'POOL("{code}", "{name}", {container.DTYPES[code].itemsize})'
    for coverage in Coverage:
        yield f'COVERAGE("{coverage.value}")'
    for first, last in names.UNPRINTABLE:
        yield f"UNPRINTABLE({first:#x}, {last:#x})"
    for height, width in validate.PROBES:
        yield f"PROBE({height}, {width})"


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
