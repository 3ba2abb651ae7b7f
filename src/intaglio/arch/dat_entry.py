"""Recognising DAT checkpoints and reading their hyper-parameters off tensor shapes.

The network itself is in `dat.py`.
"""

from __future__ import annotations

import re

from torch import Tensor

from intaglio.arch.batch_norm import folded
from intaglio.arch.dat import DAT, LARGEST_WINDOW, DATConfig
from intaglio.arch.entry import Entry, Naming, State, count, shape
from intaglio.arch.options import PIXEL_RANGE, window
from intaglio.arch.reconstruction import ResidualConv, reconstruction_of
from intaglio.arch.windows import Window
from intaglio.errors import CheckpointError

FIRST_BLOCK = "layers.0.blocks.0."
POSITIONS = f"{FIRST_BLOCK}attn.attns.0.rpe_biases"
"""The relative positions of the first block, which show its window."""

COMPUTED = re.compile(r".+\.(relative_position_index|attn_mask_[01]|num_batches_tracked)|mean")
NORMALISED = re.compile(r"(.+\.)(dwconv|channel_interaction|spatial_interaction)\.(\d)\.running_mean")

PUBLISHED_SPLITS = {
    # (channels, hidden channels, blocks of each group): window
    (60, 120, (18,)): (8, 32),  # DAT-light
    (180, 720, (6,) * 6): (8, 32),  # DAT
}
"""Networks of which there is one published window only. DAT-S (8, 16) and DAT-2 (8, 32) have the same shapes."""


def from_official(state: State) -> dict[str, Tensor]:
    """The state dict without what the network computes, each batch normalisation folded into the convolution before it.

    Raises: CheckpointError where one does not fit (remedy: another copy).
    """
    result = {key: value for key, value in state.items() if not COMPUTED.fullmatch(key)}
    for match in [found for found in map(NORMALISED.fullmatch, state) if found]:
        norm = f"{match[1]}{match[2]}.{match[3]}"
        conv = f"{match[1]}{match[2]}.{int(match[3]) - 1}"
        result[f"{conv}.weight"], result[f"{conv}.bias"] = folded(state, conv, norm)
        for part in ("weight", "bias", "running_mean", "running_var"):
            result.pop(f"{norm}.{part}", None)
    return result


def config_from(state: State) -> DATConfig:
    """The hyper-parameters, from shapes and from the relative positions, where the file has these.

    Raises: CheckpointError where they make no sense, and where nothing gives the window (remedy: the buffers that the
    official code saves, or an option).
    """
    embed_dim, in_channels = shape(state, "conv_first.weight", 4)[:2]
    upsampler, scale, features = reconstruction_of(state, in_channels, "DAT")
    groups = range(count(state, "layers."))
    depths = tuple(count(state, f"layers.{group}.blocks.") for group in groups)
    hidden = shape(state, f"{FIRST_BLOCK}ffn.fc1.weight", 2)[0]
    return DATConfig(
        scale=scale,
        in_channels=in_channels,
        embed_dim=embed_dim,
        depths=depths,
        heads=tuple(_heads(state, group) for group in groups),
        split=_split(state, embed_dim, hidden, depths),
        mlp_hidden=hidden,
        upsampler=upsampler,
        residual=ResidualConv.THREE if "conv_after_body.0.weight" in state else ResidualConv.ONE,
        features=features,
        qkv_bias=any(key.endswith(".attn.qkv.bias") for key in state),
    )


def _heads(state: State, group: int) -> int:
    """The heads of a group: of its first attention over channels, or twice those of one branch over windows."""
    over_channels = f"layers.{group}.blocks.1.attn.temperature"
    if over_channels in state:
        return shape(state, over_channels, 3)[0]
    return 2 * shape(state, f"layers.{group}.blocks.0.attn.attns.0.pos.pos3.2.weight", 2)[0]


def _split(state: State, embed_dim: int, hidden: int, depths: tuple[int, ...]) -> Window | None:
    """The window of the first branch, or None where neither the file nor what is published gives it."""
    if POSITIONS not in state:
        return PUBLISHED_SPLITS.get((embed_dim, hidden, depths))
    rows, axes = shape(state, POSITIONS, 2)
    largest = state[POSITIONS].amax(dim=0).tolist()
    split = tuple(int(side) + 1 for side in largest[:2])
    fits = axes == 2 and all(1 <= side <= LARGEST_WINDOW for side in split)
    if not fits or rows != (2 * split[0] - 1) * (2 * split[1] - 1):
        raise CheckpointError(f"'{POSITIONS}' does not hold the positions of a window; take another copy.")
    return split[0], split[1]


ENTRY = Entry(
    name="DAT",
    paper="Chen et al., Dual aggregation transformer for image super-resolution, ICCV 2023",
    namings=(
        Naming(
            label="folded",
            keys=(
                "conv_first.weight",
                "before_RG.1.weight",
                f"{FIRST_BLOCK}attn.attns.0.pos.pos3.2.weight",
                f"{FIRST_BLOCK}attn.channel_interaction.4.weight",
                f"{FIRST_BLOCK}ffn.sg.conv.weight",
                "norm.weight",
            ),
            canonical=from_official,
        ),
    ),
    config_from=config_from,
    build=DAT,
    options={**PIXEL_RANGE, "split_size": ("split", window)},
    recomputed=re.compile(r".+\.rpe_biases"),
)
