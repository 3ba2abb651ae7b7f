"""From a calibrated quantized model to an integer program, and the simulator that the program is held against."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

from intaglio.arch.network import SRNetwork
from intaglio.errors import LoweringError
from intaglio.lower.builder import Builder, Remainder, rounded
from intaglio.lower.edsr import emit_edsr
from intaglio.lower.msrresnet import emit_msrresnet
from intaglio.lower.rcan import emit_rcan
from intaglio.lower.rlfn import emit_rlfn
from intaglio.lower.srresnet import emit_srresnet
from intaglio.lower.swinir import emit_swinir
from intaglio.packed.program import Program
from intaglio.quant import QuantModel
from intaglio.quant.lattice import GridQuantizer
from intaglio.quant.layers import QuantLayer

Emit = Callable[[Builder, Any], None]
"""Appends all operations of a network; each emitter takes its own architecture."""

LOWERINGS: Mapping[str, Emit] = MappingProxyType(
    {
        "SwinIR": emit_swinir,
        "EDSR": emit_edsr,
        "RCAN": emit_rcan,
        "RLFN": emit_rlfn,
        "MSRResNet": emit_msrresnet,
        "SRResNet": emit_srresnet,
    }
)
"""The emitter of each architecture by its registry name."""


def lower(model: QuantModel, remainder: Remainder = Remainder.HALF) -> Program:
    """The integer program of a calibrated model.

    What is not quantized is rounded to half precision, unless `remainder` says single; `simulator` rounds alike, so
    that the two can be compared site by site.

    Raises: CalibrationError if a site has no quantizer; LoweringError for an architecture, quantizer or layer that
    the integer engine does not know (remedy: evaluate it in simulation, or add a lowering).
    """
    model.require_calibrated()
    network = model.network
    if not isinstance(network, SRNetwork) or network.architecture not in LOWERINGS:
        name = getattr(network, "architecture", type(network).__name__)
        raise LoweringError(
            f"{name} has no lowering to the integer engine, only {', '.join(LOWERINGS)}; evaluate it in simulation, or"
            " write its lowering."
        )
    if network.in_channels != 3:
        raise LoweringError(
            f"the network takes {network.in_channels} channels; integer programs read RGB pictures, 3 channels."
        )
    builder = Builder(remainder)
    LOWERINGS[network.architecture](builder, network)
    return builder.finish(network.scale, network.architecture, model.spec.coverage)


def simulator(model: QuantModel, remainder: Remainder = Remainder.HALF) -> QuantModel:
    """A copy of the model that computes in torch what its program computes: float parameters rounded as the file
    keeps them, grids of activations as integer products use them.

    Weights that are quantized keep their single-precision values, since their codes are taken from those. A quantizer
    without a grid for integer products stays as it is.
    """
    copied = copy.deepcopy(model)
    quantized = {
        id(layer.weight) for layer in copied.modules() if isinstance(layer, QuantLayer) and hasattr(layer, "weight")
    }
    bounds = {id(bound) for name in copied.sites for bound in copied.quantizer(name).parameters()}
    with torch.no_grad():
        for name, parameter in copied.named_parameters():
            if id(parameter) not in quantized | bounds:
                parameter.copy_(rounded(parameter, remainder, name))
    for name in (site.name for site in copied.sites.values() if not site.is_weight):
        with contextlib.suppress(LoweringError):
            (grid,) = copied.quantizer(name).grids()
            if grid.pieces:
                copied.set_quantizer(name, GridQuantizer(grid))
    return copied
