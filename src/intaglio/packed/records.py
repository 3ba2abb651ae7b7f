"""The operations of a program as JSON records, and back; tensors and grids are only referred to here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intaglio.packed.container import MAX_COUNT
from intaglio.packed.definition import MAX_RANK
from intaglio.packed.errors import HeaderError
from intaglio.packed.field import Shape
from intaglio.packed.grids import GridWriter
from intaglio.packed.header import take
from intaglio.packed.layout import definition_of, is_codes, site_roles, tensor_roles, weight_site
from intaglio.packed.pools import POOLS, PoolWriter
from intaglio.packed.program import Attr, Op, Program
from intaglio.packed.size import Size, decode_extent, encode_extent
from intaglio.packed.validate import MAX_OPS, check_attributes
from intaglio.spec import MAX_PIECES, Piece, SiteName


@dataclass(frozen=True)
class SiteRecord:
    """A site in the file: its name, the width of its codes, its rows in the array of grids, the pieces of its codes."""

    name: SiteName
    bits: int
    start: int
    count: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class OpRecord:
    """An operation in the file, with the types and shapes of its tensors."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    output: str
    attrs: Mapping[str, Attr]
    sites: Mapping[str, SiteRecord]
    tensors: Mapping[str, tuple[str, Shape]]


def encode_ops(program: Program, grids: GridWriter, pools: PoolWriter) -> list[dict[str, Any]]:
    """A record for each operation, in order; grids and tensors go to their writers."""
    return [_encode_op(op, grids, pools) for op in program.ops]


def _encode_op(op: Op, grids: GridWriter, pools: PoolWriter) -> dict[str, Any]:
    sites = []
    for role in site_roles(op.kind, op.name, len(op.sites)):
        site = op.sites[role]
        pieces = [list(piece) for piece in site.grids[0].pieces]
        row = [site.name, site.bits, *grids.add(site.grids)]
        sites.append([*row, pieces] if pieces else row)
    tensors = {}
    for role in tensor_roles(op.kind, op.attrs, bool(op.sites)):
        if role in op.tensors:
            bits = op.sites[weight_site(role)].bits if is_codes(role) else None
            tensors[role] = [pools.add(op.tensors[role], bits), *op.tensors[role].shape]
    return {
        "kind": op.kind,
        "name": op.name,
        "in": list(op.inputs),
        "out": op.output,
        "attrs": {key: _encode_attr(op.attrs[key]) for key in definition_of(op.kind).attrs},
        "tensors": tensors,
        "sites": sites,
    }


def _encode_attr(value: Attr) -> Any:
    if isinstance(value, Size):
        return encode_extent(value)
    if isinstance(value, tuple):
        return [encode_extent(one) if isinstance(one, Size) else one for one in value]
    return value


def _decode_attr(form: str, value: Any) -> Any:
    if form == "size":
        return decode_extent(value)
    if isinstance(value, list):
        return tuple(decode_extent(one) if form == "sizes" else one for one in value)
    return value


def decode_ops(records: Any) -> list[OpRecord]:
    """The operations of a file, attributes checked.

    Raises: HeaderError, UnknownOpError, AttributeRangeError, SiteError (remedies in their messages).
    """
    if not isinstance(records, list) or len(records) > MAX_OPS:
        raise HeaderError(f"the program is no list of at most {MAX_OPS} operations; quantize the model again.")
    return [_decode_op(index, record) for index, record in enumerate(records)]


_RECORD = {"kind": str, "name": str, "in": list, "out": str, "attrs": dict, "tensors": dict, "sites": list}


def _decode_op(index: int, record: Any) -> OpRecord:
    where = f"operation {index}"
    fields = take(record, where, _RECORD)
    kind, name, inputs = fields["kind"], fields["name"], fields["in"]
    if not all(isinstance(value, str) for value in inputs):
        raise HeaderError(f"{where}: its inputs are not all names; quantize the model again.")
    known = definition_of(kind).attrs
    attrs = {
        key: _decode_attr(known[key].form, value) if key in known else value for key, value in fields["attrs"].items()
    }
    check_attributes(kind, name, attrs)
    tensors = {role: _decode_tensor(where, form) for role, form in fields["tensors"].items()}
    roles = site_roles(kind, name, len(fields["sites"]))
    sites = {role: _decode_site(where, site) for role, site in zip(roles, fields["sites"], strict=True)}
    return OpRecord(kind, name, tuple(inputs), fields["out"], attrs, sites, tensors)


def _decode_tensor(where: str, form: Any) -> tuple[str, Shape]:
    sound = isinstance(form, list) and 1 <= len(form) <= MAX_RANK + 1 and _all_whole(form[1:])
    if not sound or form[0] not in tuple(POOLS):
        raise HeaderError(
            f"{where}: a tensor must be [type, length, ...], the type one of {', '.join(POOLS)}; quantize it again."
        )
    return form[0], tuple(form[1:])


def _decode_site(where: str, site: Any) -> SiteRecord:
    sound = isinstance(site, list) and len(site) in (4, 5) and isinstance(site[0], str) and _all_whole(site[1:4])
    if not sound:
        raise HeaderError(
            f"{where}: a site must be [name, bits, start, count], a text and integers; quantize the model again."
        )
    name, bits, start, count = site[:4]
    return SiteRecord(name, bits, start, count, _decode_pieces(where, site[4]) if len(site) == 5 else ())


def _decode_pieces(where: str, pieces: Any) -> tuple[Piece, ...]:
    sound = isinstance(pieces, list) and 0 < len(pieces) <= MAX_PIECES
    if not sound or not all(isinstance(piece, list) and len(piece) == 2 and _all_whole(piece) for piece in pieces):
        raise HeaderError(
            f"{where}: the pieces of a site must be 1 to {MAX_PIECES} pairs [stride, steps] of integers; quantize it "
            "again."
        )
    return tuple(Piece(stride, steps) for stride, steps in pieces)


def _all_whole(numbers: list[Any]) -> bool:
    return all(type(number) is int and 0 <= number < MAX_COUNT for number in numbers)
