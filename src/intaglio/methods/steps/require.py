"""What a method needs of a network and a spec, checked as its first step: before anything costly begins."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from intaglio.distill.taps import feature_taps_of
from intaglio.errors import MethodError
from intaglio.methods.base import Job
from intaglio.quant.layers import QuantConv2d
from intaglio.spec import Granularity, Shape


@dataclass(frozen=True)
class Require:
    """Raises MethodError where the model of a job lacks something, naming it and a remedy.

    `ungrouped`: no quantized convolution has groups. `taps`: the network names feature taps for distillation.
    `norms`: the network names the layers that read a LayerNorm. `one_sided`: some activation is bounded below, as
    attention maps and GELU outputs are. `per_tensor`: weights have one grid each.
    """

    ungrouped: bool = False
    taps: bool = False
    norms: bool = False
    one_sided: bool = False
    per_tensor: bool = False

    def __call__(self, job: Job) -> None:
        """Check; edits nothing."""
        network = job.model.network
        grouped = [path for path, layer in network.named_modules() if _is_grouped(layer)]
        if self.ungrouped and grouped:
            raise MethodError(
                f"convolution {grouped[0]!r} is grouped and has no single weight matrix, which this method edits;"
                " choose coverage 'paper' or another method."
            )
        if self.taps:
            feature_taps_of(network)
        readers_of = getattr(network, "norm_readers", None)
        if self.norms and not (callable(readers_of) and readers_of()):
            raise MethodError(
                f"{type(network).__name__} has no LayerNorm that linear layers alone read, whose output this method"
                " could change; choose 'mse', or add a method `norm_readers()` to the network."
            )
        if self.one_sided and not any(site.shape is Shape.ONE_SIDED for site in job.model.sites.values()):
            raise MethodError(
                f"{type(network).__name__} quantizes no attention map or GELU output, for which this method is made;"
                " choose 'dobi'."
            )
        granularity = job.model.spec.weight_granularity
        if self.per_tensor and granularity is not Granularity.PER_TENSOR:
            raise MethodError(f"this method has one grid for each weight, not {granularity.value}; choose per-tensor.")


def _is_grouped(layer: nn.Module) -> bool:
    return isinstance(layer, QuantConv2d) and layer.groups != 1
