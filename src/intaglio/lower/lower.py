"""From a calibrated quantized model to an integer program, and the simulator that the program is held against."""

from __future__ import annotations

import contextlib
import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from intaglio.errors import LoweringError, PackedError
from intaglio.lower.align import Aligned, SizeError
from intaglio.lower.emit import Sites, emit, moved
from intaglio.lower.graph import Graph, Node
from intaglio.lower.padding import Padding, padding_of
from intaglio.lower.passes import alignments
from intaglio.lower.translate import translate
from intaglio.packed.errors import ScaleError, ShapeError
from intaglio.packed.program import Op, Program
from intaglio.packed.validate import validate
from intaglio.quant import QuantModel
from intaglio.quant.lattice import GridQuantizer
from intaglio.quant.layers import QuantLayer
from intaglio.quant.markers import marked, name_of
from intaglio.quant.policy import SiteInfo
from intaglio.spec import Grid, SiteName


class FloatDtype(StrEnum):
    """In which precision a program keeps what is not quantized."""

    FLOAT16 = "float16"
    FLOAT32 = "float32"


@dataclass(frozen=True)
class Lowered:
    """A program and what is to be told of it.

    Attributes:
        program: the program.
        moved: for each site that it reads from another place than the model does, what moves the values.
        note: in what it differs from the network, empty where in nothing.
    """

    program: Program
    moved: Mapping[SiteName, tuple[Op, ...]]
    note: str = ""


@dataclass(frozen=True)
class Outline:
    """What a model computes, apart from grids and codes: a traced network, which takes seconds to make.

    `digest` tells the float tensors that went into it; a model with the same ones needs no second trace.
    """

    graph: Graph
    result: Node
    padding: Padding
    scale: int
    program: Program
    """With grids and codes that mean nothing."""
    float_dtype: FloatDtype
    digest: bytes


def lower(model: QuantModel, float_dtype: FloatDtype = FloatDtype.FLOAT16) -> Program:
    """The integer program of a calibrated model: `lowered` without what only `check` needs."""
    return lowered(model, float_dtype).program


def lowered(model: QuantModel, float_dtype: FloatDtype = FloatDtype.FLOAT16, before: Outline | None = None) -> Lowered:
    """The integer program of a calibrated model of any network.

    `before` is what `outlined` made of the model before it was calibrated: it is taken where calibration changed no
    float tensor.

    The model is run at some sizes of picture, on tensors without values, and what it does is written down.
    What is not quantized is rounded to half precision, unless `float_dtype` says float32; `simulator` rounds alike, so
    that the two can be compared site by site. Takes seconds.

    Raises: CalibrationError if a site has no quantizer; LoweringError for an operator that programs do not have, a
    quantizer without a grid for integer products, or a network that no picture size agrees with (remedy: evaluate it in
    simulation, or leave the layer float).
    """
    model.require_calibrated()
    rounded_model = simulator(model, float_dtype)
    outline = before
    if outline is None or (outline.float_dtype, outline.digest) != (float_dtype, _digest(rounded_model)):
        likely = before.padding.multiple if before else _told_multiple(model.network)
        outline = _outline(rounded_model, float_dtype, likely)
    channels = outline.program.ops[0].integer("channels")
    ops = emit(outline.graph, outline.result, channels, _sites_of(model), outline.padding)
    program = Program(outline.scale, _architecture(model.network), model.spec.coverage, ops)
    _require_sound(program)
    return Lowered(program, moved(outline.graph), outline.padding.note)


def outlined(model: QuantModel, float_dtype: FloatDtype = FloatDtype.FLOAT16) -> Outline:
    """What a model, which need not be calibrated yet, computes; grids are not asked for.

    Takes seconds, where a calibration takes minutes or hours. Raises: LoweringError where `lowered` would.
    """
    return _outline(simulator(model, float_dtype), float_dtype, _told_multiple(model.network))


def require_lowerable(model: QuantModel) -> Program:
    """Raises: LoweringError where `lower` would, for a model that need not be calibrated yet; grids are not asked for.

    Returns the program with grids that mean nothing.
    """
    return outlined(model).program


def _outline(model: QuantModel, float_dtype: FloatDtype, likely: int) -> Outline:
    network, digest = model.network, _digest(model)
    nothing = Sites(lambda name: (Grid(0.0, 1.0, model.sites[_base(model, name)].bits),), _placeholder_codes(model))
    channels = int(getattr(network, "in_channels", 3))
    problem: SizeError | None = None
    for found in alignments(marked(model).network, channels, likely):
        try:
            graph, result = translate(found, channels)
            padding = padding_of(network, channels, found.multiple)
            scale = _scale(found)
            ops = emit(graph, result, channels, nothing, padding)
            program = Program(scale, _architecture(network), model.spec.coverage, ops)
            _require_sound(program)
        except SizeError as error:
            problem = error
        else:
            return Outline(graph, result, padding, scale, program, float_dtype, digest)
    assert problem is not None
    raise problem


