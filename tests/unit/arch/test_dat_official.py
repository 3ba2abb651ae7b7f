"""DAT under its official names: buffers and batch normalisations of its checkpoints, and what no tensor tells."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from intaglio.arch import SRNetwork, from_state_dict
from intaglio.arch.dat import DAT, DATConfig
from intaglio.arch.dat_blocks import ChannelAttention, SpatialAttention
from intaglio.arch.windows import relative_position_index
from intaglio.errors import CheckpointError
from intaglio.quant import wrap
from intaglio.spec import QuantSpec

NORMS = ("dwconv.0", "channel_interaction.1", "spatial_interaction.0")
SMALL = DATConfig(scale=2, embed_dim=32, depths=(3, 2), heads=(2, 4), split=(2, 4), mlp_hidden=24)


def network(config: DATConfig = SMALL) -> SRNetwork:
    torch.manual_seed(0)
    return DAT(config).eval()


def official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict as the official code saves it: neutral normalisations, and everything that it computes."""
    result = dict(state)
    for key in state:
        conv, _, part = key.rpartition(".")
        if part == "weight" and conv.endswith(NORMS):
            head, _, number = conv.rpartition(".")
            norm, ones = f"{head}.{int(number) + 1}", torch.ones(len(state[key]))
            result |= {f"{norm}.weight": ones, f"{norm}.bias": ones * 0, f"{norm}.running_mean": ones * 0}
            result |= {f"{norm}.running_var": ones - 1e-5, f"{norm}.num_batches_tracked": torch.tensor(7)}
        if part == "rpe_biases":
            result[f"{conv}.relative_position_index"] = relative_position_index((2, 4))
    result["layers.0.blocks.2.attn.attn_mask_0"] = torch.zeros(32, 8, 8)
    return result


def test_official_checkpoints_load_with_normalisations_folded() -> None:
    ours = network()
    again = from_state_dict(official(ours.state_dict()))
    assert again.config == ours.config
    picture = torch.rand(1, 3, 5, 9)
    with torch.inference_mode():
        # Folding divides by sqrt(1 - eps + eps), which is 1 to a rounding of the weights.
        torch.testing.assert_close(again(picture), ours(picture), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "split"),
    [
        ({"embed_dim": 60, "depths": (18,), "heads": (6,), "mlp_hidden": 120}, (8, 32)),
        ({"embed_dim": 180, "depths": (6,) * 6, "heads": (6,) * 6, "mlp_hidden": 720}, (8, 32)),
    ],
)
def test_published_networks_are_recognised_without_their_positions(
    settings: dict[str, object], split: tuple[int, int]
) -> None:
    with torch.device("meta"):
        state = DAT(DATConfig(scale=2, **settings)).state_dict()
    bare = {key: torch.zeros(value.shape) for key, value in state.items() if not key.endswith("rpe_biases")}
    assert from_state_dict(bare).config.split == split


def test_an_unknown_window_is_asked_for() -> None:
    bare = {key: value for key, value in network().state_dict().items() if not key.endswith("rpe_biases")}
    with pytest.raises(CheckpointError, match=r"no tensor of this DAT shows its setting 'split', the window .* DAT-S"):
        from_state_dict(bare)
    again = from_state_dict(bare, overrides={"split": (2, 4)})
    picture = torch.rand(1, 3, 5, 9)
    with torch.inference_mode():
        assert torch.equal(again(picture), network()(picture))


@pytest.mark.parametrize("split", [(1, 4), (3, 4), (2, 128)])
def test_windows_that_cannot_be_cut_are_refused(split: tuple[int, int]) -> None:
    bare = network().state_dict()
    with pytest.raises(CheckpointError, match="is refused"):
        from_state_dict(bare, overrides={"split": split})


def test_positions_of_no_window_are_refused() -> None:
    state = network().state_dict()
    state["layers.0.blocks.0.attn.attns.0.rpe_biases"] *= 3
    with pytest.raises(CheckpointError, match="does not hold the positions of a window"):
        from_state_dict(state)


