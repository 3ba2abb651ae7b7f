"""From what a checkpoint file holds to one state dict: wrappers, prefixes, averaged weights, and what is none.

Reading files is in `files.py`; nothing here knows an architecture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from intaglio.errors import CheckpointError
from intaglio.spec import Weights

AVERAGED_WRAPPERS = ("params_ema", "params-ema", "ema_state_dict", "state_dict_ema", "model_ema", "ema")
PLAIN_WRAPPERS = (
    "params",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "generator",
    "net_g",
    "netG",
    "weights",
)
WRAPPERS = (*AVERAGED_WRAPPERS, *PLAIN_WRAPPERS)
"""Keys under which training code stores the weights; of each kind the best first."""

AVERAGED_PREFIXES = ("generator_ema.", "net_g_ema.", "netG_ema.", "ema_model.", "model_ema.")
PLAIN_PREFIXES = (
    "generator.",
    "net_g.",
    "netG.",
    "online_model.",
    "model.",
    "net.",
    "network.",
    "module.",
    "_orig_mod.",
)
PREFIXES = (*AVERAGED_PREFIXES, *PLAIN_PREFIXES)
"""What wrappers of networks put before the keys; other keys beside them belong to losses, critics and counters."""

TRAINING_STATE = ({"state", "param_groups"}, {"optimizers", "schedulers"}, {"optimizer_states", "lr_schedulers"})
"""Keys of files that keep how far training was, not what was learned."""


@dataclass(frozen=True)
class Unwrapped:
    """A state dict, and under which names the file kept it, outermost first."""

    state: dict[str, Tensor]
    names: tuple[str, ...]

    @property
    def averaged(self) -> bool:
        """Whether the names say that the weights are averaged."""
        return are_averaged(self.names)


def are_averaged(names: Iterable[str]) -> bool:
    """Whether weights that a file keeps under these names are averaged over training.

    >>> are_averaged(("params_ema", "module.")), are_averaged(("params",))
    (True, False)
    """
    return any(name in AVERAGED_WRAPPERS or name in AVERAGED_PREFIXES for name in names)


def unwrap(content: object, source: str, weights: Weights | None = None) -> Unwrapped:
    """The state dict inside what a file held: wrappers of training code and prefixes of keys removed.

    Averaged weights are taken where there are some, unless `weights` says otherwise.

    Raises: CheckpointError if there are no tensors by name, or not the `weights` that were asked for.

    >>> import torch
    >>> unwrap({"params": {"module.conv.weight": torch.zeros(1)}, "epoch": 7}, "example").names
    ('params', 'module.')
    """
    names: list[str] = []
    while isinstance(content, Mapping) and (name := _wrapper(content, source, weights)) is not None:
        names.append(name)
        content = content[name]
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(
            f"{source} holds no weights by name but {_described(content)}; choose a file with a state dict."
        )
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            kind = type(value).__name__
            raise CheckpointError(f"{source} holds a {kind} under {key!r}, not a tensor; save only the state dict.")
    found = _without_prefixes(dict(content), tuple(names), weights)
    if weights is not None and found.averaged != (weights is Weights.EMA):
        held = "averaged weights alone" if found.averaged else "no weights that it calls averaged"
        raise CheckpointError(f"{source} holds {held}, not those of '{weights}'; leave the choice of weights out.")
    return found


def _wrapper(content: Mapping[object, object], source: str, weights: Weights | None) -> str | None:
    """The key below which the weights are, or None where they are here."""
    inner = [key for key in content if isinstance(content[key], Mapping)]
    ordered = (*PLAIN_WRAPPERS, *AVERAGED_WRAPPERS) if weights is Weights.PLAIN else WRAPPERS
    if known := next((key for key in ordered if key in inner), None):
        return known
    if any(marks <= content.keys() for marks in TRAINING_STATE):
        raise CheckpointError(
            f"{source} holds the state of an optimizer, not a network; take the network's file, saved beside it"
            " (net_g_*.pth beside *.state, for example)."
        )
    has_tensors = any(isinstance(value, Tensor) for value in content.values())
    return inner[0] if len(inner) == 1 and isinstance(inner[0], str) and not has_tensors else None


def _without_prefixes(state: dict[str, Tensor], names: tuple[str, ...], weights: Weights | None) -> Unwrapped:
    ordered = (*PLAIN_PREFIXES, *AVERAGED_PREFIXES) if weights is Weights.PLAIN else PREFIXES
    for prefix in ordered:
        below = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        if below:
            return _without_prefixes(below, (*names, prefix), weights)
    return Unwrapped(state, names)


def _described(content: object) -> str:
    if isinstance(content, list | tuple):
        tensors = sum(isinstance(value, Tensor) for value in content)
        return f"a {type(content).__name__} of {len(content)} values without names, {tensors} of them tensors"
    if isinstance(content, Tensor):
        return f"one tensor of shape {tuple(content.shape)}"
    return "nothing" if isinstance(content, Mapping) else f"a {type(content).__name__}"
