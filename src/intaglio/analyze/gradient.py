"""What each site costs, estimated for all sites at once by gradients instead of quantizing one after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from intaglio.analyze.placing import emptied
from intaglio.progress import Progress, Silent
from intaglio.quant import Quantizer, QuantModel
from intaglio.spec import SiteName

Hear = Callable[[float], None]


class _Overhear(torch.autograd.Function):
    """Passes a tensor on; on the way back tells the scalar product of its gradient with `change`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, anchor: Tensor, change: Tensor, hear: Hear) -> Tensor:
        # `anchor` needs a gradient, so that weights, which need none, are heard too.
        del anchor
        ctx.save_for_backward(change)
        ctx.hear = hear
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (change,) = ctx.saved_tensors
        ctx.hear(float((grads[0].double() * change.double()).sum()))
        return grads[0], None, None, None


class _Listener(Quantizer):
    """Stands at a site, changes nothing, and tells how the output would move if `quantizer` stood there."""

    def __init__(self, quantizer: Quantizer, hear: Hear) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.hear = hear

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """`x` itself."""
        with torch.no_grad():
            change = self.quantizer(x.detach()) - x
        heard: Tensor = _Overhear.apply(x, torch.zeros((), requires_grad=True), change, self.hear)  # type: ignore[no-untyped-call]
        return heard


def estimate_errors(
    model: QuantModel,
    lr: Float[Tensor, "n c h w"],
    *,
    probes: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[SiteName, float]:
    """The mean squared change of the output that each site would cause alone, to first order, for all sites at once.

    Quantizing a site moves its tensor by d and the output by J d. For signs r drawn at random for every sample of the
    output, E (r . J d)^2 = |J d|^2, and r . J d is the product of d with the gradient of r . output: one backward pass
    serves all sites. The mean over N pictures and `probes` draws has a relative deviation of about
    sqrt(2 / (N * probes)). Rounding that is large against the network's curvature (2 bits) makes first order rough.

    Units: samples in [0, 1], squared, as `SiteSensitivity.error`. Deterministic in `seed`. Source: ours (a randomised
    Gauss-Newton estimate); the papers take norms of gradients.
    Raises: CalibrationError if the model is not calibrated.
    """
    model.require_calibrated()
    listening = emptied(model)
    sums: defaultdict[SiteName, list[float]] = defaultdict(list)
    for name in model.sites:
        listening.set_quantizer(name, _Listener(model.quantizer(name), sums[name].append))
    generator = torch.Generator().manual_seed(seed)
    samples = 0
    with torch.enable_grad(), (progress or Silent()).stage("gradients", len(lr) * probes) as advance:
        for picture in torch.split(lr, 1):
            for _ in range(probes):
                output = listening(picture)
                signs = torch.randint(2, output.shape, generator=generator).to(output) * 2.0 - 1.0
                (output * signs).sum().backward()
                samples = output.numel()
                advance("")
    return {name: _mean_square(name, values, len(lr) * probes) / samples for name, values in sums.items()}


def _mean_square(name: SiteName, heard: list[float], draws: int) -> float:
    """Readers of a shared site are heard one by one in each draw, and their changes add up."""
    readers = len(heard) // draws
    assert readers * draws == len(heard), f"{name} was heard {len(heard)} times in {draws} draws"
    totals = [sum(heard[start : start + readers]) for start in range(0, len(heard), readers)]
    return sum(total * total for total in totals) / draws
