"""SwinIR's published checkpoints: every key and shape, the parameter counts, the buffers that go with them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from intaglio.arch import from_state_dict
from intaglio.arch.reconstruction import ResidualConv, Upsampler
from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.errors import CheckpointError

Shapes = dict[str, tuple[int, ...]]

BIAS_TABLES = 24 * 15**2 * 6
CLASSICAL = {"embed_dim": 180, "depths": (6,) * 6, "heads": (6,) * 6, "mlp_hidden": 360}


def with_bias(name: str, *weight: int) -> Shapes:
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def light_shapes(scale: int) -> Shapes:
    """What ``002_lightweightSR_DIV2K_s64w8_SwinIR-S_x{2,3,4}.pth`` holds, without buffers."""
    shapes = {
        **with_bias("conv_first", 60, 3, 3, 3),
        **with_bias("patch_embed.norm", 60),
        **with_bias("norm", 60),
        **with_bias("conv_after_body", 60, 60, 3, 3),
        **with_bias("upsample.0", 3 * scale**2, 60, 3, 3),
    }
    for group in range(4):
        shapes |= with_bias(f"layers.{group}.conv", 60, 60, 3, 3)
        for block in range(6):
            name = f"layers.{group}.residual_group.blocks.{block}"
            shapes |= {
                **with_bias(f"{name}.norm1", 60),
                f"{name}.attn.relative_position_bias_table": (225, 6),
                **with_bias(f"{name}.attn.qkv", 180, 60),
                **with_bias(f"{name}.attn.proj", 60, 60),
                **with_bias(f"{name}.norm2", 60),
                **with_bias(f"{name}.mlp.fc1", 120, 60),
                **with_bias(f"{name}.mlp.fc2", 60, 120),
            }
    return shapes


def light_buffers() -> Shapes:
    """The buffers of the official file, trained on 64 x 64 patches: 64 windows."""
    blocks = {f"layers.{group}.residual_group.blocks.{block}": block % 2 for group in range(4) for block in range(6)}
    index = {f"{name}.attn.relative_position_index": (64, 64) for name in blocks}
    mask = {f"{name}.attn_mask": (64, 64, 64) for name, shifted in blocks.items() if shifted}
    return {**index, **mask, "mean": (1, 3, 1, 1)}


def zeros(shapes: Shapes) -> dict[str, Tensor]:
    return {key: torch.zeros(shape) for key, shape in shapes.items()}


def on_meta(config: SwinIRConfig) -> SwinIR:
    with torch.device("meta"):
        return SwinIR(config)


@pytest.mark.parametrize(("scale", "others"), [(2, 877_752), (3, 885_867), (4, 897_228)])
def test_light_network_has_the_official_keys_shapes_and_count(scale: int, others: int) -> None:
    network = on_meta(SwinIRConfig(scale))
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == light_shapes(scale)
    assert sum(parameter.numel() for parameter in network.parameters()) == others + BIAS_TABLES


def test_official_file_with_all_its_buffers_loads() -> None:
    state = zeros({**light_shapes(2), **light_buffers()})
    network = from_state_dict({"params": state})
    assert network.config == SwinIRConfig(scale=2)
    assert network.scale == 2
    assert network.pixel_range == 1.0


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("layers.1.residual_group.blocks.2.attn.relative_position_index", (49, 49)),
        ("layers.1.residual_group.blocks.3.attn_mask", (64, 49, 49)),
        ("layers.1.residual_group.blocks.3.attn_mask", (64, 64)),
        ("mean", (3,)),
    ],
)
def test_a_buffer_of_another_shape_is_refused(key: str, shape: tuple[int, ...]) -> None:
    state = zeros({**light_shapes(2), key: shape})
    with pytest.raises(CheckpointError, match=f"buffer '{key}' has shape"):
        from_state_dict(state)


def test_classical_network_has_the_official_count() -> None:
    config = SwinIRConfig(scale=4, upsampler=Upsampler.PIXEL_SHUFFLE, **CLASSICAL)
    assert sum(parameter.numel() for parameter in on_meta(config).parameters()) == 11_900_199


def test_classical_network_has_the_official_reconstruction() -> None:
    config = SwinIRConfig(scale=4, upsampler=Upsampler.PIXEL_SHUFFLE, **CLASSICAL)
    found = {key: tuple(value.shape) for key, value in on_meta(config).state_dict().items()}
    assert {key: shape for key, shape in found.items() if "upsample" in key or "last" in key} == {
        **with_bias("conv_before_upsample.0", 64, 180, 3, 3),
        **with_bias("upsample.0", 256, 64, 3, 3),
        **with_bias("upsample.2", 256, 64, 3, 3),
        **with_bias("conv_last", 3, 64, 3, 3),
    }


def test_large_real_world_network_has_the_official_reconstruction() -> None:
    config = SwinIRConfig(
        scale=4,
        embed_dim=240,
        depths=(6,) * 9,
        heads=(8,) * 9,
        mlp_hidden=480,
        upsampler=Upsampler.NEAREST_CONV,
        residual=ResidualConv.THREE,
    )
    found = {key: tuple(value.shape) for key, value in on_meta(config).state_dict().items()}
    assert {key: shape for key, shape in found.items() if not key.startswith(("layers", "norm", "patch"))} == {
        **with_bias("conv_first", 240, 3, 3, 3),
        **with_bias("conv_after_body.0", 60, 240, 3, 3),
        **with_bias("conv_after_body.2", 60, 60, 1, 1),
        **with_bias("conv_after_body.4", 240, 60, 3, 3),
        **with_bias("conv_before_upsample.0", 64, 240, 3, 3),
        **with_bias("conv_up1", 64, 64, 3, 3),
        **with_bias("conv_up2", 64, 64, 3, 3),
        **with_bias("conv_hr", 64, 64, 3, 3),
        **with_bias("conv_last", 3, 64, 3, 3),
    }
    assert found["layers.8.conv.4.weight"] == (240, 60, 3, 3)


def test_denoising_network_is_refused_by_name_of_its_task() -> None:
    state = {key: value for key, value in zeros(light_shapes(2)).items() if not key.startswith("upsample")}
    with pytest.raises(CheckpointError, match="no upsampler: it is one for denoising or JPEG"):
        from_state_dict({**state, **zeros(with_bias("conv_last", 3, 60, 3, 3))})


def test_absolute_position_embedding_is_refused() -> None:
    state = zeros({**light_shapes(2), "absolute_pos_embed": (1, 4096, 60)})
    with pytest.raises(CheckpointError, match="absolute position embedding"):
        from_state_dict(state)


def test_sites_tell_what_the_architecture_knows_of_them() -> None:
    block = on_meta(SwinIRConfig(2)).layers[0].residual_group.blocks[0]
    assert block.attn.qkv.parts == ("q", "k", "v")
    assert block.attn.context.one_sided == ("a",)
    assert block.attn.scores.one_sided == ()
    assert block.mlp.fc2.one_sided == ("input",)
    assert block.mlp.fc1.one_sided == ()


def test_operands_of_the_attention_products_have_the_promised_shapes() -> None:
    network = SwinIR(SwinIRConfig(2, embed_dim=8, depths=(1,), heads=(2,), window=4, mlp_hidden=8)).eval()
    attn = network.layers[0].residual_group.blocks[0].attn
    shapes = {}
    for name in ("scores", "context"):
        attn.get_submodule(name).register_forward_pre_hook(
            lambda _module, operands, name=name: shapes.update({name: [tuple(x.shape) for x in operands]})
        )
    network(torch.zeros(1, 3, 8, 8))
    assert shapes == {"scores": [(4, 2, 16, 4), (4, 2, 4, 16)], "context": [(4, 2, 16, 16), (4, 2, 16, 4)]}


@pytest.mark.parametrize("config", [{"window": 65}, {"window": 1}, {"heads": (7,) * 4}])
def test_numbers_that_do_not_fit_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="SwinIR with"):
        SwinIRConfig(2, **config)


def test_real_world_form_has_no_scale_three() -> None:
    with pytest.raises(CheckpointError, match=r"nearest\+conv has no scale 3; choose 2 or 4"):
        SwinIRConfig(3, upsampler=Upsampler.NEAREST_CONV)
