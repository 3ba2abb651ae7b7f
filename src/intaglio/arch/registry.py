"""The architectures that checkpoints are recognised as: an explicit list, in the order in which they are tried.

A new architecture adds its line here; its entry is written beside its network.
"""

from __future__ import annotations

from intaglio.arch import (
    compact,
    dat_entry,
    edsr,
    hit,
    imdn,
    msrresnet,
    ngswin,
    rcan,
    rlfn,
    rrdbnet,
    span,
    srresnet,
    swinir_entry,
)
from intaglio.arch.entry import Entry, State
from intaglio.errors import CheckpointError, UnknownArchitectureError

REGISTRY: tuple[Entry, ...] = (
    swinir_entry.ENTRY,
    dat_entry.ENTRY,
    hit.ENTRY,
    ngswin.ENTRY,
    edsr.ENTRY,
    rcan.ENTRY,
    rlfn.ENTRY,
    msrresnet.ENTRY,
    srresnet.ENTRY,
    compact.ENTRY,
    rrdbnet.ENTRY,
    span.ENTRY,
    imdn.ENTRY,
)


def find(name: str) -> Entry:
    """The entry of that name, in upper or lower case.

    Raises: CheckpointError if there is none (the message lists the known names).

    >>> find("swinir").name
    'SwinIR'
    """
    for entry in REGISTRY:
        if entry.name.lower() == name.lower():
            return entry
    known = ", ".join(entry.name for entry in REGISTRY)
    raise CheckpointError(f"architecture '{name}' is unknown; choose one of {known}.")


def detect(state: State) -> Entry:
    """The architecture of a state dict, by its key names.

    Raises: CheckpointError if it is of none; the message says for each which keys were missing.
    """
    for entry in REGISTRY:
        if entry.detect(state):
            return entry
    lacks = "; ".join(f"{entry.name} ({_why_not(entry, state)})" for entry in REGISTRY)
    raise UnknownArchitectureError(
        f"the checkpoint is of no known architecture: {lacks}. Use a checkpoint of one of these."
    )


def _why_not(entry: Entry, state: State) -> str:
    missing = entry.missing(state)
    return f"no {_quoted(missing)}" if missing else f"but there is {_quoted(entry.strange(state))}"


def _quoted(keys: tuple[str, ...]) -> str:
    shown = ", ".join(f"'{key}'" for key in keys[:2])
    return shown if len(keys) <= 2 else f"{shown} and {len(keys) - 2} more"