def test_kinds_and_shifts_of_blocks_are_the_published_ones() -> None:
    config = DATConfig(scale=2, embed_dim=32, depths=(8, 8), heads=(2, 2), split=(2, 4), mlp_hidden=24)
    shifted = {}
    for name, module in network(config).named_modules():
        if isinstance(module, SpatialAttention):
            shifted[name] = [branch.shift for branch in module.attns]
    turned, none = [(1, 2), (2, 1)], [(0, 0), (0, 0)]
    expected = {f"layers.0.blocks.{block}.attn": turned if block in (2, 6) else none for block in (0, 2, 4, 6)}
    expected |= {f"layers.1.blocks.{block}.attn": turned if block in (0, 4) else none for block in (0, 2, 4, 6)}
    assert shifted == expected
    kinds = [isinstance(block.attn, ChannelAttention) for block in network(config).layers[0].blocks]
    assert kinds == [False, True] * 4


def test_coverage_paper_sees_linears_and_both_kinds_of_products() -> None:
    model = wrap(network(), QuantSpec(4, 4))
    over_windows = "layers.0.blocks.0.attn.attns.1."
    over_channels = "layers.0.blocks.1.attn."
    wanted = {f"{over_windows}{product}:{role}" for product in ("scores", "context") for role in ("a", "b")}
    wanted |= {f"{over_channels}{product}:{role}" for product in ("scores", "context") for role in ("a", "b")}
    wanted |= {f"{over_channels}qkv.{part}:{role}" for part in "qkv" for role in ("input", "weight")}
    wanted |= {f"layers.0.blocks.0.ffn.{layer}:input" for layer in ("fc1", "fc2")}
    assert wanted <= set(model.sites)
    # Of 3 blocks over windows and 2 over channels: 12 sites of linears in each, 8 and 4 of products.
    assert len(model.sites) == 5 * 12 + 3 * 8 + 2 * 4
    assert not any(".pos." in name for name in model.sites)


@pytest.mark.shared
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_light_network_is_recognised(shared: Path, scale: int) -> None:
    from intaglio.arch import load

    found = load(shared / "weights" / f"dat_light_x{scale}.safetensors")
    assert found.config == DATConfig(scale=scale)


MASKS = (torch.zeros(1, 8, 8), torch.zeros(1, 8, 8))
"""Not for this kind of attention."""


def channel_attention() -> ChannelAttention:
    found = next(module for module in network().modules() if isinstance(module, ChannelAttention))
    torch.nn.init.uniform_(found.temperature, 0.5, 2.0)
    return found


def test_scores_are_those_of_rows_of_unit_length() -> None:
    attention, seen = channel_attention(), list[tuple[Tensor, Tensor]]()
    attention.context.register_forward_pre_hook(lambda _, args: seen.append(args))
    x = torch.randn(2, 6, 5, 32)
    x[1] = 0.0  # rows of zeros have no direction
    attention.qkv.bias.data.zero_()
    attention(x, MASKS)
    q, k, _ = attention.qkv(x).view(2, 30, 3, attention.config.heads, -1).permute(2, 0, 3, 4, 1).unbind(0)
    correlation = normalize(q, dim=-1) @ normalize(k, dim=-1).transpose(-2, -1)
    ((shares, _),) = seen
    expected = (correlation * attention.temperature).softmax(dim=-1)
    torch.testing.assert_close(shares, expected, rtol=0, atol=1e-6)


def test_what_channel_attention_multiplies_does_not_shrink_with_the_picture() -> None:
    attention, seen = channel_attention(), list[tuple[Tensor, Tensor]]()
    attention.scores.register_forward_pre_hook(lambda _, args: seen.append(args))
    x = torch.randn(1, 4, 4, 32)
    for picture in (x, x.repeat(1, 3, 2, 1)):
        attention(picture, MASKS)
    for small, large in zip(*seen, strict=True):
        ends = [torch.stack(torch.aminmax(one)) for one in (small, large)]
        torch.testing.assert_close(*ends, rtol=1e-5, atol=1e-6)
