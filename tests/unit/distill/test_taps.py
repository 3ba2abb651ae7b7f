"""Which submodules are tapped, and that a tap keeps what was computed."""

import torch
from torch import Tensor, nn

from intaglio.arch.examples import random_network
from intaglio.distill.taps import inner_taps, tapped
from intaglio.quant import wrap
from intaglio.spec import Coverage, QuantSpec


class InPlace(nn.Module):
    """Writes to what its first layer gave."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x.clone()).add_(1.0)


def test_a_tap_keeps_what_the_network_writes_over() -> None:
    network = InPlace()
    with tapped(network, ["first"]) as features:
        network(torch.zeros(1, 2))
    assert features["first"].tolist() == [[0.0, 0.0]]


def test_blocks_and_their_branches_are_tapped_and_the_whole_network_is_not() -> None:
    model = wrap(random_network("SwinIR"), QuantSpec(4, 4, Coverage.PAPER))
    taps = inner_taps(model.network, torch.rand(1, 3, 16, 16))
    assert taps
    assert "" not in taps
    first = "layers.0.residual_group.blocks.0"
    assert {first, f"{first}.attn", f"{first}.mlp"} <= set(taps)
