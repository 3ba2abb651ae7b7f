"""Checkpoints as training code leaves them: each form loads, or is refused with what it is and what to do."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from intaglio.arch import load, load_checkpoint
from intaglio.arch.compact import Activation, CompactConfig, SRVGGNetCompact
from intaglio.arch.dat import DAT, DATConfig
from intaglio.arch.edsr import EDSR, EDSRConfig
from intaglio.arch.hit import HiTConfig, HiTSR
from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.errors import CheckpointError
from intaglio.spec import Weights


def weights_of(seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return EDSR(EDSRConfig(scale=2, features=4, blocks=1)).state_dict()


PLAIN, AVERAGED, COUNTER = weights_of(1), weights_of(2), torch.tensor(7)


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def saved(tmp_path: Path, content: object, name: str = "net.pth") -> Path:
    path = tmp_path / name
    torch.save(content, path)
    return path


LOSS = {"loss.vgg.0.weight": torch.zeros(3), "net_d.conv.weight": torch.zeros(2)}

# Each with the weights that are expected, and the names under which they lie.
LOADING = {
    "generator below itself": (under("generator.", PLAIN), PLAIN, ("generator.",)),
    "averaged generator beside the last one": (
        {"state_dict": {**under("generator.", PLAIN), **under("generator_ema.", AVERAGED), "step_counter": COUNTER}},
        AVERAGED,
        ("state_dict", "generator_ema."),
    ),
    "lightning beside a loss network": ({"state_dict": {**LOSS, **under("net_g.", PLAIN)}, "epoch": 3}, PLAIN, None),
    "compiled": (under("_orig_mod.", PLAIN), PLAIN, ("_orig_mod.",)),
    "compiled and spread": (under("_orig_mod.module.", PLAIN), PLAIN, ("_orig_mod.", "module.")),
    "spread and compiled": (under("module._orig_mod.", PLAIN), PLAIN, ("module.", "_orig_mod.")),
    "averaged by torch": ({**under("module.", PLAIN), "n_averaged": COUNTER}, PLAIN, ("module.",)),
    "model_state_dict": ({"model_state_dict": PLAIN, "optimizer_state_dict": {"state": {}}}, PLAIN, None),
    "params-ema": ({"params-ema": AVERAGED, "params": PLAIN}, AVERAGED, ("params-ema",)),
    "one key of any name": ({"my_net": PLAIN, "epoch": 4, "loss": 0.5}, PLAIN, ("my_net",)),
    "numbers of numpy beside it": (
        {"params": PLAIN, "psnr": np.float64(31.5), "best": np.float32(2), "at": np.int64(7)},
        PLAIN,
        ("params",),
    ),
}


@pytest.mark.parametrize("form", LOADING)
def test_forms_that_load(tmp_path: Path, form: str) -> None:
    content, expected, names = LOADING[form]
    found = load_checkpoint(saved(tmp_path, content))
    assert found.network.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in found.network.state_dict().items())
    assert names is None or found.names == names


@pytest.mark.parametrize(
    "content",
    [
        {"params": PLAIN, "params_ema": AVERAGED},
        {**under("generator.", PLAIN), **under("generator_ema.", AVERAGED)},
    ],
    ids=["wrappers", "prefixes"],
)
def test_either_of_two_sets_can_be_asked_for(tmp_path: Path, content: dict[str, object]) -> None:
    path = saved(tmp_path, content)
    for asked, expected in ((None, AVERAGED), (Weights.EMA, AVERAGED), (Weights.PLAIN, PLAIN)):
        network = load(path, weights=asked)
        assert torch.equal(network.conv_first.weight, expected["conv_first.weight"])


def test_a_set_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds averaged weights alone, not those of 'plain'"):
        load(saved(tmp_path, {"params_ema": AVERAGED}), weights=Weights.PLAIN)
    with pytest.raises(CheckpointError, match="holds no weights that it calls averaged"):
        load(saved(tmp_path, {"params": PLAIN}), weights=Weights.EMA)


class Loss:
    """Some class of a training code."""


REFUSED = {
    "optimizer": (
        {"state": {}, "param_groups": []},
        "the state of an optimizer, not a network; take the network's file",
    ),
    "training state": ({"epoch": 3, "optimizers": [], "schedulers": []}, "the state of an optimizer"),
    "list": (
        [torch.zeros(2), torch.zeros(3)],
        "no weights by name but a list of 2 values without names, 2 of them tensors",
    ),
    "tensor": (torch.zeros(2, 3), r"no weights by name but one tensor of shape \(2, 3\)"),
    "namespace": (
        {"params": PLAIN, "args": argparse.Namespace(scale=2)},
        "holds a 'argparse.Namespace' beside its tensors, .* save the weights alone: torch.save",
    ),
    "array": ({"params": PLAIN, "curve": np.zeros(3)}, r"holds a 'numpy\.[\w.]+' beside its tensors"),
    "class": ({"params": PLAIN, "loss": Loss()}, r"holds a '[\w.]+\.Loss' beside its tensors"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_forms_that_are_refused(tmp_path: Path, form: str) -> None:
    content, message = REFUSED[form]
    with pytest.raises(CheckpointError, match=message) as error:
        load(saved(tmp_path, content))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a pointer of Git LFS, not the file"),
        (b"\n<!DOCTYPE html>\n<html><head>", "is a web page, saved in place of the file"),
        (b"<html lang='en'>", "is a web page"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        load(path)


def test_torchscript_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with pytest.warns(DeprecationWarning, match="jit"):
        torch.jit.save(torch.jit.trace(nn.Conv2d(3, 3, 1), torch.zeros(1, 3, 2, 2)), path)
    with pytest.raises(CheckpointError, match="is a TorchScript archive, which holds code"):
        load(path)


def test_the_container_counts_and_not_the_name(tmp_path: Path) -> None:
    save_file(PLAIN, tmp_path / "net.pth")
    torch.save(PLAIN, tmp_path / "net.safetensors")
    for name in ("net.pth", "net.safetensors"):
        assert load(tmp_path / name).architecture == "EDSR"


@pytest.mark.parametrize("key", ["conv_block.cab.0.weight", "attn.logit_scale"])
def test_descendants_of_swinir_are_not_taken_for_it(tmp_path: Path, key: str) -> None:
    state = SwinIR(SwinIRConfig(scale=2, embed_dim=12, depths=(1,), heads=(2,), mlp_hidden=8)).state_dict()
    state[f"layers.0.residual_group.blocks.0.{key}"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=rf"no known architecture: SwinIR \(but there is '[\w.]+{key}'\)"):
        load(saved(tmp_path, state))
    with pytest.raises(CheckpointError, match="is no SwinIR: it has 'layers"):
        load(saved(tmp_path, state), architecture="SwinIR")


def options(tmp_path: Path, **network: object) -> Path:
    path = tmp_path / "train.yml"
    path.write_text(f"name: test\nscale: 2\nnetwork_g: {json.dumps(network)}\n", encoding="utf-8")
    return path


DAT_SMALL = DATConfig(scale=2, embed_dim=32, depths=(2,), heads=(2,), split=(2, 4), mlp_hidden=24)
HIT_SMALL = HiTConfig(
    scale=2, embed_dim=16, depths=(2,), heads=(2,), base_window=(2, 4), ratios=(0.5, 2.0), mlp_hidden=8
)


def bare(network: nn.Module) -> dict[str, Tensor]:
    return {key: value for key, value in network.state_dict().items() if not key.endswith("rpe_biases")}


@pytest.mark.parametrize(
    ("state", "told", "expected"),
    [
        (bare(DAT(DAT_SMALL)), {"split_size": [2, 4]}, DAT_SMALL),
        (bare(HiTSR(HIT_SMALL)), {"base_win_size": [2, 4], "hier_win_ratios": [0.5, 2]}, HIT_SMALL),
        (
            SRVGGNetCompact(
                CompactConfig(scale=2, features=4, convolutions=1, activation=Activation.RELU)
            ).state_dict(),
            {"act_type": "relu"},
            CompactConfig(scale=2, features=4, convolutions=1, activation=Activation.RELU),
        ),
        (PLAIN, {"img_range": 1.0, "res_scale": 0.5}, EDSRConfig(2, 3, 4, 1, res_scale=0.5, pixel_range=1.0)),
    ],
    ids=["DAT", "HiT-SR", "SRVGGNetCompact", "EDSR"],
)
def test_training_options_tell_what_tensors_do_not(
    tmp_path: Path, state: dict[str, Tensor], told: dict[str, object], expected: object
) -> None:
    path = saved(tmp_path, {"params": state})
    assert load(path, options=options(tmp_path, upscale=2, **told)).config == expected
    save_file(state, tmp_path / "redux.safetensors", metadata={"metadata": json.dumps({"scale": 2, **told})})
    assert load(tmp_path / "redux.safetensors").config == expected


def test_options_of_another_network_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, PLAIN)
    with pytest.raises(CheckpointError, match="describe a network for x4, but the weights are for x2"):
        load(path, options=options(tmp_path, upscale=4))
    with pytest.raises(CheckpointError, match=r"the option 'res_scale' is 'much' .* correct it"):
        load(path, options=options(tmp_path, res_scale="much"))


@pytest.mark.parametrize("text", ["- a\n- b\n", "network_g: 3\n", "a: [1\n", "!!python/object:os.system {}\n"])
def test_files_that_are_no_training_options_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "train.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"describes no network|cannot be read"):
        load(saved(tmp_path, PLAIN), options=path)


def test_metadata_of_another_tool_is_left_alone(tmp_path: Path) -> None:
    for text in ("{", "[1]", json.dumps({"upscale": "x"})):
        save_file(PLAIN, tmp_path / "net.safetensors", metadata={"metadata": text, "format": "pt"})
        assert load(tmp_path / "net.safetensors").architecture == "EDSR"


def test_pixel_range_moves_the_mean_of_every_transformer() -> None:
    for build, config in ((SwinIR, SwinIRConfig(scale=2, pixel_range=255.0)), (DAT, DATConfig(2, pixel_range=255.0))):
        mean = build(config).mean.flatten().tolist()  # type: ignore[operator]
        assert mean == pytest.approx([255 * 0.4488, 255 * 0.4371, 255 * 0.4040], rel=1e-6)