def _digest(model: QuantModel) -> bytes:
    """What tells a model's sites and float tensors from others; weights that are quantized count by their shape."""
    quantizers = [model.quantizer(name) for name in model.sites]
    left_out = {id(tensor) for one in quantizers for tensor in (*one.parameters(), *one.buffers())}
    quantized = _quantized_weights(model)
    found = hashlib.blake2b(repr(sorted(model.sites)).encode(), digest_size=16)
    for name, tensor in (*model.network.named_parameters(), *model.network.named_buffers()):
        if id(tensor) in left_out:
            continue
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if id(tensor) not in quantized:
            found.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
    return found.digest()


def _quantized_weights(model: QuantModel) -> set[int]:
    layers = (layer for layer in model.modules() if isinstance(layer, QuantLayer) and hasattr(layer, "weight"))
    return {id(layer.weight) for layer in layers}


def _told_multiple(network: nn.Module) -> int:
    """The multiple to which a network of ours says that it pads pictures."""
    told = getattr(getattr(network, "config", None), "multiple", None)
    return told if isinstance(told, int) else 1


def _require_sound(program: Program) -> None:
    """Raises: SizeError for a program that does not fit pictures of all sizes, LoweringError for one beyond the limits
    of programs."""
    try:
        validate(program)
    except (ShapeError, ScaleError) as error:
        raise SizeError(str(error)) from error
    except PackedError as error:
        raise LoweringError(f"the program of this network breaks a rule of programs: {error}") from error


def _architecture(network: nn.Module) -> str:
    return str(getattr(network, "architecture", type(network).__name__))


def _scale(found: Aligned) -> int:
    factors = set()
    for call in found.calls:
        if found.result in call.outputs:
            shape = call.shapes[call.outputs.index(found.result)]
            for (height, width), out_height, out_width in zip(found.sizes, shape[-2], shape[-1], strict=True):
                factors |= {out_height / height, out_width / width}
    if len(factors) != 1 or (factor := factors.pop()) != int(factor):
        raise SizeError("the network's pictures are not a whole number of times as large as those it takes.")
    return int(factor)


def _base(model: QuantModel, name: SiteName) -> SiteName:
    """The name of the quantizer that stands at a site, which shares it with other readers where `name` is no site."""
    return name if name in model.sites else _readers(model)[name][0].name


def _readers(model: QuantModel) -> dict[SiteName, tuple[SiteInfo, str]]:
    """Every site as programs name them, with the quantizer's site and the role of the reader."""
    return {name_of(site, role): (site, role) for site in model.sites.values() for role in site.readers}


def _sites_of(model: QuantModel) -> Sites:
    readers = _readers(model)

    def grids(name: SiteName) -> tuple[Grid, ...]:
        quantizer = model.quantizer(readers[name][0].name)
        try:
            return quantizer.grids()
        except LoweringError as error:
            raise LoweringError(f"site {name!r}, a {type(quantizer).__name__}: {error}") from None

    def codes(name: SiteName) -> np.ndarray:
        site, role = readers[name]
        return codes_of(model.layer(site), role)

    return Sites(grids, codes)


def _placeholder_codes(model: QuantModel) -> Any:
    readers = _readers(model)
    return lambda name: np.zeros(model.layer(readers[name][0]).weight_of(readers[name][1]).shape, np.uint8)


def codes_of(layer: QuantLayer, role: str) -> np.ndarray:
    """The codes of a weight site as uint8, in the shape of the weight."""
    return layer.site(role).codes(layer.weight_of(role)).to(torch.uint8).cpu().numpy()


def simulator(model: QuantModel, float_dtype: FloatDtype = FloatDtype.FLOAT16) -> QuantModel:
    """A copy of the model that computes in torch what its program computes: float parameters rounded as the file
    keeps them, grids of activations as integer products use them.

    Weights that are quantized keep their single-precision values, since their codes are taken from those. A quantizer
    without a grid for integer products stays as it is.
    """
    copied = copy.deepcopy(model)
    quantized = _quantized_weights(copied)
    bounds = {id(bound) for name in copied.sites for bound in copied.quantizer(name).parameters()}
    with torch.no_grad():
        for parameter in copied.network.parameters():
            if id(parameter) not in quantized | bounds:
                parameter.copy_(rounded(parameter, float_dtype))
    for name in (site.name for site in copied.sites.values() if not site.is_weight):
        with contextlib.suppress(LoweringError):
            (grid,) = copied.quantizer(name).grids()
            if grid.pieces:
                copied.set_quantizer(name, GridQuantizer(grid))
    return copied


def rounded(tensor: Tensor, float_dtype: FloatDtype) -> Tensor:
    """A float tensor rounded to the given type, still in single precision; one that half precision overflows stays."""
    single = tensor.detach().float().cpu().contiguous()
    if float_dtype is FloatDtype.FLOAT32:
        return single
    half = single.half().float()
    return half if torch.isfinite(half).all() else single
