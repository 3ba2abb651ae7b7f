"""The comparison sheet: several versions of one picture side by side, a detail of each magnified below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

_PANEL = 384  # pixels, side of a panel
_DETAIL = 48  # pixels of the picture that the detail shows
_GAP = 12
_CAPTION = 46
_PAPER, _INK, _FAINT, _FRAME = (255, 255, 255), (20, 20, 20), (110, 110, 110), (230, 30, 30)


@dataclass(frozen=True)
class Version:
    """One version of the picture: its name, a figure below the name, and the samples, shape (H, W, 3)."""

    name: str
    figure: str
    picture: UInt8[np.ndarray, "h w 3"]


def sheet(versions: Sequence[Version], corner: tuple[int, int]) -> UInt8[np.ndarray, "height width 3"]:
    """All versions in a row, and below each the 48 x 48 pixels from `corner` (top, left), pixels as squares.

    Shapes: all versions are squares of one size, whose side divides 384 and is at least 48.
    """
    width = _GAP + len(versions) * (_PANEL + _GAP)
    height = _CAPTION + 2 * (_PANEL + _GAP)
    canvas = Image.new("RGB", (width, height), _PAPER)
    for index, version in enumerate(versions):
        _column(canvas, version, corner, left=_GAP + index * (_PANEL + _GAP))
    return np.asarray(canvas)


def cut_around(
    versions: Sequence[Version], corner: tuple[int, int], side: int = 2 * _DETAIL
) -> tuple[list[Version], tuple[int, int]]:
    """The square of `side` pixels around the detail at `corner` of each version, and the corner within it."""
    whole = len(versions[0].picture)
    top, left = (min(max(place - (side - _DETAIL) // 2, 0), whole - side) for place in corner)
    cut = [replace(one, picture=one.picture[top : top + side, left : left + side]) for one in versions]
    return cut, (corner[0] - top, corner[1] - left)


def telling_corner(
    better: UInt8[np.ndarray, "h w 3"], worse: UInt8[np.ndarray, "h w 3"], truth: UInt8[np.ndarray, "h w 3"]
) -> tuple[int, int]:
    """Top and left of the 48 x 48 pixels where `better` gains most over `worse`, in squared error against `truth`.

    If a third version has lost something, it shows there.
    """
    errors = [np.square(version.astype(np.float64) - truth).sum(axis=2) for version in (worse, better)]
    sums = np.pad(errors[0] - errors[1], ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    gains = (
        sums[_DETAIL:, _DETAIL:] - sums[:-_DETAIL, _DETAIL:] - sums[_DETAIL:, :-_DETAIL] + sums[:-_DETAIL, :-_DETAIL]
    )
    top, left = np.unravel_index(np.argmax(gains), gains.shape)
    return int(top), int(left)


def _column(canvas: Image.Image, version: Version, corner: tuple[int, int], left: int) -> None:
    draw = ImageDraw.Draw(canvas)
    draw.text((left, 6), version.name, fill=_INK, font=ImageFont.load_default(18))
    draw.text((left, 27), version.figure, fill=_FAINT, font=ImageFont.load_default(13))
    top, beside = corner
    detail = version.picture[top : top + _DETAIL, beside : beside + _DETAIL]
    canvas.paste(_panel(version.picture), (left, _CAPTION))
    canvas.paste(_panel(np.ascontiguousarray(detail)), (left, _CAPTION + _PANEL + _GAP))
    zoom = _PANEL / version.picture.shape[1]
    box = [left + beside * zoom, _CAPTION + top * zoom]
    draw.rectangle([*box, box[0] + _DETAIL * zoom, box[1] + _DETAIL * zoom], outline=_FRAME, width=2)


def _panel(picture: UInt8[np.ndarray, "n n 3"]) -> Image.Image:
    """The picture at the size of a panel, every pixel a square: an interpolation would be one more upscaler."""
    times = _PANEL // len(picture)
    return Image.fromarray(picture.repeat(times, axis=0).repeat(times, axis=1))
