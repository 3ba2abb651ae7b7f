"""Channels scaled so that quantizing weights and activations costs the layers' outputs least: exact folds, found alone.

After cross-layer equalization (Nagel et al., ICCV 2019) and SmoothQuant (Xiao et al., ICML 2023), which match ranges of
pairs; here all scales of a network that can be undone somewhere (`channel_scales`) are solved for at once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from intaglio.methods.base import Job, Step
from intaglio.quant import QuantModel
from intaglio.quant.scaling import ChannelScales, LayerScales, channel_scales, rescale
from intaglio.spec import Granularity

TOLERANCE = 1e-3
"""How far the float network's output may move, relative to its largest value. Rounding moves it by some 1e-5; a reader
of scaled channels that was not seen moves it by about its own size."""

ITERATIONS = 100
"""Of L-BFGS; DAT-light, with 4494 scales, is solved to six digits after 50."""


@dataclass(frozen=True)
class OnEqualizedChannels:
    """Steps on networks whose channels were scaled where something undoes it, to the least predicted error.

    For each quantized layer with weights W and inputs x the predicted error of its outputs, over their variance, is
    that of rounding W plus that of rounding x: each range is taken for the mean of ``|.| ** p`` to the power of
    ``1 / p``, p the width in bits but at least 3, and a step is in proportion to ``range / 2 ** bits``. The sum over
    all layers is convex in the logarithms of the scales. Adds the metrics ``scale_groups``, how many scales were free,
    and ``equalized_error``, the predicted error over what it was; neither where nothing is free.
    """

    patches: int
    patch_size: int
    then: tuple[Step, ...]

    def __call__(self, job: Job) -> None:
        """Edit the job's model; its teacher stays as it is, since a copy of it takes its place."""
        patches = job.patches(self.patches, self.patch_size, job.seed)
        teacher = job.teacher
        scales = channel_scales(copy.deepcopy(teacher).cpu(), patches[:1].cpu())
        errors = predicted_errors(job.model, teacher, scales, patches)
        if errors and scales.count > 1:
            factors, before, after = least(errors, scales.count)
            moved = copy.deepcopy(job.teacher)
            rescale(moved, scales, factors)
            if _same(job.teacher, moved, patches[:1]):
                rescale(job.model.network, scales, factors)
                teacher = moved
                job.metrics["scale_groups"] = float(scales.count - 1)
                job.metrics["equalized_error"] = after / before
        for step in self.then:
            step(replace(job, teacher=teacher))


@torch.no_grad()
def _same(network: nn.Module, moved: nn.Module, example: Float[Tensor, "n c h w"]) -> bool:
    before, after = network(example), moved(example)
    return bool((before - after).abs().max() <= TOLERANCE * before.abs().max())


@dataclass(frozen=True)
class PredictedError:
    """The error that quantization is expected to make in a layer's outputs, a function of the scales of its channels.

    What has two axes stands for the kernel by which one output reads one channel.
    """

    read: Int64[Tensor, "out read"]
    """The group of each channel that an output reads."""
    given: Int64[Tensor, " out"]
    """The group of each output."""
    channels: Int64[Tensor, " channels"]
    """The group of each channel of the input."""
    weights_p: Float64[Tensor, "out read"]
    """Means of ``|W| ** p`` over kernels, p that of the weights' width."""
    weights_2: Float64[Tensor, "out read"]
    """Sums of ``W ** 2`` over kernels."""
    inputs_p: Float64[Tensor, " channels"]
    """Means of ``|x| ** p``, p that of the activations' width."""
    inputs_2: Float64[Tensor, "out read"]
    """Mean squares of the channel, times the number of weights in the kernel."""
    variance: float
    """Of the outputs, summed over channels."""
    weight_bits: int
    """Width of the weights."""
    input_bits: int
    """Width of the input."""
    by_rows: bool
    """Whether each row of the weight has a grid of its own."""

    def __call__(self, log_scales: Float64[Tensor, " groups"]) -> Float64[Tensor, ""]:
        """The error of rounding weights and inputs, over the outputs' variance."""
        read, given = log_scales[self.read].exp(), log_scales[self.given].exp()[:, None]
        p, q = _power(self.weight_bits), _power(self.input_bits)
        powers = (self.weights_p * (given / read) ** p).mean(1, keepdim=True)
        weights = (powers if self.by_rows else powers.mean()) ** (2 / p)
        of_weights = (weights * (read / given).square() * self.inputs_2).sum() * 4.0**-self.weight_bits
        inputs = (self.inputs_p * (q * log_scales[self.channels]).exp()).mean() ** (2 / q)
        of_inputs = inputs * (self.weights_2 / read.square()).sum() * 4.0**-self.input_bits
        error: Tensor = (of_weights + of_inputs) / self.variance
        return error


