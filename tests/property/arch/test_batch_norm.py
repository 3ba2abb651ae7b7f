"""Folding a batch normalisation changes nothing but rounding."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from intaglio.arch.batch_norm import folded


@settings(deadline=None)
@given(inputs=st.integers(1, 4), outputs=st.integers(1, 4), bias=st.booleans(), seed=st.integers(0, 999))
def test_folded_convolution_is_convolution_and_normalisation(inputs: int, outputs: int, bias: bool, seed: int) -> None:
    torch.manual_seed(seed)
    pair = nn.Sequential(nn.Conv2d(inputs, outputs, 3, bias=bias), nn.BatchNorm2d(outputs)).double().eval()
    for tensor in (pair[1].weight.data, pair[1].bias.data, pair[1].running_mean, pair[1].running_var):
        tensor.uniform_(0.1, 2.0)
    x = torch.rand(2, inputs, 5, 6, dtype=torch.float64)
    with torch.inference_mode():
        weight, shift = folded(pair.state_dict(), "0", "1")
        found = nn.functional.conv2d(x, weight.double(), shift.double())
        # Weight and bias are rounded once to single precision; inputs are at most 1.
        tolerance = torch.finfo(torch.float32).eps * (weight.abs().sum((1, 2, 3)) + shift.abs()).max().item()
        torch.testing.assert_close(found, pair(x), rtol=0, atol=tolerance)
