"""Markdown tables, the same bytes for the same cells."""

from __future__ import annotations

from collections.abc import Sequence


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with its first column to the left and the others to the right; empty without rows.

    >>> print(table(("a", "b"), [("x", "1")]))
    | a | b |
    |:--|--:|
    | x | 1 |
    """
    if not rows:
        return ""
    rule = "|:--|" + "--:|" * (len(columns) - 1)
    return "\n".join(("| " + " | ".join(columns) + " |", rule, *("| " + " | ".join(row) + " |" for row in rows)))


def section(title: str, *parts: str, level: int = 2) -> str:
    """A heading and its non-empty parts, with blank lines between; empty without parts."""
    found = [part for part in parts if part]
    return "\n\n".join(("#" * level + " " + title, *found)) if found else ""
