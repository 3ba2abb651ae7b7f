"""From a checkpoint, in whichever published layout, to a float network: the first stage of the pipeline.

Reading files is in `files.py`; which architectures exist is in `registry.py`.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from intaglio.arch.entry import Entry, State
from intaglio.arch.files import read_file
from intaglio.arch.network import SRNetwork
from intaglio.arch.options import read_options, require_scale, told_by
from intaglio.arch.registry import detect, find
from intaglio.arch.unwrapping import unwrap
from intaglio.errors import CheckpointError
from intaglio.spec import Weights

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A float network, and under which names its file kept the weights, outermost first (none: at the top)."""

    network: SRNetwork
    names: tuple[str, ...]


def load(
    path: str | Path,
    *,
    architecture: str | None = None,
    overrides: Mapping[str, object] | None = None,
    weights: Weights | None = None,
    options: str | Path | None = None,
) -> SRNetwork:
    """The float network stored in a checkpoint file, in evaluation mode, on the CPU, in single precision.

    Needs no configuration: the architecture is recognised by key names, hyper-parameters are read off shapes.
    `architecture` names it instead. Of two sets of weights the averaged one is taken, unless `weights` says otherwise.
    What no tensor shows is read from the file's metadata, from `options`, a training file of BasicSR (YAML), and from
    `overrides`, which replaces fields of the configuration, such as ``{"res_scale": 0.1}``; the last one counts.
    Defaults are documented with each configuration.

    Raises: CheckpointError if the file is missing or damaged, of no known architecture, incomplete, or not finite, and
    where a hyper-parameter is given by nothing.
    """
    return load_checkpoint(
        path, architecture=architecture, overrides=overrides, weights=weights, options=options
    ).network


def load_checkpoint(
    path: str | Path,
    *,
    architecture: str | None = None,
    overrides: Mapping[str, object] | None = None,
    weights: Weights | None = None,
    options: str | Path | None = None,
) -> Loaded:
    """As `load`, with the names under which the weights were found.

    Raises: CheckpointError as `load` does.
    """
    stored = read_file(Path(path))
    unwrapped = unwrap(stored.content, str(path), weights)
    told = {**stored.options, **(read_options(Path(options)) if options is not None else {})}
    network = _network(unwrapped.state, told, architecture=architecture, overrides=overrides)
    return Loaded(network, unwrapped.names)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file, unwrapped, on the CPU, as they are stored.

    Raises: CheckpointError if the file is missing, damaged, no checkpoint, or holds more than tensors.
    """
    return unwrap(read_file(path).content, str(path)).state


def from_state_dict(
    state: Mapping[str, object], *, architecture: str | None = None, overrides: Mapping[str, object] | None = None
) -> SRNetwork:
    """The float network of a state dict, wrapped or not; as `load`, without the file. The argument is not changed.

    Raises: CheckpointError as `load` does.
    """
    return _network(unwrap(state, "the state dict").state, {}, architecture=architecture, overrides=overrides)


def _network(
    tensors: dict[str, Tensor],
    options: Mapping[str, Any],
    *,
    architecture: str | None,
    overrides: Mapping[str, object] | None,
) -> SRNetwork:
    entry = detect(tensors) if architecture is None else _named(architecture, tensors)
    _check_tensors(tensors)
    weights = entry.nearest_naming(tensors).canonical(tensors)
    config = entry.config_from(weights)
    _require_channels(entry, config.in_channels)
    require_scale(options, config.scale)
    config = _overridden(config, {**told_by(options, entry.options), **(overrides or {})})
    _LOGGER.info("read as %s: %s", entry.name, config)
    _require_told(entry, config)
    with torch.device("meta"):  # costs no memory: shapes are checked before anything of their size is allocated
        _check_shapes(entry, entry.build(config).state_dict(), weights)
    network = entry.build(config)
    network.load_state_dict(
        {key: value for key, value in weights.items() if not entry.is_recomputed(key)}, strict=False
    )
    return network.eval()


def _named(architecture: str, state: State) -> Entry:
    entry = find(architecture)
    if missing := entry.missing(state):
        raise CheckpointError(f"the checkpoint is no {entry.name}: it has no '{missing[0]}'; name no architecture.")
    if strange := entry.strange(state):
        raise CheckpointError(f"the checkpoint is no {entry.name}: it has '{strange[0]}'; name no architecture.")
    return entry


def _overridden(config: Any, overrides: Mapping[str, object]) -> Any:
    known = {field.name for field in dataclasses.fields(config)}
    if unknown := sorted(set(overrides) - known):
        raise CheckpointError(f"'{unknown[0]}' is no setting of {type(config).__name__}; choose from {sorted(known)}.")
    return dataclasses.replace(config, **overrides)


def _require_channels(entry: Entry, channels: int) -> None:
    """Refuse what no picture can be given to."""
    if channels not in (1, 3):
        raise CheckpointError(
            f"this {entry.name} reads {channels} channels, but pictures are gray (1) or RGB (3); transparency is"
            " enlarged beside an RGB network, so choose a checkpoint for RGB."
        )


def _require_told(entry: Entry, config: Any) -> None:
    """Refuse to guess what neither tensors nor `overrides` give."""
    for field in dataclasses.fields(config):
        if getattr(config, field.name) is None:
            asked = field.metadata["asked"]
            raise CheckpointError(
                f"no tensor of this {entry.name} shows its setting '{field.name}', {asked}; give the training options"
                f" (--option train.yml) or, in Python, overrides={{'{field.name}': ...}}."
            )


def _check_tensors(state: State) -> None:
    """Refuse tensors that claim more elements than are stored, and values that are not finite."""
    for key, tensor in state.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            raise CheckpointError(f"'{key}' is not a plain tensor on the CPU; save the float weights, densely.")
        if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
            raise CheckpointError(f"'{key}' claims {tensor.numel()} values but stores fewer; get the file again.")
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"'{key}' holds NaN or infinite values; choose a checkpoint from before training failed."
            )


def _check_shapes(entry: Entry, expected: State, found: Mapping[str, Tensor]) -> None:
    for key, tensor in expected.items():
        if key not in found and entry.is_recomputed(key):
            continue
        if key not in found:
            raise CheckpointError(f"the {entry.name} checkpoint lacks '{key}'; it is incomplete, take another copy.")
        if found[key].shape != tensor.shape:
            shapes = f"{tuple(found[key].shape)}, but the rest of the checkpoint asks for {tuple(tensor.shape)}"
            raise CheckpointError(f"'{key}' has shape {shapes}; take another copy.")
        if not found[key].is_floating_point():
            raise CheckpointError(f"'{key}' holds {found[key].dtype}, not floats; save the float weights instead.")
    if unexpected := sorted(found.keys() - expected.keys()):
        raise CheckpointError(
            f"the checkpoint has {len(unexpected)} tensors that {entry.name} has not, such as '{unexpected[0]}'; "
            "it is a variant that is not supported."
        )
