"""What a tensor that does not depend on the picture is: a number, a table of relative positions, a mask of windows.

Nothing is recognised by how it was computed, all by its values at every size that was traced: whoever wrote the
network, a mask of shifted windows is one if it has its values. Shapes and definitions: numerics page, section 5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intaglio.lower.align import Constant
from intaglio.lower.graph import Graph, Node
from intaglio.packed.size import rounded_up

Array = NDArray[np.float32]
Window = tuple[int, int]


def addends(graph: Graph, constant: Constant) -> list[Node] | None:
    """Nodes whose sum a constant is, position bias before mask; None where it follows from the size in another way."""
    key = _digest(constant)
    if key not in graph.recognised:
        graph.recognised[key] = _addends(graph, constant)
    return graph.recognised[key]


def _digest(constant: Constant) -> bytes:
    """What tells a constant from others: masks are met again in every block."""
    found = hashlib.blake2b(digest_size=16)
    for tensor in constant.tensors:
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
    return found.digest()


def _addends(graph: Graph, constant: Constant) -> list[Node] | None:
    if constant.fixed:
        return [_fixed(graph, _array(constant.tensors[0]))]
    arrays = _lean([_array(x) for x in constant.tensors])
    if all(x.shape == arrays[0].shape and np.array_equal(x, arrays[0]) for x in arrays):
        return [_fixed(graph, arrays[0])]
    ranks = {x.ndim for x in arrays}
    if ranks == {3}:
        mask = _mask(graph, arrays)
        return None if mask is None else [mask]
    if ranks == {4}:
        return _bias_and_mask(graph, arrays)
    return None


def _array(tensor: Any) -> Array:
    return np.asarray(tensor.detach().float().cpu().numpy(), dtype=np.float32)


def _lean(arrays: list[Array]) -> list[Array]:
    """Without axes of length 1 in front, and with axes along which nothing changes shortened to 1."""
    for axis in range(arrays[0].ndim):
        before = (slice(None),) * axis
        firsts = [x[(*before, slice(0, 1))] for x in arrays]
        # Two slices are compared first: masks are large, and nearly always differ there.
        lasts = [x[(*before, slice(-1, None))] for x in arrays]
        if all(map(np.array_equal, firsts, lasts)) and all(
            bool(np.all(x == first)) for x, first in zip(arrays, firsts, strict=True)
        ):
            arrays = firsts
    while arrays[0].ndim and all(x.shape[0] == 1 for x in arrays):
        arrays = [x.reshape(x.shape[1:]) for x in arrays]
    return arrays


def _fixed(graph: Graph, value: Array) -> Node:
    while value.ndim and value.shape[0] == 1:
        value = value.reshape(value.shape[1:])
    # One number for each head is left as it is: `Graph.binary` shortens what broadcasting repeats anyway.
    if value.ndim == 3 and min(value.shape[1:]) >= 4 and not np.all(value == value[:, :1, :1]):
        square = value.shape[1] == value.shape[2]
        bias = (_position_bias(graph, value) if square else None) or _moving_bias(graph, value)
        if bias is not None:
            return bias
    return graph.constant(value)


def _position_bias(graph: Graph, value: Array) -> Node | None:
    """(heads, tokens, tokens) that depend on the relative position of two tokens of a window alone."""
    heads, tokens, _ = value.shape
    for window in _windows(tokens):
        index = relative_positions(window)
        table = np.zeros(((2 * window[0] - 1) * (2 * window[1] - 1), heads), np.float32)
        table[index.ravel()] = value.reshape(heads, -1).T
        if np.array_equal(table[index].transpose(2, 0, 1), value):
            return graph.node("position_bias", (), graph.shape(*value.shape), {"window": window}, {"table": table})
    return None


def _moving_bias(graph: Graph, value: Array) -> Node | None:
    """(heads, queries, keys) that depend on the positions of both alone, where keys lie further apart or their window
    is another one: the entries of a table, picked by row and by column. None where that saves little."""
    heads = len(value)
    for window, keys in product(_windows(value.shape[1]), _windows(value.shape[2])):
        apart = (_apart(window[0], keys[0]), _apart(window[1], keys[1]))
        sides = [side + step * (count - 1) for side, step, count in zip(window, apart, keys, strict=True)]
        if heads * sides[0] * sides[1] * SAVES > value.size or not _moves(value, window, keys, apart):
            continue
        rows, columns = (_picked(side, step, count) for side, step, count in zip(window, apart, keys, strict=True))
        by_axis = value.reshape(heads, *window, *keys).transpose(0, 1, 3, 2, 4).reshape(heads, len(rows), len(columns))
        table = np.zeros((heads, *sides), np.float32)
        table[:, rows[:, None], columns[None]] = by_axis
        if np.array_equal(table[:, rows[:, None], columns[None]], by_axis):
            return _picked_by_axis(graph, table, rows, columns, window, keys)
    return None


SAVES = 4
"""A table that is not so many times smaller than what it stands for is not worth the work."""


def _apart(side: int, count: int) -> int:
    """How many queries further the next key lies."""
    return side // count if side % count == 0 else 1


def _moves(value: Array, window: Window, keys: Window, apart: Window) -> bool:
    """Whether the first key sees the first query as the next key sees the query beside it: most windows fail here."""
    right = window[1] > apart[1] and keys[1] > 1
    down = window[0] > apart[0] and keys[0] > 1
    return not (
        (right and not np.array_equal(value[:, 0, 0], value[:, apart[1], 1]))
        or (down and not np.array_equal(value[:, 0, 0], value[:, apart[0] * window[1], keys[1]]))
    )


def _picked(side: int, step: int, count: int) -> NDArray[np.int32]:
    """For each query of a row and each key of one, the entry of the table along that axis.

    >>> _picked(4, 2, 2).reshape(4, 2).tolist()
    [[2, 0], [3, 1], [4, 2], [5, 3]]
    """
    found = np.arange(side)[:, None] + step * (count - 1 - np.arange(count))[None]
    return found.ravel().astype(np.int32)


def _picked_by_axis(
    graph: Graph,
    table: Array,
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    window: Window,
    keys: Window,
) -> Node:
    x, heads = graph.node("constant", (), graph.shape(*table.shape), {}, {"value": table}), len(table)
    for axis, indices in ((1, rows), (2, columns)):
        shape = (*x.shape[:axis], graph.side(len(indices)), *x.shape[axis + 1 :])
        x = graph.node("take", (x,), shape, {"axis": axis}, {"indices": indices})
    x = graph.reshape(x, graph.shape(heads, window[0], keys[0], window[1], keys[1]))
    return graph.reshape(
        graph.permute(x, (0, 1, 3, 2, 4)), graph.shape(heads, window[0] * window[1], keys[0] * keys[1])
    )


def relative_positions(window: Window) -> NDArray[np.int64]:
    """For each pair of tokens of a window, the row of the table that holds their relative position.

    >>> relative_positions((1, 2)).tolist()
    [[1, 0], [2, 1]]
    """
    rows, columns = (axis.ravel() for axis in np.meshgrid(*map(np.arange, window), indexing="ij"))
    down, right = rows[:, None] - rows[None, :], columns[:, None] - columns[None, :]
    return np.asarray((down + window[0] - 1) * (2 * window[1] - 1) + right + window[1] - 1)


def _windows(tokens: int) -> Iterator[Window]:
    """Heights and widths of windows with so many tokens, squarest first."""
    sides = [(height, tokens // height) for height in range(1, tokens + 1) if tokens % height == 0]
    yield from sorted((x for x in sides if max(x) <= 64), key=lambda x: (max(x), x))


def _bias_and_mask(graph: Graph, arrays: list[Array]) -> list[Node] | None:
    """(windows, heads, tokens, tokens): a mask for all heads, or the sum of a position bias and a mask."""
    if all(x.shape[1] == 1 for x in arrays):
        mask = _mask(graph, [x[:, 0] for x in arrays])
        return None if mask is None else [_for_heads(graph, mask)]
    bias = arrays[0][0]  # the first window is whole: nothing is masked there
    if not all(np.array_equal(x[0], bias) for x in arrays):
        return None
    differences = [x[:, 0] - bias[0] for x in arrays]
    value = np.float32(np.round(min(float(x.min()) for x in differences)))
    masks = [np.where(x != 0.0, value, np.float32(0.0)) for x in differences]
    if not all(np.array_equal(bias + mask[:, None], x) for mask, x in zip(masks, arrays, strict=True)):
        return None
    mask = _mask(graph, masks)
    return None if mask is None else [_fixed(graph, bias), _for_heads(graph, mask)]


def _for_heads(graph: Graph, mask: Node) -> Node:
    return graph.reshape(mask, (mask.shape[0], graph.side(1), *mask.shape[1:]))


def _mask(graph: Graph, arrays: list[Array]) -> Node | None:
    """(windows, tokens, tokens): the mask of shifted windows, where the values are so at every size."""
    tokens = arrays[0].shape[1]
    value = min(float(x.min()) for x in arrays)
    if any(x.shape[1:] != (tokens, tokens) for x in arrays) or value >= 0.0:
        return None
    counts = [x.shape[0] * tokens for x in arrays]
    for window, maps in product(_windows(tokens), _maps(counts, graph)):
        if any(side[0] % window[0] or side[1] % window[1] for side in maps):
            continue
        shift = _shift(arrays[0], maps[0], window)
        if all(np.array_equal(shift_mask(*m, window, shift, value), x) for m, x in zip(maps, arrays, strict=True)):
            attrs = {
                "window": window, "shift": shift, "value": value,
                "height": tuple(side[0] for side in maps), "width": tuple(side[1] for side in maps),
            }  # fmt: skip
            windows = tuple(len(x) for x in arrays)
            return graph.node("shift_mask", (), (windows, *graph.shape(tokens, tokens)), attrs)
    return None


def _maps(counts: Sequence[int], graph: Graph) -> list[list[Window]]:
    """Sides that maps of so many pixels may have, at all sizes: those of the picture, or of it in whole windows, times
    a power of two or a part of them."""
    found = []
    for multiple in (1, *graph.inside):
        sides = [(rounded_up(height, multiple), rounded_up(width, multiple)) for height, width in graph.sizes]
        maps = [_map(count, side) for count, side in zip(counts, sides, strict=True)]
        whole = [one for one in maps if one is not None]
        if len(whole) == len(maps):
            found.append(whole)
    return found


def _map(tokens: int, size: tuple[int, int]) -> Window | None:
    """The sides of a map of so many pixels that has the proportions of `size`."""
    for factor in (1, 2, 4, 8):
        height, width = size
        if height * width == tokens * factor * factor and height % factor == 0 and width % factor == 0:
            return height // factor, width // factor
        if height * width * factor * factor == tokens:
            return height * factor, width * factor
    return None


def _shift(mask: Array, size: tuple[int, int], window: Window) -> Window:
    """The only shift that a mask can have: how many tokens the first one still sees in the last row and column."""
    across = size[1] // window[1]
    last_row, last_column = mask[(size[0] // window[0] - 1) * across], mask[across - 1]
    below, beside = int((last_row[0] == 0.0).sum()), int((last_column[0] == 0.0).sum())
    return (window[0] - below // window[1], window[1] - beside // window[0])


def shift_mask(height: int, width: int, window: Window, shift: Window, value: float) -> Array:
    """`value` between two tokens of a window that were no neighbours before the map was rolled, else 0.

    Shapes: (windows, tokens, tokens).

    >>> shift_mask(2, 2, (2, 2), (1, 1), -100.0)[0, 0].tolist()
    [0.0, -100.0, -100.0, -100.0]
    """
    rows, columns = np.arange(height) >= height - shift[0], np.arange(width) >= width - shift[1]
    region = 2 * rows[:, None] + columns[None, :]
    cut = region.reshape(height // window[0], window[0], width // window[1], window[1]).swapaxes(1, 2)
    flat = cut.reshape(-1, window[0] * window[1])
    return np.where(flat[:, :, None] != flat[:, None, :], np.float32(value), np.float32(0.0)).astype(np.float32)
