"""The published calibration algorithm, written down plainly: what `calibration.py` holds the library against.
against.

2DQuant (Liu et al., NeurIPS 2024), equations 1, 2, 4, 5 and algorithm 1 with its misprints mended. Nothing is clever
on purpose: elementary tensor operations under autograd, one pass over the data for each candidate, the teacher run at
every step. Only the networks' wiring and the losses' definitions are shared with the library.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.distill.losses import feature_loss, output_loss
from intaglio.distill.taps import tapped
from intaglio.quant import QuantModel
from intaglio.quant.quantizers import Quantizer
from intaglio.spec import Bounds


def round_straight_through(x: Tensor) -> Tensor:
    """Rounding whose derivative is 1 (2DQuant, equation 2).

    >>> round_straight_through(torch.tensor([0.4, 1.6])).tolist()
    [0.0, 2.0]
    """
    return x + (torch.round(x) - x).detach()


def fake_quantize(x: Tensor, lower: Tensor, upper: Tensor, bits: int) -> Tensor:
    """Clip, scale, round, scale back: equation 1, one tensor operation after another.

    Multiplied by ``1 / step`` as the library does (numerics page, equation 2): a division would round a few values near
    a threshold to the other level, and 24 blocks further no two losses would be comparable.

    >>> fake_quantize(torch.tensor([-2.0, 0.2, 0.9]), torch.tensor(-1.0), torch.tensor(2.0), bits=2).tolist()
    [-1.0, 0.0, 1.0]
    """
    # Not maximum and minimum, which give half the gradient of a value on a bound (zeros after softmax) to the bound.
    clipped = torch.where(x < lower, lower, torch.where(x > upper, upper, x))
    step = (upper - lower) / (2**bits - 1)
    levels: Tensor = round_straight_through((clipped - lower) * (1.0 / step)) * step + lower
    return levels


def search_bounds(values: Tensor, bits: int, candidates: int, *, two_sided: bool) -> Bounds:
    """Algorithm 1: a pass over all values for each candidate, the first least squared error wins.

    The values are read in single precision and summed in double, so that the winner does not hang on the order of a
    sum.
    """
    low, high = float(values.min()), float(values.max())
    best, found = float("inf"), Bounds(low, high)
    for index in range(candidates):
        if two_sided:
            shrink = index * (high - low) / (2 * candidates)
            lower, upper = low + shrink, high - shrink
        else:
            lower, upper = low, high - index * (high - low) / candidates
        quantized = fake_quantize(values, torch.tensor(lower), torch.tensor(upper), bits)
        error = float((values - quantized).double().square().sum())
        if error < best:
            best, found = error, Bounds(lower, upper)
    return found


class PlainQuantizer(Quantizer):
    """A site's quantizer by `fake_quantize`, with its two bounds as parameters."""

    def __init__(self, lower: Tensor, upper: Tensor, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.lower = nn.Parameter(lower.detach().clone())
        self.upper = nn.Parameter(upper.detach().clone())

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """The levels that stand for `x`."""
        return fake_quantize(x, self.lower, self.upper, self.bits)


def make_plain(model: QuantModel) -> list[nn.Parameter]:
    """Put a `PlainQuantizer` at every site of a calibrated model; returns all bounds."""
    bounds = []
    for name, quantizer in model.affine().items():
        plain = PlainQuantizer(quantizer.lower, quantizer.upper, quantizer.bits)
        model.set_quantizer(name, plain)
        bounds += [plain.lower, plain.upper]
    return bounds


class PlainDqc:
    """The distillation loop of section 3.3: Adam on the bounds, the teacher run again at every step.

    Learning rates are relative to each bound's first range, as the library's are, so that the two can be compared
    step by step: each bound is a parameter group of its own.
    """

    def __init__(
        self, student: QuantModel, teacher: nn.Module, taps: Sequence[str], rate: float, weight: float
    ) -> None:
        self.student, self.teacher, self.taps, self.weight = student, teacher, tuple(taps), weight
        bounds = make_plain(student)
        pairs = zip(bounds[::2], bounds[1::2], strict=True)
        groups = [{"params": pair, "lr": rate * float((pair[1] - pair[0]).detach())} for pair in pairs]
        self.optimizer = torch.optim.Adam(groups)

    def loss(self, batch: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
        """Equations 4 and 5 on a batch."""
        with torch.no_grad(), tapped(self.teacher, self.taps) as target_features:
            target = self.teacher(batch)
        with tapped(self.student.network, self.taps) as features:
            output = self.student(batch)
        ours, theirs = ([found[name] for name in self.taps] for found in (features, target_features))
        return output_loss(output, target) + self.weight * feature_loss(ours, theirs)

    def step(self, batch: Float[Tensor, "n c h w"]) -> float:
        """One iteration on a batch; returns its loss before the update."""
        loss = self.loss(batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()
