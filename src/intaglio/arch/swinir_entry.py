"""Recognising SwinIR checkpoints and reading their hyper-parameters off tensor shapes.

The network itself is in `swinir.py`.
"""

from __future__ import annotations

import re

from torch import Tensor

from intaglio.arch.entry import Entry, Naming, State, count, exact_root, shape
from intaglio.arch.options import PIXEL_RANGE
from intaglio.arch.reconstruction import ResidualConv, reconstruction_of
from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.errors import CheckpointError

FIRST_BLOCK = "layers.0.residual_group.blocks.0."
COMPUTED_BUFFER = re.compile(r".+\.relative_position_index|.+\.attn_mask|mean")


def without_buffers(state: State) -> dict[str, Tensor]:
    """The state dict without the buffers that the network computes; each must have a shape that fits its neighbours.

    Raises: CheckpointError if one does not (remedy: another copy).
    """
    for key, value in state.items():
        if COMPUTED_BUFFER.fullmatch(key):
            _check_buffer(state, key, tuple(value.shape))
    return {key: value for key, value in state.items() if not COMPUTED_BUFFER.fullmatch(key)}


def config_from(state: State) -> SwinIRConfig:
    """Every hyper-parameter of SwinIR, from shapes and key names alone.

    Raises: CheckpointError for forms without upscaling (denoising, JPEG) or with an absolute position embedding.
    """
    if "absolute_pos_embed" in state:
        raise CheckpointError(
            "this SwinIR has an absolute position embedding, which no published model uses; not supported."
        )
    embed_dim, in_channels = shape(state, "conv_first.weight", 4)[:2]
    upsampler, scale, features = reconstruction_of(state, in_channels, "SwinIR")
    groups = range(count(state, "layers."))
    table = f"{FIRST_BLOCK}attn.relative_position_bias_table"
    return SwinIRConfig(
        scale=scale,
        in_channels=in_channels,
        embed_dim=embed_dim,
        depths=tuple(count(state, f"layers.{group}.residual_group.blocks.") for group in groups),
        heads=tuple(
            shape(state, f"layers.{group}.residual_group.blocks.0.attn.relative_position_bias_table", 2)[1]
            for group in groups
        ),
        window=_window(shape(state, table, 2)[0], table),
        mlp_hidden=shape(state, f"{FIRST_BLOCK}mlp.fc1.weight", 2)[0],
        upsampler=upsampler,
        residual=ResidualConv.THREE if "conv_after_body.0.weight" in state else ResidualConv.ONE,
        features=features,
        qkv_bias=any(key.endswith(".attn.qkv.bias") for key in state),
    )


def _window(rows: int, key: str) -> int:
    """The window whose bias table has that many rows, ``(2 * window - 1) ** 2``."""
    side = exact_root(rows, key)
    if side % 2 == 0:
        raise CheckpointError(f"'{key}' has {rows} rows, which is no square of an odd number; take another copy.")
    return (side + 1) // 2


def _check_buffer(state: State, key: str, found: tuple[int, ...]) -> None:
    table = f"{FIRST_BLOCK}attn.relative_position_bias_table"
    tokens = _window(shape(state, table, 2)[0], table) ** 2
    channels = shape(state, "conv_first.weight", 4)[1]
    fits = {
        "relative_position_index": found == (tokens, tokens),
        "attn_mask": len(found) == 3 and found[1:] == (tokens, tokens),
        "mean": found == (1, channels, 1, 1),
    }
    if not fits[key.rpartition(".")[2]]:
        raise CheckpointError(f"buffer '{key}' has shape {found}, which does not fit the weights; take another copy.")


ENTRY = Entry(
    name="SwinIR",
    paper="Liang et al., SwinIR: Image restoration using Swin transformer, ICCVW 2021",
    namings=(
        Naming(
            label="official",
            keys=(
                "conv_first.weight",
                f"{FIRST_BLOCK}attn.qkv.weight",
                f"{FIRST_BLOCK}attn.relative_position_bias_table",
                f"{FIRST_BLOCK}mlp.fc1.weight",
                "patch_embed.norm.weight",
                "norm.weight",
            ),
            canonical=without_buffers,
            foreign=(f"{FIRST_BLOCK}conv_block.cab.0.weight", f"{FIRST_BLOCK}attn.logit_scale"),
        ),
    ),
    config_from=config_from,
    build=SwinIR,
    options=PIXEL_RANGE,
)