def _power(bits: int) -> int:
    """The moment that stands for a range: that of a finer grid hangs more on the largest values."""
    return max(3, bits)


def least(errors: Sequence[PredictedError], groups: int) -> tuple[Float64[Tensor, " groups"], float, float]:
    """The scales of least error, the first one 1, and the error before and after."""
    free = torch.zeros(groups - 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([free], max_iter=ITERATIONS, history_size=20, line_search_fn="strong_wolfe")
    seen: list[float] = []

    def total() -> Tensor:
        optimizer.zero_grad()
        scales = torch.cat([torch.zeros(1, dtype=torch.float64), free])
        # Convex as well, and of the same size for every network.
        error = torch.stack([one(scales) for one in errors]).sum().log()
        error.backward()  # type: ignore[no-untyped-call]
        seen.append(float(error.detach().exp()))
        return error

    optimizer.step(total)  # type: ignore[no-untyped-call]
    found = torch.cat([torch.zeros(1, dtype=torch.float64), free.detach()])
    return found.exp(), seen[0], float(torch.stack([one(found) for one in errors]).sum())


def predicted_errors(
    model: QuantModel, teacher: nn.Module, scales: ChannelScales, patches: Float[Tensor, "n c h w"]
) -> list[PredictedError]:
    """One for each layer that is quantized, called once, and whose channels are known; moments from one pass."""
    weights = {site.path: site.bits for site in model.sites.values() if site.is_weight}
    inputs = {site.path: site.bits for site in model.sites.values() if not site.is_weight}
    by_rows = model.spec.weight_granularity is Granularity.PER_CHANNEL
    paths = [path for path in weights if path in inputs and path in scales.layers]
    moments = _moments(teacher, {path: _power(inputs[path]) for path in paths}, patches)
    return [
        _predicted(teacher, path, scales.layers[path], moments[path], weights[path], inputs[path], by_rows)
        for path in paths
        if path in moments and moments[path].variance > 0.0
    ]


@dataclass(frozen=True)
class _Moments:
    """Of a layer's input channels, and the variance of its outputs."""

    power: Float64[Tensor, " channels"]
    square: Float64[Tensor, " channels"]
    variance: float


@torch.no_grad()
def _moments(teacher: nn.Module, powers: Mapping[str, int], patches: Float[Tensor, "n c h w"]) -> dict[str, _Moments]:
    """By path, the moments to the given powers: about the mean where a LayerNorm's shift takes the mean away."""
    found: dict[str, list[_Moments]] = {path: [] for path in powers}
    readers = getattr(teacher, "norm_readers", None)
    centred = {path for _, path in readers()} if callable(readers) else set()

    def hook(path: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def hear(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
            axis = 1 if isinstance(module, nn.Conv2d) else -1
            x, y = (one.detach().movedim(axis, 0).flatten(1).double().cpu() for one in (args[0], output))
            middle = x.mean(1, keepdim=True) if path in centred else torch.zeros((), dtype=x.dtype)
            power = (x - middle).abs().pow(powers[path]).mean(1)
            found[path].append(_Moments(power, x.square().mean(1), float(y.var(1).sum())))

        return hear

    handles = [teacher.get_submodule(path).register_forward_hook(hook(path)) for path in powers]
    try:
        teacher(patches)
    finally:
        for handle in handles:
            handle.remove()
    return {path: heard[0] for path, heard in found.items() if len(heard) == 1}


def _predicted(
    teacher: nn.Module,
    path: str,
    layer: LayerScales,
    moments: _Moments,
    weight_bits: int,
    input_bits: int,
    by_rows: bool,
) -> PredictedError:
    weight = teacher.get_submodule(path).weight
    assert isinstance(weight, Tensor)
    taps = weight.detach().double().cpu().flatten(2) if weight.dim() > 2 else weight.detach().double().cpu()[..., None]

    def of_outputs(channels: Tensor) -> Tensor:
        """What each output reads of a vector over the input's channels."""
        parts = channels.view(-1, taps.shape[1])
        return parts.repeat_interleave(len(taps) // len(parts), dim=0)

    return PredictedError(
        read=of_outputs(layer.inputs),
        given=layer.outputs,
        channels=layer.inputs,
        weights_p=taps.abs().pow(_power(weight_bits)).mean(2),
        weights_2=taps.square().sum(2),
        inputs_p=moments.power,
        inputs_2=of_outputs(moments.square) * taps.shape[2],
        variance=moments.variance,
        weight_bits=weight_bits,
        input_bits=input_bits,
        by_rows=by_rows,
    )
