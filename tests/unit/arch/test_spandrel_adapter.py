"""The optional adapter: what it says where spandrel does not work, and that it loads where it does."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from intaglio.arch import spandrel_adapter
from intaglio.arch.examples import random_network
from intaglio.errors import CheckpointError


def failing(error: Exception) -> ModuleType:
    def load(name: str) -> ModuleType:
        raise error

    fake = ModuleType("importlib")
    fake.import_module = load  # type: ignore[attr-defined]
    return fake


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'spandrel'"), RuntimeError("operator x does not exist")]
)
def test_a_missing_or_mismatched_pair_is_told_with_a_remedy(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spandrel_adapter, "importlib", failing(error))
    with pytest.raises(CheckpointError, match=rf"{error}.*intaglio\[zoo\].*same variant"):
        spandrel_adapter.load_foreign("any.pth")


def spandrel_works() -> bool:
    try:
        spandrel_adapter._spandrel()
    except CheckpointError:
        return False
    return True


@pytest.mark.skipif(not spandrel_works(), reason="spandrel or a matching torchvision is not installed")
def test_a_checkpoint_is_loaded_as_a_plain_module(tmp_path: Path) -> None:
    network = random_network("SwinIR")
    save_file(network.state_dict(), tmp_path / "swinir.safetensors")
    model = spandrel_adapter.load_foreign(tmp_path / "swinir.safetensors")
    assert (model.architecture, model.scale, model.in_channels) == ("SwinIR", network.scale, 3)
    image = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        # the same network twice, each float sum of at most a few hundred terms in its own order
        assert torch.allclose(model.network(image.clone()), network(image), atol=1e-4)
