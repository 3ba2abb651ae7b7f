"""The page ``docs/operations.md``: each operation with its mathematics, attributes, tensors and sites."""

from __future__ import annotations

from collections.abc import Iterator

from intaglio.packed.definition import Attribute, Definition, Tensor
from intaglio.packed.ops import MATHEMATICS, OPS

_HEAD = """\
# Operations

What a program is made of. This page is made from the files of `src/intaglio/packed/ops` by `scripts/generate.py`; how
to add one is explained [here](add-an-operation.md), what is exact and what is close in [numerics](numerics.md).

Values are float32 tensors of up to eight axes, shaped as torch shapes them: a map is (1, C, H, W). A *size* is a length
that may depend on the padded picture's height h and width w. An operation has all of its sites or none; with them its
`weight` is stored as codes, `weight.codes`.
"""


def text() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(line for kind, known in OPS.items() for line in _section(kind, known))])


def _section(kind: str, known: Definition) -> Iterator[str]:
    yield f"## `{kind}`\n"
    yield MATHEMATICS[kind].strip().replace("``", "`") + "\n"
    least, most = known.arity
    rows = [] if (least, most) == (1, 1) else [("inputs", str(least) if least == most else f"{least} to {most}")]
    rows += [(f"`{name}`", _attribute(one)) for name, one in known.attrs.items()]
    rows += [(f"tensor `{tensor.role}`", _tensor(tensor)) for tensor in known.tensors]
    rows += [("sites", ", ".join(f"`{role}`" for role in known.sites))] if known.sites else []
    if rows:
        yield "| | |\n|---|---|"
        yield from (f"| {name} | {content} |" for name, content in rows)
        yield ""


def _attribute(one: Attribute) -> str:
    if one.form == "str":
        return " ".join(f"`{word}`" for word in one.choices)
    name = {"int": "integer", "float": "number", "size": "size"}[one.form.removesuffix("s")]
    bounds = f"{one.low:g} to {one.high:g}" if one.high < 1e9 else f"{one.low:g} or more" if one.low > -1e9 else "any"
    if not one.form.endswith("s"):
        return f"{name}, {bounds}"
    count = str(one.least) if one.least == one.most else f"{one.least} to {one.most}"
    return f"{count} {name}s, {bounds}"


def _tensor(tensor: Tensor) -> str:
    shape = "any shape"
    if tensor.dims is not None:
        shape = "(" + ", ".join(f"{dim.name} ≤ {dim.most}" for dim in tensor.dims) + ")"
    kind = {"float": "float", "weight": "float or codes", "indices": "int32"}[tensor.form]
    when = f"; only for {tensor.when[0]} `{tensor.when[1]}`" if tensor.when else "; optional" if tensor.optional else ""
    return f"{kind}, {shape}{when}"
