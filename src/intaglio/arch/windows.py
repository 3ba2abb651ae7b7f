"""Window attention's geometry as pure functions: cutting windows, relative positions, the mask of shifted windows.

Nothing here has weights. Source: Liu et al., "Swin Transformer", ICCV 2021, section 3.2.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BLOCKED = -100.0
"""Added to the score of two tokens that must not see each other, as in the official code."""


def split_windows(x: Float[Tensor, "n h w c"], window: int) -> Float[Tensor, "windows tokens c"]:
    """Cut a feature map into square windows, row by row; H and W are multiples of `window`.

    Shapes: (N, H, W, C) to (N * H/window * W/window, window**2, C).

    >>> split_windows(torch.arange(8.0).view(1, 2, 4, 1), window=2)[..., 0].tolist()
    [[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]
    """
    n, h, w, c = x.shape
    x = x.view(n, h // window, window, w // window, window, c)
    return x.transpose(2, 3).reshape(-1, window * window, c)


def join_windows(x: Float[Tensor, "windows tokens c"], height: int, width: int) -> Float[Tensor, "n height width c"]:
    """The inverse of `split_windows`. Shapes: (windows, tokens, C) to (N, height, width, C)."""
    tokens, channels = x.shape[1:]
    window = round(tokens**0.5)
    x = x.view(-1, height // window, width // window, window, window, channels)
    return x.transpose(2, 3).reshape(-1, height, width, channels)


def relative_position_index(window: int) -> Int[Tensor, "tokens tokens"]:
    """For each pair of tokens of a window, the row of the bias table that holds their relative position.

    The row is ``(dy + window - 1) * (2 * window - 1) + (dx + window - 1)``.

    >>> relative_position_index(2)[0].tolist()
    [4, 3, 1, 0]
    """
    position = torch.arange(window)
    y, x = (axis.flatten() for axis in torch.meshgrid(position, position, indexing="ij"))
    dy, dx = y[:, None] - y[None, :], x[:, None] - x[None, :]
    return (dy + window - 1) * (2 * window - 1) + (dx + window - 1)


def shift_mask(
    height: int, width: int, window: int, shift: int, device: torch.device | None = None
) -> Float[Tensor, "windows tokens tokens"]:
    """What is added to the scores of a feature map that was rolled by `shift`: `BLOCKED` between strangers, else 0.

    Rolling brings rows and columns from opposite borders into one window; tokens attend only to those that were
    neighbours before. Shapes: (windows of one picture, tokens, tokens), H and W multiples of `window`.

    >>> shift_mask(2, 2, window=2, shift=1)[0, 0].tolist()
    [0.0, -100.0, -100.0, -100.0]
    """
    rows = _came_from_other_border(height, shift, device)
    columns = _came_from_other_border(width, shift, device)
    region = (2 * rows[:, None] + columns[None, :]).float()
    # The official code also tells the last row of windows from the rest; no window spans both, so it has no effect.
    cut = split_windows(region[None, :, :, None], window)[..., 0]
    strangers = cut[:, :, None] != cut[:, None, :]
    return torch.where(strangers, BLOCKED, 0.0)


def _came_from_other_border(size: int, shift: int, device: torch.device | None) -> Bool[Tensor, " size"]:
    return torch.arange(size, device=device) >= size - shift
