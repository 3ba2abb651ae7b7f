"""A network that nobody here has seen, from its source to a picture, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from intaglio.app.networks import NetworkSource, open_network
from intaglio.cli.app import app
from intaglio.errors import CheckpointError, SpecError
from intaglio.images import calibration_pictures, read_image, write_image

SOURCE = """
import torch
from torch import nn
from torch.nn import functional as F


class Mixer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.local = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x):
        b, c, h, w = x.shape
        padded = F.pad(x, (0, -w % 4, 0, -h % 4), mode="reflect")
        rows, columns = padded.shape[2] // 4, padded.shape[3] // 4
        tokens = padded.view(b, c, rows, 4, columns, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
        q, k, v = self.qkv(self.norm(tokens)).view(-1, 16, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        y = self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, 16, c))
        y = y.view(b, rows, columns, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, rows * 4, columns * 4)
        x = x + y[:, :, :h, :w]
        channels = torch.einsum("bchw,bdhw->bcd", x, x) / (h * w)
        return self.local(x) + torch.einsum("bcd,bdhw->bchw", channels.softmax(-1), x)


class Stranger(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Sequential(Mixer(8, 2), Mixer(8, 2))
        self.tail = nn.Sequential(nn.Conv2d(8, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, x):
        return F.interpolate(x, scale_factor=2, mode="bicubic") + 0.1 * self.tail(self.body(self.head(x)))


def make():
    torch.manual_seed(0)
    return Stranger()
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "stranger.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def test_from_source_to_picture(source: Path, tmp_path: Path) -> None:
    packed, picture, told = tmp_path / "stranger.intaglio", tmp_path / "small.png", tmp_path / "told.json"
    options = ["--network", f"{source}:make", "--method", "minmax", "--bits", "8", "--coverage", "full"]
    settings = ["--set", "patches=2", "--set", "patch_size=32", "--left-float", "body.1.local"]
    found = CliRunner().invoke(app, ["quantize", *options, *settings, "-o", str(packed), "--json", str(told)])
    assert found.exit_code == 0, found.output
    figures = json.loads(told.read_text(encoding="utf-8"))
    assert figures["architecture"] == "Stranger"
    assert figures["check"]["integer_products"] > 10
    assert figures["recipe"]["left_float"] == {"named": 1}
    write_image(picture, calibration_pictures(1, 32, seed=3)[0][:22, :30])
    upscaled = CliRunner().invoke(app, ["upscale", str(packed), str(picture), "--backend", "reference"])
    assert upscaled.exit_code == 0, upscaled.output
    ours = read_image(tmp_path / "small_x2.png")
    assert ours.shape == (44, 60, 3)
    with torch.no_grad():
        x = torch.from_numpy(read_image(picture).copy()).permute(2, 0, 1)[None].float() / 255
        expected = open_network(NetworkSource(network=f"{source}:make"))(x)[0].permute(1, 2, 0).clamp(0, 1).numpy()
    assert np.abs(ours / 255.0 - expected).mean() < 0.01


def test_a_checkpoint_is_loaded_into_the_network(source: Path, tmp_path: Path) -> None:
    weights = {
        name.removeprefix("network."): torch.full_like(tensor, 0.25)
        for name, tensor in open_network(NetworkSource(network=f"{source}:make")).network.named_parameters()
    }
    torch.save(weights, tmp_path / "weights.pth")
    loaded = open_network(NetworkSource(tmp_path / "weights.pth", f"{source}:make"))
    assert all(bool((parameter == 0.25).all()) for parameter in loaded.network.parameters())
    torch.save({"other": torch.zeros(3)}, tmp_path / "wrong.pth")
    with pytest.raises(CheckpointError, match="does not fit the network"):
        open_network(NetworkSource(tmp_path / "wrong.pth", f"{source}:make"))


@pytest.mark.parametrize(
    ("reference", "told"),
    [("stranger.py", "expected path/to/file.py:function"), ("stranger.py:missing", "no function 'missing'")],
)
def test_what_cannot_be_a_network_is_refused(source: Path, reference: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        open_network(NetworkSource(network=str(source.parent / reference)))


def test_nothing_named_is_refused() -> None:
    with pytest.raises(SpecError, match="name a checkpoint"):
        open_network(NetworkSource())
