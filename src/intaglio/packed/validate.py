"""Whether a program is sound: attributes, tensors, grids, data flow, shapes, scale. Reading bytes is `format.py`.

The same checks serve a program made in memory and one read from a file that nobody trusts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intaglio.packed.definition import MAX_RANK, MAX_REAL, Tensor
from intaglio.packed.errors import (
    AttributeRangeError,
    BitWidthError,
    CodeRangeError,
    DataFlowError,
    EndpointError,
    ExtraTensorError,
    GridError,
    HeaderError,
    MissingTensorError,
    NonFiniteError,
    SiteError,
    TensorShapeError,
    TensorTypeError,
)
from intaglio.packed.layout import definition_of, is_codes, site_roles, tensor_roles, weight_site
from intaglio.packed.names import MAX_NAME, is_name
from intaglio.packed.ops.matmul import INT32_TERMS
from intaglio.packed.program import Op, Program, Site
from intaglio.packed.shapes import infer_shapes
from intaglio.spec import MAX_BITS, MIN_BITS

MAX_OPS = 50_000
MAX_SCALE = 16
PROBES = ((61, 97), (97, 61))
"""Sizes, in units of the padding multiple, for which shapes are checked when a program is loaded: unequal primes."""


def validate(program: Program) -> None:
    """Raise the error that names what is wrong with `program`, if anything is.

    Guarantee: a program that passes runs on every picture that is not too small for its kernels, in bounded memory.
    Raises: a subclass of PackedError; each is documented in `intaglio.packed.errors`.
    """
    if not 1 <= program.scale <= MAX_SCALE:
        raise AttributeRangeError(f"scale {program.scale} is outside 1 to {MAX_SCALE}; lower the network again.")
    if not 2 <= len(program.ops) <= MAX_OPS:
        raise EndpointError(
            f"a program has 2 to {MAX_OPS} operations, this has {len(program.ops)}; lower the network again."
        )
    for op in program.ops:
        check_attributes(op.kind, op.name, op.attrs)
        check_site_roles(op)
        check_tensors(op)
        check_sites(op)
        check_agreement(op)
    check_grids(program)
    check_endpoints(program)
    check_flow(program)
    check_names(program)
    multiple = program.ops[0].integer("multiple")
    for height, width in PROBES:
        infer_shapes(program, height * multiple, width * multiple)


def check_attributes(kind: str, name: str, attrs: Mapping[str, Any]) -> None:
    """Check that an operation has exactly its attributes, of their types and within their limits."""
    known = definition_of(kind).attrs
    where = f"{kind} {name!r}"
    if attrs.keys() != known.keys():
        raise AttributeRangeError(
            f"{where} has the attributes {sorted(attrs)}, expected {sorted(known)}; lower it again."
        )
    for key, attribute in known.items():
        attribute.check(where, key, attrs[key])


def check_site_roles(op: Op) -> None:
    """Check that an operation has all of its sites or none, and that only activations have grids with pieces."""
    roles = site_roles(op.kind, op.name, len(op.sites))
    if op.sites.keys() != set(roles):
        raise SiteError(f"{op.kind} {op.name!r} has the sites {list(op.sites)}, not {list(roles)}; lower it again.")
    weights = {weight_site(role) for role in op.tensors if is_codes(role)}
    for role in op.sites.keys() & weights:
        if any(grid.pieces for grid in op.sites[role].grids):
            raise GridError(
                f"site {op.sites[role].name!r} is a weight with pieces; only grids of activations may have them."
            )


def check_sites(op: Op) -> None:
    """Check that each site has as many grids as its tensor asks for. Roles and tensors must have been checked."""
    weights = {weight_site(role): op.tensors[role] for role in op.tensors if is_codes(role)}
    for role, site in op.sites.items():
        most = len(weights[role]) if role in weights else 1
        if len(site.grids) not in (1, most):
            raise GridError(
                f"site {site.name!r} has {len(site.grids)} grids; calibrate it per tensor or per output channel."
            )
    for role, codes in weights.items():
        terms = math.prod(codes.shape[1:])
        if terms * op.sites["input"].grid.top * op.sites[role].grids[0].top >= INT32_TERMS:
            raise AttributeRangeError(
                f"{op.kind} {op.name!r}: a sum of {terms} products leaves 32 bits; use fewer bits there."
            )


def check_grids(program: Program) -> None:
    """Check that every grid spans a range in single precision, and that the codes of a site have one width."""
    grids = [(site, grid) for site in program.sites() for grid in site.grids]
    for site, grid in grids:
        if grid.bits != site.bits or not MIN_BITS <= grid.bits <= MAX_BITS:
            raise BitWidthError(
                f"site {site.name!r} has codes of {grid.bits} bits; one width of {MIN_BITS} to {MAX_BITS} is expected."
            )
    # All at once: one by one, a model with some hundreds of sites would spend 10 ms here.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        columns = np.array([(grid.lower, grid.step, grid.top) for _, grid in grids], np.float32).reshape(-1, 3)
        lower, step, top = columns.T
        sound = (step > 0) & np.isfinite(np.stack([lower, step, 1 / step, lower + step * top])).all(axis=0)
        sound &= (np.abs(lower) < np.float32(MAX_REAL)) & (step < np.float32(MAX_REAL))
    if not sound.all():
        site, grid = grids[int(np.argmin(sound))]
        raise GridError(f"site {site.name!r}: lower {grid.lower}, step {grid.step} span no range; calibrate it again.")


def check_tensors(op: Op) -> None:
    """Check that an operation has exactly its tensors, of their types and shapes, finite, codes within their width."""
    known = tensor_roles(op.kind, op.attrs, bool(op.sites))
    where = f"{op.kind} {op.name!r}"
    if missing := [role for role, tensor in known.items() if role not in op.tensors and not tensor.optional]:
        raise MissingTensorError(f"{where} lacks the tensors {missing}; fetch the file again or quantize anew.")
    if extra := sorted(op.tensors.keys() - known.keys()):
        raise ExtraTensorError(f"{where} has no use for the tensors {extra}; fetch the file again or quantize anew.")
    lengths: dict[str, int] = {}
    for role, definition in known.items():
        if role in op.tensors:
            _check_form(where, role, definition, op.tensors[role], lengths)
            _check_values(where, role, op)


def _check_form(where: str, role: str, known: Tensor, tensor: NDArray[Any], lengths: dict[str, int]) -> None:
    expected = np.uint8 if is_codes(role) else np.int32 if known.form == "indices" else np.float32
    if tensor.dtype != expected:
        raise TensorTypeError(f"{where}: {role} is {tensor.dtype}, expected {np.dtype(expected)}; convert it.")
    if known.dims is None:
        if tensor.ndim > MAX_RANK or tensor.size == 0:
            raise TensorShapeError(f"{where}: {role} has shape {tensor.shape}; lower the network again.")
        return
    if tensor.ndim != len(known.dims) or any(
        not 1 <= length <= dim.most or lengths.setdefault(dim.name, length) != length
        for dim, length in zip(known.dims, tensor.shape, strict=True)
    ):
        wanted = ", ".join(f"{dim.name} <= {dim.most}" for dim in known.dims)
        raise TensorShapeError(f"{where}: {role} has shape {tensor.shape}, expected ({wanted}); lower it again.")


def _check_values(where: str, role: str, op: Op) -> None:
    tensor = op.tensors[role]
    if is_codes(role):
        site = op.sites[weight_site(role)]
        if tensor.max(initial=0) > site.grids[0].top:
            raise CodeRangeError(
                f"{where}: {role} holds code {tensor.max()}, more than {site.bits} bits; clamp the codes."
            )
    elif tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
        raise NonFiniteError(f"{where}: {role} holds NaN or infinite values; look at the checkpoint that was packed.")


def check_agreement(op: Op) -> None:
    """Check what the operation's definition asks for between attributes and tensors that are right by themselves."""
    if wrong := definition_of(op.kind).check(op):
        raise AttributeRangeError(f"{op.kind} {op.name!r}: {wrong}; lower it again.")


