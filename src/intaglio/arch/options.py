"""Hyper-parameters that training code states beside a checkpoint: YAML files of BasicSR, metadata of traiNNer-redux.

Which of them an architecture asks for is written in its entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from intaglio.arch.windows import Window
from intaglio.errors import CheckpointError

Reader = Callable[[Any], object]
"""Turns the value of an option into that of a field; raises TypeError or ValueError where it cannot."""

NETWORK = ("network_g", "network")
"""Under these names training options describe the network, best first."""

SCALES = ("upscale", "scale", "upscaling")
"""What training code calls the upscaling factor."""


def number(value: Any) -> float:
    """A number, such as ``255.``; raises TypeError or ValueError for anything else."""
    return float(value)


def window(value: Any) -> Window:
    """Rows and columns, from a list of two whole numbers."""
    rows, columns = (int(side) for side in value)
    return rows, columns


def numbers(value: Any) -> tuple[float, ...]:
    """A row of numbers, from a list."""
    return tuple(float(one) for one in value)


PIXEL_RANGE: Mapping[str, tuple[str, Reader]] = MappingProxyType({"img_range": ("pixel_range", number)})
"""For entries: the option with the value of white."""


def read_options(path: Path) -> dict[str, Any]:
    """The options of the network in a training file of BasicSR or a code that descends from it (YAML).

    Raises: CheckpointError if PyYAML is missing, or the file is, or it describes no network.
    """
    try:
        import yaml
    except ImportError:
        raise CheckpointError("training options are YAML, which needs PyYAML; install `intaglio[quant]`.") from None
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise CheckpointError(f"training options {path} cannot be read ({first}); give a YAML file.") from error
    found = next((content[key] for key in NETWORK if key in content), None) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise CheckpointError(
            f"{path} describes no network under 'network_g'; give the options that it was trained by."
        )
    return {**{key: content[key] for key in SCALES if key in content}, **found}


def told_by(options: Mapping[str, Any], known: Mapping[str, tuple[str, Reader]]) -> dict[str, object]:
    """Fields of a configuration that `options` tell, of those that an entry knows.

    Raises: CheckpointError where a value is of another kind (remedy: correct the file).

    >>> told_by({"split_size": [8, 32], "lr": 1e-4}, {"split_size": ("split", window)})
    {'split': (8, 32)}
    """
    told = {}
    for name, (target, read) in known.items():
        if options.get(name) is None:
            continue
        try:
            told[target] = read(options[name])
        except (TypeError, ValueError, KeyError) as error:
            raise CheckpointError(f"the option '{name}' is {options[name]!r} ({error}); correct it.") from error
    return told


def require_scale(options: Mapping[str, Any], scale: int) -> None:
    """Raises: CheckpointError if `options` are those of a network for another factor (remedy: the right ones)."""
    stated = next((options[key] for key in SCALES if isinstance(options.get(key), int)), scale)
    if stated != scale:
        raise CheckpointError(
            f"the options describe a network for x{stated}, but the weights are for x{scale}; give those of this file."
        )
