"""The record of a packed model: what every measurement of one says of it alike."""

from __future__ import annotations

from intaglio.evaluate import Record
from intaglio.packed.format import PackedModel


def record_of(packed: PackedModel, kind: str) -> Record:
    """A record of `kind` with the network, its weights, the method and the widths of a packed model; of no metric's
    protocol. What was measured, and how, is for the caller to fill in (`dataclasses.replace`)."""
    recipe = packed.header.recipe
    return Record(
        kind=kind,
        network=packed.program.architecture,
        scale=packed.program.scale,
        method=str(recipe.get("method", "unknown")),
        weights_sha256=packed.header.provenance.source_sha256,
        weight_bits=recipe.get("weight_bits"),
        act_bits=recipe.get("act_bits"),
        coverage=packed.program.coverage.value,
        protocol=None,
    )
