"""Channels behind a LayerNorm balanced between the tensor that is quantized there and the weights that read it.

A fold, exact in the float network, made in the quantized network and in a copy of its teacher alike, so that their
tensors stay comparable. After SmoothQuant (Xiao et al., ICML 2023) and Outlier Suppression+ (Wei et al., EMNLP 2023).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from intaglio.errors import SpecError
from intaglio.methods.base import Job, Step
from intaglio.methods.steps.norm_inputs import norm_inputs
from intaglio.quant.editing import shift_and_scale

LEAST_RANGE = 1e-3
"""Of a channel's range, in mean ranges: a channel that hardly varies would be blown up otherwise."""

TAIL = 1e-3
"""Share of a channel's values that lies beyond its range, at either end."""


@dataclass(frozen=True)
class OnBalancedNorms:
    """Steps on networks whose LayerNorm outputs x were centred and scaled: ``(x - c) / s``, undone by what reads them.

    For each channel c is the middle of its range r, and s = ``(r / w) ** share`` over the geometric mean of all
    channels, w the largest weight that reads it: 0 scales nothing, 1 leaves x and the weight equally far from flat. A
    network that names no LayerNorm with its reader is left as it is. Adds the metric ``norms``, how many were folded.
    """

    share: float
    patches: int
    patch_size: int
    then: tuple[Step, ...]

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise SpecError(f"a share of {self.share} was asked for balancing; give 0 to 1.")

    def __call__(self, job: Job) -> None:
        """Edit the job's model; its teacher stays as it is, since a copy of it takes its place."""
        network, teacher = job.model.network, job.teacher
        if callable(getattr(network, "norm_readers", None)):
            teacher = copy.deepcopy(teacher)
            found = norm_inputs(job, job.patches(self.patches, self.patch_size, job.seed))
            for one in found:
                weights = [_weight(teacher, path) for path in one.readers]
                shift, scale = balance(one.rows, torch.cat(weights), self.share)
                for copied in (network, teacher):
                    layers = [copied.get_submodule(path) for path in one.readers]
                    shift_and_scale(copied.get_submodule(one.norm), layers, shift, scale)
            job.metrics["norms"] = float(len(found))
        for step in self.then:
            step(replace(job, teacher=teacher))


def _weight(network: nn.Module, path: str) -> Tensor:
    weight = network.get_submodule(path).weight
    assert isinstance(weight, Tensor)
    return weight


def balance(
    rows: Float[Tensor, "rows k"], weight: Float[Tensor, "out k"], share: float
) -> tuple[Float64[Tensor, " k"], Float64[Tensor, " k"]]:
    """What `shift_and_scale` adds to each channel, and what it divides it by.

    >>> shift, scale = balance(torch.tensor([[0.0, 0.0], [1.0, 4.0]]), torch.ones(1, 2), share=0.5)
    >>> shift.tolist(), [round(value, 3) for value in scale.tolist()]
    ([-0.5, -2.0], [0.707, 1.414])
    """
    # Order statistics, not torch.quantile, which refuses large tensors.
    beyond = int(TAIL * (len(rows) - 1))
    ordered = rows.double().sort(dim=0).values
    lower, upper = ordered[beyond], ordered[len(rows) - 1 - beyond]
    reach = (upper - lower).clamp(min=LEAST_RANGE * float((upper - lower).mean()))
    largest = weight.detach().double().abs().amax(0)
    largest = largest.clamp(min=LEAST_RANGE * float(largest.mean()))
    wanted = share * (reach.log() - largest.log())
    return -(lower + upper) / 2.0, (wanted - wanted.mean()).exp()
