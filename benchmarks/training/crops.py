"""Batches of crops gathered on the device that trains: which crops a step sees depends on the seed and the step alone.

There is no data loader: tiles of both resolutions lie on the device as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from intaglio.errors import DatasetError
from intaglio.images import downscale

from .pictures import Tiles


@dataclass(frozen=True)
class Draw:
    """Which crops a step sees: tile, top and left corner in LR pixels, and one of eight flips and turns for each."""

    tile: Int[Tensor, " b"]
    top: Int[Tensor, " b"]
    left: Int[Tensor, " b"]
    turn: Bool[Tensor, "3 b"]


class Crops:
    """Pairs of LR and HR tiles on a device, from which batches of paired crops are drawn.

    LR tiles are made once, each by our exact bicubic from its whole HR tile.

    Raises: DatasetError if a tile is smaller than a crop (remedy: smaller crops).
    """

    def __init__(self, tiles: Tiles, scale: int, patch: int, device: torch.device) -> None:
        lr = np.stack([downscale(tile, scale) for tile in tiles])
        if lr.shape[1] < patch:
            raise DatasetError(f"LR tiles have {lr.shape[1]} pixels a side, crops {patch}; take smaller crops.")
        self.scale, self.patch, self.device = scale, patch, device
        self.lr = torch.from_numpy(lr).to(device)
        self.hr = torch.from_numpy(np.ascontiguousarray(tiles)).to(device)

    def draw(self, batch: int, seed: int, step: int) -> Draw:
        """The crops of a step; equal arguments give equal crops on every device.

        The numbers are drawn on the CPU: generators of other devices give other ones.
        """
        generator = torch.Generator().manual_seed((seed << 32) + step)
        places = self.lr.shape[1] - self.patch + 1

        def below(limit: int) -> Tensor:
            return torch.randint(limit, (batch,), generator=generator)

        tile, top, left = below(len(self.lr)), below(places), below(places)
        return Draw(tile, top, left, torch.stack([below(2).bool() for _ in range(3)]))

    def gather(self, draw: Draw) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 H W"]]:
        """LR and HR crops of a draw in [0, 1], flipped and turned alike."""
        return (
            self._cut(self.lr, draw, 1, self.patch),
            self._cut(self.hr, draw, self.scale, self.patch * self.scale),
        )

    def _cut(self, tiles: UInt8[Tensor, "n s s 3"], draw: Draw, scale: int, size: int) -> Float[Tensor, "b 3 h w"]:
        upside_down, mirrored, transposed = draw.turn.to(self.device)
        reach = torch.arange(size, device=self.device)
        rows = _reversed_where(upside_down, draw.top.to(self.device)[:, None] * scale + reach)
        columns = _reversed_where(mirrored, draw.left.to(self.device)[:, None] * scale + reach)
        tile = draw.tile.to(self.device)[:, None, None]
        crops = tiles[tile, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        turned = torch.where(transposed[:, None, None, None], crops.transpose(2, 3), crops)
        return turned.float() / 255.0


def _reversed_where(which: Bool[Tensor, " b"], positions: Int[Tensor, "b n"]) -> Int[Tensor, "b n"]:
    return torch.where(which[:, None], positions.flip(1), positions)
