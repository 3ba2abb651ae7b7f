"""Checkpoint files as users have them: every container, and each way in which a file can be wrong."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from intaglio.arch import REGISTRY, from_state_dict, load
from intaglio.arch.edsr import EDSR, EDSRConfig
from intaglio.errors import CheckpointError

PICTURE = torch.linspace(0, 1, 3 * 5 * 6).view(1, 3, 5, 6)


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(3)
    return EDSR(EDSRConfig(scale=2, features=4, blocks=1)).state_dict()


def one_line(error: pytest.ExceptionInfo[CheckpointError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth", "net.pt", "net.ckpt"])
def test_all_containers_give_the_same_network(tmp_path: Path, state: dict[str, Tensor], name: str) -> None:
    path = tmp_path / name
    if name.endswith(".safetensors"):
        save_file(state, path)
    else:
        torch.save({"params_ema": state, "epoch": 7}, path)
    network = load(str(path))
    with torch.inference_mode():
        assert torch.equal(network(PICTURE), from_state_dict(state)(PICTURE))


def test_averaged_weights_are_preferred(state: dict[str, Tensor]) -> None:
    zero = {key: torch.zeros_like(value) for key, value in state.items()}
    network = from_state_dict({"params": zero, "params_ema": state})
    assert torch.equal(network.conv_first.weight, state["conv_first.weight"])


@pytest.mark.parametrize("name", ["gone.pth", "gone.safetensors", "."])
def test_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="does not exist or is no file; check the path") as error:
        load(tmp_path / name)
    one_line(error)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.99])
def test_truncated_file(tmp_path: Path, state: dict[str, Tensor], name: str, keep: float) -> None:
    path = tmp_path / name
    save_file(state, path) if name.endswith(".safetensors") else torch.save(state, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(CheckpointError, match=r"damaged or no|is no checkpoint") as error:
        load(path)
    assert str(path) in one_line(error)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("content", [b"not a checkpoint at all\n" * 20, b"\x80\x02}q\x00.", bytes(range(256))])
def test_file_of_something_else(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert str(path) in one_line(error)


def test_python_objects_are_never_unpickled(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "net.pth"
    torch.save({"params": state, "options": argparse.Namespace(scale=2)}, path)
    with pytest.raises(
        CheckpointError, match=r"holds a 'argparse.Namespace' beside .* save the weights alone"
    ) as error:
        load(path)
    one_line(error)


@pytest.mark.parametrize("content", [[1, 2], {}, {"params": {}}, torch.zeros(3)])
def test_file_without_tensors_by_name(tmp_path: Path, content: object) -> None:
    path = tmp_path / "net.pth"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="holds no weights by name"):
        load(path)


def test_a_value_that_is_no_tensor_is_named() -> None:
    with pytest.raises(CheckpointError, match="holds a int under 'epoch', not a tensor"):
        from_state_dict({"conv.weight": torch.zeros(1), "epoch": 3})


def test_unknown_checkpoint_lists_every_architecture_with_what_it_lacks() -> None:
    with pytest.raises(CheckpointError) as error:
        from_state_dict({"conv_first.weight": torch.zeros(4, 3, 3, 3), "RDB1.conv.weight": torch.zeros(1)})
    text = one_line(error)
    for entry in REGISTRY:
        assert f"{entry.name} (no '" in text
    assert "EDSR (no 'body.0.conv1.weight', 'conv_after_body.weight' and 1 more)" in text


def test_named_architecture_must_fit(state: dict[str, Tensor]) -> None:
    assert from_state_dict(state, architecture="edsr").architecture == "EDSR"
    with pytest.raises(CheckpointError, match=r"is no SwinIR: it has no 'layers.0"):
        from_state_dict(state, architecture="SwinIR")
    with pytest.raises(CheckpointError, match="'VDSR' is unknown; choose one of SwinIR, DAT, HiT-SR, NGswin, EDSR"):
        from_state_dict(state, architecture="VDSR")


def test_unknown_override_is_named(state: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match="'img_range' is no setting of EDSRConfig; choose from"):
        from_state_dict(state, overrides={"img_range": 1.0})


def test_override_of_the_pixel_range_moves_the_mean(state: dict[str, Tensor]) -> None:
    network = from_state_dict(state, overrides={"pixel_range": 1.0})
    assert network.pixel_range == 1.0
    assert network.mean.flatten().tolist() == pytest.approx([0.4488, 0.4371, 0.4040], rel=1e-6)


def test_tensors_that_claim_more_than_they_store_are_refused(state: dict[str, Tensor]) -> None:
    state["conv_first.weight"] = torch.zeros(1).expand(1_000_000, 1_000_000, 3, 3)
    with pytest.raises(CheckpointError, match=r"'conv_first.weight' claims 9000000000000 values but stores fewer"):
        from_state_dict(state)


def test_integer_weights_are_refused(state: dict[str, Tensor]) -> None:
    state["conv_last.weight"] = state["conv_last.weight"].to(torch.int8)
    with pytest.raises(CheckpointError, match=r"'conv_last.weight' holds torch.int8, not floats"):
        from_state_dict(state)


def test_sparse_weights_are_refused(state: dict[str, Tensor]) -> None:
    state["conv_last.bias"] = state["conv_last.bias"].to_sparse()
    with pytest.raises(CheckpointError, match="not a plain tensor on the CPU"):
        from_state_dict(state)


def test_gap_in_the_blocks_is_named(state: dict[str, Tensor]) -> None:
    state |= {key.replace("body.0.", "body.2."): value for key, value in state.items() if key.startswith("body.0.")}
    with pytest.raises(CheckpointError, match=r"'body.\*' should be 0, 1, … in a row, but are 0, 2"):
        from_state_dict(state)


def test_impossible_scale_is_refused(state: dict[str, Tensor]) -> None:
    state["upsample.0.weight"] = torch.zeros(4 * 25, 4, 3, 3)
    with pytest.raises(CheckpointError, match="upscaling factor of 5"):
        from_state_dict(state)


def test_the_callers_state_dict_is_left_alone(state: dict[str, Tensor]) -> None:
    kept = {key: value.clone() for key, value in state.items()}
    network = from_state_dict(state)
    network.conv_first.weight.data.zero_()
    assert state.keys() == kept.keys()
    assert all(torch.equal(state[key], kept[key]) for key in kept)
