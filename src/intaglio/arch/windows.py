"""Window attention's geometry as pure functions: cutting windows, relative positions, the mask of shifted windows.

Nothing here has weights. Windows are squares (a number) or rectangles (rows and columns), in pixels. Source: Liu et
al., "Swin Transformer", ICCV 2021, section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BLOCKED = -100.0
"""Added to the score of two tokens that must not see each other, as in the official code."""

Window = tuple[int, int]
"""Rows and columns of a rectangle, in pixels."""


def split_windows(x: Float[Tensor, "n h w c"], window: int | Window) -> Float[Tensor, "windows tokens c"]:
    """Cut a feature map into windows, row by row; H and W are multiples of the window's sides.

    Shapes: (N, H, W, C) to (N * windows of one picture, tokens, C).

    >>> split_windows(torch.arange(8.0).view(1, 2, 4, 1), window=2)[..., 0].tolist()
    [[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]
    """
    rows, columns = _sides(window)
    n, h, w, c = x.shape
    x = x.view(n, h // rows, rows, w // columns, columns, c)
    return x.transpose(2, 3).reshape(-1, rows * columns, c)


def join_windows(
    x: Float[Tensor, "windows tokens c"], height: int, width: int, window: int | Window
) -> Float[Tensor, "n height width c"]:
    """The inverse of `split_windows`. Shapes: (windows, tokens, C) to (N, height, width, C)."""
    rows, columns = _sides(window)
    x = x.view(-1, height // rows, width // columns, rows, columns, x.shape[-1])
    return x.transpose(2, 3).reshape(-1, height, width, x.shape[-1])


def attend_windows(
    attention: Callable[..., Tensor],
    x: Float[Tensor, "n h w c"],
    mask: Float[Tensor, "windows tokens tokens"],
    window: int,
    shift: int,
) -> Float[Tensor, "n h w c"]:
    """Attention within windows of a map, shifted ones with their `mask`; `attention` maps tokens of windows.

    Shapes: (N, H, W, C) to the same, H and W multiples of the window.
    """
    height, width = x.shape[1:3]
    if not shift:
        return join_windows(attention(split_windows(x, window)), height, width, window)
    rolled = x.roll((-shift, -shift), dims=(1, 2))
    attended = join_windows(attention(split_windows(rolled, window), mask), height, width, window)
    return attended.roll((shift, shift), dims=(1, 2))


def relative_positions(window: int | Window) -> Float[Tensor, "positions 2"]:
    """Every relative position within a window, row by row: from ``1 - side`` to ``side - 1`` along each axis.

    >>> relative_positions((1, 2)).tolist()
    [[0.0, -1.0], [0.0, 0.0], [0.0, 1.0]]
    """
    rows, columns = _sides(window)
    axes = torch.arange(1.0 - rows, rows), torch.arange(1.0 - columns, columns)
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 1)


def relative_position_index(window: int | Window) -> Int[Tensor, "tokens tokens"]:
    """For each pair of tokens of a window, the row of `relative_positions` that holds theirs.

    The row is ``(dy + rows - 1) * (2 * columns - 1) + (dx + columns - 1)``.

    >>> relative_position_index(2)[0].tolist()
    [4, 3, 1, 0]
    """
    rows, columns = _sides(window)
    axes = torch.arange(rows), torch.arange(columns)
    y, x = (axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij"))
    dy, dx = y[:, None] - y[None, :], x[:, None] - x[None, :]
    return (dy + rows - 1) * (2 * columns - 1) + (dx + columns - 1)


def shift_mask(
    height: int, width: int, window: int | Window, shift: int | Window, device: torch.device | None = None
) -> Float[Tensor, "windows tokens tokens"]:
    """What is added to the scores of a feature map that was rolled by `shift`: `BLOCKED` between strangers, else 0.

    Rolling brings rows and columns from opposite borders into one window; tokens attend only to those that were
    neighbours before. Shapes: (windows of one picture, tokens, tokens), H and W multiples of `window`.

    >>> shift_mask(2, 2, window=2, shift=1)[0, 0].tolist()
    [0.0, -100.0, -100.0, -100.0]
    """
    down, right = _sides(shift)
    rows = _came_from_other_border(height, down, device)
    columns = _came_from_other_border(width, right, device)
    region = (2 * rows[:, None] + columns[None, :]).float()
    # The official code also tells the last row of windows from the rest; no window spans both, so it has no effect.
    cut = split_windows(region[None, :, :, None], window)[..., 0]
    strangers = cut[:, :, None] != cut[:, None, :]
    return torch.where(strangers, BLOCKED, 0.0)


def _sides(window: int | Window) -> Window:
    return (window, window) if isinstance(window, int) else window


def _came_from_other_border(size: int, shift: int, device: torch.device | None) -> Bool[Tensor, " size"]:
    return torch.arange(size, device=device) >= size - shift
