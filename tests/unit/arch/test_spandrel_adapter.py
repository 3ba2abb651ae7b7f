"""The optional adapter: what it says where spandrel does not work, and that it loads where it does."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from intaglio.arch import SRNetwork, spandrel_adapter
from intaglio.arch.examples import random_network
from intaglio.arch.registry import find
from intaglio.arch.swinir import SwinIRConfig
from intaglio.arch.windows import relative_position_index, shift_mask
from intaglio.errors import CheckpointError
from intaglio.quant import wrap_foreign
from intaglio.spec import QuantSpec


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


working = pytest.mark.skipif(not spandrel_works(), reason="spandrel or a matching torchvision is not installed")


def official_swinir() -> tuple[SRNetwork, dict[str, Tensor]]:
    """A small SwinIR, and its tensors as published checkpoints have them, computed buffers included."""
    config = SwinIRConfig(scale=2, embed_dim=12, depths=(2, 2), heads=(2, 2), window=8, mlp_hidden=24)
    network = find("SwinIR").build(config).eval()
    state = dict(network.state_dict())
    for key in list(state):
        if key.endswith("relative_position_bias_table"):
            state[key.replace("bias_table", "index")] = relative_position_index(8)
            if ".blocks.1." in key:
                state[key.replace("attn.relative_position_bias_table", "attn_mask")] = shift_mask(64, 64, 8, 4)
    return network, state


@working
@pytest.mark.filterwarnings("ignore:torch.meshgrid")  # spandrel's own
def test_a_checkpoint_is_loaded_as_a_plain_module_and_can_be_quantized(tmp_path: Path) -> None:
    network, state = official_swinir()
    save_file(state, tmp_path / "swinir.safetensors")
    model = spandrel_adapter.load_foreign(tmp_path / "swinir.safetensors")
    assert (model.architecture, model.scale, model.in_channels) == ("SwinIR", 2, 3)
    image = torch.rand(1, 3, 16, 16)
    quantized = wrap_foreign(model.network, QuantSpec(4, 4), image)
    # per block: qkv, proj, fc1, fc2 with two sites each, and two products with two
    assert len(quantized.sites) == 4 * (4 * 2 + 2 * 2)
    with torch.inference_mode():
        assert torch.equal(quantized(image), model.network(image.clone()))
        # the same sums of at most a few hundred terms, in another order
        assert torch.allclose(quantized(image), network(image), atol=1e-5)


@working
def test_what_spandrel_does_not_know_is_refused(tmp_path: Path) -> None:
    save_file(dict(random_network("RLFN").state_dict()), tmp_path / "rlfn.safetensors")
    with pytest.raises(CheckpointError, match=r"spandrel cannot load .*rlfn.safetensors"):
        spandrel_adapter.load_foreign(tmp_path / "rlfn.safetensors")
