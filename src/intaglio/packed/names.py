"""Which names a packed model may hold: short, of letters that show. The native reader has the same list."""

from __future__ import annotations

import re

MAX_NAME = 256

UNPRINTABLE = (
    (0x00, 0x1F), (0x7F, 0xA0), (0xAD, 0xAD), (0x61C, 0x61C), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200F),
    (0x2028, 0x202F), (0x205F, 0x206F), (0x3000, 0x3000), (0xD800, 0xF8FF), (0xFEFF, 0xFEFF), (0xFFF0, 0xFFFB),
    (0xFFFE, 0xFFFF), (0xE0000, 0x10FFFF),
)  # fmt: skip
"""Ranges of code points that no name has: controls, spaces but for the usual one, marks of direction and format,
surrogates, private use. Written out, because what `str.isprintable` says depends on the version of Python."""

_BAD = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in UNPRINTABLE) + "]")


def is_name(text: str) -> bool:
    """Whether a packed model may hold this name.

    >>> is_name("layers.0.attn"), is_name(""), is_name("two\\nlines")
    (True, False, False)
    """
    return 0 < len(text) <= MAX_NAME and not _BAD.search(text)