def check_endpoints(program: Program) -> None:
    """Check that the program begins with its only ``input`` and ends with its only ``output``."""
    kinds = [op.kind for op in program.ops]
    if kinds[0] != "input" or kinds[-1] != "output" or kinds.count("input") + kinds.count("output") != 2:
        raise EndpointError(
            "a program must begin with its only input and end with its only output; lower the network again."
        )


def check_flow(program: Program) -> None:
    """Check that every value is written once and before it is read, so that there are no cycles."""
    written: set[str] = set()
    names: set[str] = set()
    for op in program.ops:
        least, most = definition_of(op.kind).arity
        if not least <= len(op.inputs) <= most:
            raise DataFlowError(
                f"{op.kind} {op.name!r} reads {len(op.inputs)} values, expected {least} to {most}; lower it again."
            )
        if unwritten := [name for name in op.inputs if name not in written]:
            raise DataFlowError(
                f"{op.kind} {op.name!r} reads {unwritten} before they are written; emit operations in order."
            )
        if op.output in written or op.name in names:
            raise DataFlowError(
                f"{op.kind} {op.name!r}: its name or its value {op.output!r} was written before; name each once."
            )
        written.add(op.output)
        names.add(op.name)


def check_names(program: Program) -> None:
    """Check that names are short and printable, and that equally named sites are one site.

    The parts of a fused projection may share their input's grid, and then its name.
    """
    names = [program.architecture, *(text for op in program.ops for text in (op.name, op.output))]
    for name in [*names, *(site.name for site in program.sites())]:
        if not is_name(name):
            raise HeaderError(f"name {name[:40]!r} is empty, unprintable or longer than {MAX_NAME} letters; rename it.")
    seen: dict[str, Site] = {}
    for site in program.sites():
        if seen.setdefault(site.name, site) != site:
            raise SiteError(
                f"site {site.name!r} occurs twice with different grids; give the two sites names of their own."
            )
