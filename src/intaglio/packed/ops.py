"""The operations of a program as JSON records, and back; tensors and grids are only referred to here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intaglio.packed.errors import HeaderError
from intaglio.packed.grids import GridWriter
from intaglio.packed.header import take
from intaglio.packed.layout import Shape, schema_of, site_roles, tensor_shapes
from intaglio.packed.program import Attr, Program
from intaglio.packed.validate import MAX_OPS, check_attributes
from intaglio.spec import MAX_PIECES, Piece, SiteName

OWN = "+"
"""Begins the stored name of a site that begins with its operation's name; the rest follows."""
FULL = "="
"""Begins the stored name of any other site; the whole name follows."""


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
    """An operation in the file, with the shapes that its tensors must have."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    output: str
    attrs: Mapping[str, Attr]
    sites: Mapping[str, SiteRecord]
    tensors: Mapping[str, Shape]


def encode_ops(program: Program, grids: GridWriter) -> tuple[list[dict[str, Any]], list[str]]:
    """A record for each operation, and the table of site names that the records refer to."""
    names: dict[str, int] = {}
    records = []
    for op in program.ops:
        sites = []
        for role in site_roles(op.kind, len(op.sites)):
            site = op.sites[role]
            own = site.name.startswith(op.name)
            name = OWN + site.name.removeprefix(op.name) if own else FULL + site.name
            pieces = [list(piece) for piece in site.grids[0].pieces]
            row = [names.setdefault(name, len(names)), site.bits, *grids.add(site.grids)]
            sites.append([*row, pieces] if pieces else row)
        attrs = {key: op.attrs[key] for key in schema_of(op.kind).attrs}
        inputs = list(op.inputs)
        records.append(
            {"kind": op.kind, "name": op.name, "in": inputs, "out": op.output, "attrs": attrs, "sites": sites}
        )
    return records, list(names)


def decode_ops(records: list[Any], names: list[Any]) -> list[OpRecord]:
    """The operations of a file, attributes checked.

    Raises: HeaderError, UnknownOpError, AttributeRangeError, SiteError (remedies in their messages).
    """
    if len(records) > MAX_OPS:
        raise HeaderError(f"{len(records)} operations are more than any network has ({MAX_OPS}); pack it again.")
    if not all(isinstance(name, str) and name[:1] in (OWN, FULL) and name for name in names):
        raise HeaderError(f"every site name must be text that begins with {OWN} or {FULL}; pack the model again.")
    return [_decode_op(index, record, names) for index, record in enumerate(records)]


_RECORD = {"kind": str, "name": str, "in": list, "out": str, "attrs": dict, "sites": list}


def _decode_op(index: int, record: Any, names: list[str]) -> OpRecord:
    where = f"operation {index}"
    fields = take(record, where, _RECORD)
    kind, name, inputs = fields["kind"], fields["name"], fields["in"]
    if not all(isinstance(value, str) for value in inputs):
        raise HeaderError(f"{where}: its inputs are not all names; pack the model again.")
    attrs = {key: tuple(value) if isinstance(value, list) else value for key, value in fields["attrs"].items()}
    check_attributes(kind, name, attrs)
    roles = site_roles(kind, len(fields["sites"]))
    shapes = tensor_shapes(kind, name, attrs, frozenset(roles))
    sites = {role: _decode_site(where, name, site, names) for role, site in zip(roles, fields["sites"], strict=True)}
    return OpRecord(kind, name, tuple(inputs), fields["out"], attrs, sites, shapes)


def _decode_site(where: str, op_name: str, site: Any, names: list[str]) -> SiteRecord:
    if not isinstance(site, list) or len(site) not in (4, 5) or not _all_whole(site[:4]):
        raise HeaderError(f"{where}: a site must be [name, bits, start, count], all integers; pack the model again.")
    index, bits, start, count = site[:4]
    if index >= len(names):
        raise HeaderError(f"{where}: site name {index} is not in the table of {len(names)}; pack the model again.")
    name = names[index]
    whole = name[1:] if name.startswith(FULL) else op_name + name[1:]
    return SiteRecord(whole, bits, start, count, _decode_pieces(where, site[4]) if len(site) == 5 else ())


def _decode_pieces(where: str, pieces: Any) -> tuple[Piece, ...]:
    sound = isinstance(pieces, list) and 0 < len(pieces) <= MAX_PIECES
    if not sound or not all(isinstance(piece, list) and len(piece) == 2 and _all_whole(piece) for piece in pieces):
        raise HeaderError(
            f"{where}: the pieces of a site must be 1 to {MAX_PIECES} pairs [stride, steps] of integers; pack it again."
        )
    return tuple(Piece(stride, steps) for stride, steps in pieces)


def _all_whole(numbers: list[Any]) -> bool:
    return all(type(number) is int and number >= 0 for number in numbers)
