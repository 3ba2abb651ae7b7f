"""Whether a program is sound: attributes, tensors, grids, data flow, shapes, scale. Reading bytes is `format.py`.

The same checks serve a program made in memory and one read from a file that nobody trusts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

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
from intaglio.packed.layout import is_codes, schema_of, tensor_shapes, weight_site
from intaglio.packed.program import Op, Program, Site
from intaglio.packed.schema import ACTIVATIONS
from intaglio.packed.shapes import MAX_CHANNELS, infer_shapes
from intaglio.spec import MAX_BITS, MIN_BITS

MAX_OPS = 10_000
MAX_SCALE = 16
MAX_NAME = 256
INT32_TERMS = 1 << 31

LIMITS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "in": (1, MAX_CHANNELS),
        "out": (1, MAX_CHANNELS),
        "dim": (1, MAX_CHANNELS),
        "hidden": (1, 4 * MAX_CHANNELS),
        "heads": (1, 64),
        "window": (1, 32),
        "shift": (0, 31),
        "kernel": (1, 31),
        "stride": (1, 16),
        "pad": (0, 30),
        "factor": (1, MAX_SCALE),
        "multiple": (1, 256),
        "eps": (0.0, 1.0),
        "slope": (-1e6, 1e6),
        "scale": (-1e6, 1e6),
        "range": (1e-6, 1e6),
        "mean": (-1e6, 1e6),
    }
)
"""The least and the largest value of each attribute: what no known network exceeds, and what keeps memory sane."""

_PROBES = ((61, 97), (97, 61))
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
        check_sites(op)
        check_tensors(op)
    check_endpoints(program)
    check_flow(program)
    check_names(program)
    multiple = program.ops[0].integer("multiple")
    for height, width in _PROBES:
        infer_shapes(program, height * multiple, width * multiple)


def check_attributes(kind: str, name: str, attrs: Mapping[str, Any]) -> None:
    """Check that an operation has exactly its attributes, of their types and within `LIMITS`."""
    schema = schema_of(kind)
    where = f"{kind} {name!r}"
    if attrs.keys() != schema.attrs.keys():
        raise AttributeRangeError(
            f"{where} has the attributes {sorted(attrs)}, expected {sorted(schema.attrs)}; lower it again."
        )
    for key, type_ in schema.attrs.items():
        _check_attribute(where, key, attrs[key], type_)
    if kind == "window_block":
        if attrs["dim"] % attrs["heads"] or attrs["shift"] >= attrs["window"]:
            raise AttributeRangeError(f"{where}: heads must divide dim, and shift be less than window; lower it again.")
    elif kind == "conv2d" and attrs["pad"] >= attrs["kernel"]:
        raise AttributeRangeError(f"{where}: a padding of {attrs['pad']} is not less than the kernel; lower it again.")


def _check_attribute(where: str, key: str, value: Any, type_: type) -> None:
    if type(value) is not type_:
        raise AttributeRangeError(f"{where}: {key} is {value!r}, expected {type_.__name__}; lower it again.")
    if type_ is str:
        if value not in ACTIVATIONS:
            raise AttributeRangeError(f"{where}: {key} is {value!r}, expected one of {', '.join(ACTIVATIONS)}.")
        return
    numbers: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
    low, high = LIMITS[key]
    if type_ is tuple and (len(numbers) != 3 or any(type(number) is not float for number in numbers)):
        raise AttributeRangeError(f"{where}: {key} is {value!r}, expected three floats; lower it again.")
    if not all(low <= number <= high for number in numbers):
        raise AttributeRangeError(f"{where}: {key} is {value!r}, outside {low} to {high}; lower it again.")


def check_sites(op: Op) -> None:
    """Check that an operation has exactly its sites, each with as many sound grids as its tensor asks for."""
    shapes = tensor_shapes(op.kind, op.name, op.attrs, frozenset(op.sites))
    outputs = {weight_site(role): shape[0] for role, shape in shapes.items() if is_codes(role)}
    for role, site in op.sites.items():
        if len(site.grids) not in (1, outputs.get(role, 1)):
            raise GridError(
                f"site {site.name!r} has {len(site.grids)} grids; calibrate it per tensor or per output channel."
            )
        if role in outputs and any(grid.pieces for grid in site.grids):
            raise GridError(f"site {site.name!r} is a weight with pieces; only grids of activations may have them.")
    _check_grids(op)
    for role, shape in shapes.items():
        if is_codes(role):
            _check_terms(op, role, math.prod(int(length or 0) for length in shape[1:]))


def _check_grids(op: Op) -> None:
    grids = [(site, grid) for site in op.sites.values() for grid in site.grids]
    for site, grid in grids:
        if grid.bits != site.bits or not MIN_BITS <= grid.bits <= MAX_BITS:
            raise BitWidthError(
                f"site {site.name!r} has codes of {grid.bits} bits; one width of {MIN_BITS} to {MAX_BITS} is expected."
            )
    # All of an operation at once: one by one, a model with some hundreds of sites would spend 10 ms here.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        columns = np.array([(grid.lower, grid.step, grid.top) for _, grid in grids], np.float32).reshape(-1, 3)
        lower, step, top = columns.T
        sound = (step > 0) & np.isfinite(np.stack([lower, step, 1 / step, lower + step * top])).all(axis=0)
    if not sound.all():
        site, grid = grids[int(np.argmin(sound))]
        raise GridError(f"site {site.name!r}: lower {grid.lower}, step {grid.step} span no range; calibrate it again.")


def _check_terms(op: Op, role: str, terms: int) -> None:
    part = role.removesuffix(".codes")
    top = op.sites[f"{part}.input"].grid.top * op.sites[weight_site(role)].grids[0].top
    if terms * top >= INT32_TERMS:
        raise AttributeRangeError(
            f"{op.kind} {op.name!r}: a sum of {terms} products leaves 32 bits; use fewer bits there."
        )


def check_tensors(op: Op) -> None:
    """Check that an operation has exactly its tensors, of their types and shapes, finite, codes within their width."""
    shapes = tensor_shapes(op.kind, op.name, op.attrs, frozenset(op.sites))
    where = f"{op.kind} {op.name!r}"
    if missing := sorted(shapes.keys() - op.tensors.keys()):
        raise MissingTensorError(f"{where} lacks the tensors {missing}; fetch or pack the file again.")
    if extra := sorted(op.tensors.keys() - shapes.keys()):
        raise ExtraTensorError(f"{where} has no use for the tensors {extra}; fetch or pack the file again.")
    for role, shape in shapes.items():
        tensor = op.tensors[role]
        expected = np.uint8 if is_codes(role) else np.float32
        if tensor.dtype != expected:
            raise TensorTypeError(f"{where}: {role} is {tensor.dtype}, expected {np.dtype(expected)}; convert it.")
        if tensor.ndim != len(shape) or any(
            want not in (None, have) for have, want in zip(tensor.shape, shape, strict=True)
        ):
            raise TensorShapeError(f"{where}: {role} has shape {tensor.shape}, expected {shape}; pack the model again.")
        _check_values(where, role, op)


def _check_values(where: str, role: str, op: Op) -> None:
    tensor = op.tensors[role]
    if is_codes(role):
        site = op.sites[weight_site(role)]
        if tensor.max(initial=0) > site.grids[0].top:
            raise CodeRangeError(
                f"{where}: {role} holds code {tensor.max()}, more than {site.bits} bits; clamp the codes."
            )
    elif not np.isfinite(tensor).all():
        raise NonFiniteError(f"{where}: {role} holds NaN or infinite values; look at the checkpoint that was packed.")


def check_endpoints(program: Program) -> None:
    """Check that the program begins with its only ``picture`` and ends with its only ``output``."""
    kinds = [op.kind for op in program.ops]
    if kinds[0] != "picture" or kinds[-1] != "output" or kinds.count("picture") + kinds.count("output") != 2:
        raise EndpointError(
            "a program must begin with its only picture and end with its only output; lower the network again."
        )


def check_flow(program: Program) -> None:
    """Check that every value is written once and before it is read, so that there are no cycles."""
    written: set[str] = set()
    names: set[str] = set()
    for op in program.ops:
        least, most = schema_of(op.kind).arity
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
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise HeaderError(f"name {name[:40]!r} is empty, unprintable or longer than {MAX_NAME} letters; rename it.")
    seen: dict[str, Site] = {}
    for site in program.sites():
        if seen.setdefault(site.name, site) != site:
            raise SiteError(
                f"site {site.name!r} occurs twice with different grids; give the two sites names of their own."
            )
