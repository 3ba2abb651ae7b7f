"""HiT-SR and NGswin under their official names: what no tensor tells, and parts against slow, obvious versions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from intaglio.arch import from_state_dict, load
from intaglio.arch.hit import HiTConfig, HiTSR
from intaglio.arch.hit_blocks import Block, BlockConfig, Form
from intaglio.arch.ngram import CosineAttention, NGramContext
from intaglio.arch.ngswin import NGswin, NGswinConfig
from intaglio.arch.windows import relative_position_index
from intaglio.errors import CheckpointError
from intaglio.quant import wrap
from intaglio.spec import QuantSpec

SMALL = HiTConfig(
    scale=2, embed_dim=16, depths=(3,), heads=(2,), base_window=(2, 4), ratios=(0.5, 1.0, 2.0), mlp_hidden=8
)


@pytest.mark.parametrize("form", Form)
def test_windows_are_asked_for_unless_they_are_the_published_ones(form: Form) -> None:
    torch.manual_seed(0)
    published = HiTSR(HiTConfig(scale=3, form=form)).state_dict()
    assert from_state_dict(published).config == HiTConfig(scale=3, form=form)
    unknown = HiTSR(SMALL).state_dict()
    with pytest.raises(CheckpointError, match="shows its setting 'base_window', base_win_size in the training options"):
        from_state_dict(unknown)
    with pytest.raises(CheckpointError, match="shows its setting 'ratios', hier_win_ratios"):
        from_state_dict(unknown, overrides={"base_window": (2, 4)})


def test_windows_that_do_not_fit_the_weights_are_refused() -> None:
    overrides = {"base_window": (2, 4), "ratios": (0.5, 1.0, 3.0)}
    with pytest.raises(CheckpointError, match=r"blocks\.2\.correlation\.spatial_linear\.weight' has shape"):
        from_state_dict(HiTSR(SMALL).state_dict(), overrides=overrides)
    with pytest.raises(CheckpointError, match="needs as many ratios"):
        from_state_dict(HiTSR(SMALL).state_dict(), overrides={"base_window": (2, 4), "ratios": (1.0,)})
    with pytest.raises(CheckpointError, match="is refused"):
        from_state_dict(HiTSR(SMALL).state_dict(), overrides={"base_window": (2, 4), "ratios": (1.0, 1.5, 64.0)})


@pytest.mark.parametrize(("window", "cells"), [((4, 6), (2, 3)), ((2, 2), (2, 2)), ((6, 4), (2, 4))])
def test_position_bias_is_the_mean_over_the_pixels_of_a_cell(window: tuple[int, int], cells: tuple[int, int]) -> None:
    torch.manual_seed(1)
    config = BlockConfig(dim=48, heads=2, hidden=8, window=window, cells=cells, form=Form.SIR)
    correlation = Block(config).correlation.double()
    for parameter in correlation.pos.parameters():
        torch.nn.init.normal_(parameter)
    with torch.inference_mode():
        of_pixels = correlation.pos(correlation.positions)[relative_position_index(window)]
        high, wide = config.cell
        cut = of_pixels.view(-1, cells[0], high, cells[1], wide, 2)
        expected = cut.mean(dim=(2, 4)).flatten(1, 2).permute(2, 0, 1)
        # Means of at most 6 numbers of order 1 in double precision.
        torch.testing.assert_close(correlation.position_bias(), expected, rtol=0, atol=1e-13)


def inside(position: int, count: int) -> int:
    """The window that stands for one beyond the border: the mirror image at the last one."""
    return abs(position) if position < count else 2 * count - 2 - position


def test_context_of_a_window_is_what_attention_says_of_its_neighbours() -> None:
    torch.manual_seed(2)
    dim, window = 4, 2
    attention = CosineAttention(dim // 2, 2, 2, 1, qkv_bias=True)
    embed = torch.nn.Conv2d(dim, dim // 2, window, stride=window, groups=dim // 2)
    context = NGramContext(dim, embed, attention).double()
    x = torch.randn(1, 6, 4, dim, dtype=torch.float64)
    with torch.inference_mode():
        unigrams = embed(x.permute(0, 3, 1, 2))[0].permute(1, 2, 0)
        rows, columns = unigrams.shape[:2]
        expected = torch.empty(rows, columns, dim, dtype=torch.float64)
        for row in range(rows):
            for column in range(columns):
                ahead = [(inside(row + dy, rows), inside(column + dx, columns)) for dy in (0, 1) for dx in (0, 1)]
                behind = [(inside(row + dy, rows), inside(column + dx, columns)) for dy in (-1, 0) for dx in (-1, 0)]
                both = [attention(torch.stack([unigrams[at] for at in seen])[None]).mean(1) for seen in (ahead, behind)]
                expected[row, column] = context.merge(torch.cat(both, -1)[..., None, None]).flatten()
        torch.testing.assert_close(context(x)[0], expected, rtol=0, atol=1e-12)


def test_every_layer_of_ngswin_is_called_once() -> None:
    config = NGswinConfig(scale=2, embed_dim=16, depths=(2, 1, 1, 2), heads=(2, 1, 1, 2), window=2, mlp_hidden=24)
    network = NGswin(config).eval()
    calls: dict[str, int] = {}
    for name, module in network.named_modules():
        if not list(module.children()):
            hook = lambda *_, name=name: calls.update({name: calls.get(name, 0) + 1})  # noqa: E731
            module.register_forward_hook(hook)
    with torch.inference_mode():
        network(torch.rand(1, 3, 9, 7))
    assert set(calls.values()) == {1}


def test_coverage_paper_sees_all_products_of_hit() -> None:
    model = wrap(HiTSR(SMALL), QuantSpec(4, 4))
    block = "layers.0.residual_group.blocks.2."
    products = ("scores", "context", "channel_scores", "channel_context")
    wanted = {f"{block}correlation.{product}:{role}" for product in products for role in ("a", "b")}
    layers = ("correlation.proj", "correlation.spatial_linear", "mlp.fc1", "mlp.fc2")
    wanted |= {f"{block}{layer}:{role}" for layer in layers for role in ("input", "weight")}
    assert {name for name in model.sites if name.startswith(block)} == wanted


def test_ngswin_for_gray_pictures_is_refused() -> None:
    state = NGswin(NGswinConfig(scale=2)).state_dict()
    state["shallow_extract.conv1.weight"] = state["shallow_extract.conv1.weight"][:, :1]
    with pytest.raises(CheckpointError, match="reads RGB pictures, not 1 channels"):
        from_state_dict(state)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("hit_srf_x4.pth", HiTConfig(scale=4)),
        ("ngswin_x2.pth", NGswinConfig(scale=2)),
        ("ngswin_x3.pth", NGswinConfig(scale=3)),
    ],
)
def test_published_networks_are_recognised(shared: Path, name: str, config: object) -> None:
    assert load(shared / "weights" / name).config == config
