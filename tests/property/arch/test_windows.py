"""Window geometry and mirroring against slow, obvious versions of the same."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intaglio.arch.padding import extend_symmetric, next_multiple
from intaglio.arch.swin_block import SwinBlock
from intaglio.arch.windows import (
    join_windows,
    relative_position_index,
    relative_positions,
    shift_mask,
    split_windows,
)

SIDE = st.integers(1, 12)


WINDOW = st.tuples(st.integers(1, 5), st.integers(1, 5))


@given(window=WINDOW, rows=st.integers(1, 4), columns=st.integers(1, 4), n=st.integers(1, 3))
def test_join_undoes_split(window: tuple[int, int], rows: int, columns: int, n: int) -> None:
    height, width = rows * window[0], columns * window[1]
    x = torch.arange(n * height * width * 2).view(n, height, width, 2).float()
    assert torch.equal(join_windows(split_windows(x, window), height, width, window), x)


@given(height=SIDE, width=SIDE, more_rows=st.integers(0, 40), more_columns=st.integers(0, 40))
def test_extension_is_numpys_symmetric_padding(height: int, width: int, more_rows: int, more_columns: int) -> None:
    image = torch.arange(height * width).view(1, 1, height, width).float()
    extended = extend_symmetric(image, height + more_rows, width + more_columns)
    padding = ((0, 0), (0, 0), (0, more_rows), (0, more_columns))
    assert np.array_equal(extended.numpy(), np.pad(image.numpy(), padding, mode="symmetric"))


@given(size=st.integers(1, 1000), of=st.integers(1, 64))
def test_next_multiple_is_the_smallest(size: int, of: int) -> None:
    multiple = next_multiple(size, of)
    assert multiple % of == 0
    assert size <= multiple < size + of


@given(window=WINDOW, rows=st.integers(1, 3), columns=st.integers(1, 3))
def test_mask_blocks_exactly_the_pairs_that_rolling_brought_together(
    window: tuple[int, int], rows: int, columns: int
) -> None:
    height, width, shift = rows * window[0], columns * window[1], (window[0] // 2, window[1] // 2)
    mask = shift_mask(height, width, window, shift)
    y, x = np.indices((height, width))
    rolled = np.roll(np.stack((y, x), axis=-1), (-shift[0], -shift[1]), axis=(0, 1)).astype(np.float32)
    position = split_windows(torch.from_numpy(rolled)[None], window).numpy()
    crossed = position < shift  # a row or column came round from the top or left border
    separated = crossed[:, :, None] != crossed[:, None, :]
    assert np.array_equal(mask.numpy() != 0, separated.any(axis=-1))


def attention_by_the_definition(block: SwinBlock, x: Tensor) -> Tensor:
    """Attention of one picture (H, W, C), one query token at a time: it sees the tokens of its cell of a shifted grid.

    Cells at the border are cut off, not wrapped around, which is what rolling and masking together must amount to.
    """
    height, width, dim = x.shape
    attn, window, heads = block.attn, block.window, block.attn.heads
    q, k, v = (part.view(height, width, heads, dim // heads) for part in attn.qkv(x).chunk(3, dim=-1))
    tokens = [(y, x) for y in range(height) for x in range(width)]
    cell = {(y, x): ((y - block.shift) // window, (x - block.shift) // window) for y, x in tokens}
    result = torch.empty_like(x)
    for y, x_ in tokens:
        seen = [(v_, u) for v_, u in tokens if cell[v_, u] == cell[y, x_]]
        rows = [(y - v_ + window - 1) * (2 * window - 1) + (x_ - u + window - 1) for v_, u in seen]
        keys = torch.stack([k[at] for at in seen])
        values = torch.stack([v[at] for at in seen])
        scores = (q[y, x_] * keys).sum(-1) / (dim // heads) ** 0.5 + attn.relative_position_bias_table[rows]
        result[y, x_] = (scores.softmax(dim=0)[..., None] * values).sum(0).flatten()
    return attn.proj(result)


@settings(max_examples=15, deadline=None)
@given(
    window=st.integers(2, 4),
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    heads=st.sampled_from((1, 2)),
    shifted=st.booleans(),
    seed=st.integers(0, 99),
)
def test_shifted_attention_is_attention_in_a_shifted_grid(
    window: int, rows: int, columns: int, heads: int, shifted: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    block = SwinBlock(4, heads, window, window // 2 if shifted else 0, mlp_hidden=5, qkv_bias=True).double()
    torch.nn.init.normal_(block.attn.relative_position_bias_table)
    x = torch.randn(1, rows * window, columns * window, 4, dtype=torch.float64)
    mask = shift_mask(*x.shape[1:3], window, window // 2)
    with torch.inference_mode():
        attended, expected = block.attend(x, mask), attention_by_the_definition(block, x[0])[None]
    # Sums of at most 16 products of numbers below about 10 in double precision; a blocked pair weighs exp(-100).
    torch.testing.assert_close(attended, expected, rtol=0, atol=1e-12)


@given(window=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_relative_positions_cover_the_table_and_mirror(window: tuple[int, int]) -> None:
    index, positions = relative_position_index(window), relative_positions(window)
    assert set(index.flatten().tolist()) == set(range(len(positions)))
    assert torch.equal(index + index.T, torch.full_like(index, len(positions) - 1))
    places = torch.from_numpy(np.indices(window).reshape(2, -1).T.copy()).float()
    assert torch.equal(positions[index], places[:, None] - places[None, :])
