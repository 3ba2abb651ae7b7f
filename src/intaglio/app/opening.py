"""Opening whatever a person names: a packed model, a float checkpoint, or the word ``bicubic``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from intaglio.errors import SpecError
from intaglio.packed.errors import NotIntaglioError, NotSafetensorsError
from intaglio.packed.format import PackedModel, load
from intaglio.runtime.engine import Backend, Engine

if TYPE_CHECKING:
    from intaglio.evaluate import Upscaler
    from intaglio.spec import Weights

BICUBIC = "bicubic"
BICUBIC_SCALE = 2
"""The factor of bicubic where none is asked for."""
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors")
"""Endings of checkpoint files. A safetensors file may hold types that no packed model has (whole numbers, bfloat16)."""


@dataclass(frozen=True)
class Opened:
    """Something that enlarges pictures, and what is known of it.

    Attributes:
        label: what was done to the network: ``w4a4 2dquant``, ``float``, ``bicubic``.
        network: the name of its architecture.
        upscaler: what enlarges pictures.
        runs_on: what computes, with its instruction set.
        path: the file it comes from, if it comes from one.
        packed: the packed model, for packed models alone.
    """

    label: str
    network: str
    upscaler: Upscaler
    runs_on: str
    path: Path | None = None
    packed: PackedModel | None = None


def open_model(
    name: str,
    *,
    scale: int | None = None,
    backend: Backend = "auto",
    threads: int | None = None,
    memory: int | None = None,
    network: str = "",
    weights: Weights | None = None,
    option: Path | None = None,
    device: str = "cpu",
) -> Opened:
    """Open a packed model (without torch), a float checkpoint (with torch), or the bicubic baseline.

    `network` names a network of one's own, ``path/to/file.py:function``, into which the checkpoint is loaded;
    checkpoints of architectures that are not built in are read by spandrel where it is installed. `scale` is needed for
    bicubic alone; for a model it must be the model's. `weights` and `option` are for float checkpoints: see
    `intaglio.arch.load`; `device` is where these compute, see `intaglio.app.devices`. The rest is for packed
    models: see `intaglio.runtime.engine.Engine`.

    Raises: SpecError for another scale; PackedError, CheckpointError or EngineError, each with its remedy.
    """
    if name == BICUBIC:
        from intaglio.evaluate import BicubicUpscaler

        return Opened(BICUBIC, BICUBIC, BicubicUpscaler(scale or BICUBIC_SCALE), "numpy")
    path = Path(name)
    packed = None if network else packed_model(path)
    if packed is None:
        opened = _open_float(path, network, weights, option, device)
    else:
        engine = Engine(packed.program, backend=backend, threads=threads, memory=memory)
        opened = Opened(label_of(packed), packed.program.architecture, engine, engine.backend, path, packed)
    if scale not in (None, opened.upscaler.scale):
        raise SpecError(f"{path} enlarges x{opened.upscaler.scale}, not x{scale}; leave --scale out.")
    return opened


def packed_model(path: Path) -> PackedModel | None:
    """The packed model in a file, or None where it holds something else that may be a float checkpoint."""
    try:
        return load(path)
    except NotIntaglioError:
        return None
    except NotSafetensorsError:
        if path.suffix.lower() in CHECKPOINTS:
            return None
        raise


def label_of(packed: PackedModel) -> str:
    """What was done to the network, for people: ``w4a4 2dquant``."""
    recipe = packed.header.recipe
    return f"w{recipe.get('weight_bits', '?')}a{recipe.get('act_bits', '?')} {recipe.get('method', 'unknown method')}"


def _open_float(path: Path, own: str, weights: Weights | None, option: Path | None, device: str) -> Opened:
    from intaglio.app.devices import CPU, device_of
    from intaglio.app.networks import NetworkSource, open_network
    from intaglio.evaluate.torch_upscaler import TorchUpscaler

    network = open_network(NetworkSource(path, own, weights=weights, option=option))
    place = device_of(device)
    runs_on = "torch" if place == CPU else f"torch on {place}"
    return Opened("float", network.architecture, TorchUpscaler(network, network.scale, str(place)), runs_on, path)
