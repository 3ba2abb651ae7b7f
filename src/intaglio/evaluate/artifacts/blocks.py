"""A picture as a grid of square blocks, whole ones only unless the picture is smaller than one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped


def split_blocks(image: Shaped[np.ndarray, "h w *c"], side: int) -> Shaped[np.ndarray, "rows columns bh bw *c"]:
    """The blocks of `image` that fit entirely, from the top left; a picture smaller than `side` is one block.

    Shapes: (h, w, ...) to (rows, columns, height of a block, width of a block, ...). Units: pixels.

    >>> split_blocks(np.arange(20).reshape(4, 5), 2)[1, 1].tolist()
    [[12, 13], [17, 18]]
    """
    height, width = min(side, image.shape[0]), min(side, image.shape[1])
    rows, columns = image.shape[0] // height, image.shape[1] // width
    whole = image[: rows * height, : columns * width]
    return whole.reshape(rows, height, columns, width, *image.shape[2:]).swapaxes(1, 2)
