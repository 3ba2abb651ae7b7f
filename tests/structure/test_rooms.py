"""The import table of the architecture: which room may import which, and who may import torch."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests_imports import imports, room_of, sources

BASE = {"spec", "errors", "progress", "_atomic", "_shapes", "_system", "provenance"}
"""Vocabulary that every room may use: standard library only (`_shapes` hands on jaxtyping where it is loaded)."""

EVERYTHING = {"*"}

MAY_IMPORT: dict[str, set[str]] = {
    "intaglio": set(),
    "spec": {"errors"},
    "errors": set(),
    "progress": set(),
    "_atomic": {"errors"},
    "_shapes": set(),
    "_system": set(),
    "provenance": {"_atomic", "intaglio"},
    "images": BASE,
    "arch": BASE,
    "quant": BASE,
    "ranks": BASE,
    "cluster": BASE,
    "observe": BASE | {"quant", "images", "ranks"},
    "distill": BASE | {"quant", "ranks"},
    "methods": BASE | {"quant", "observe", "distill", "ranks"},
    "packed": BASE,
    "lower": BASE | {"arch", "quant", "packed", "observe", "evaluate", "runtime"},
    "runtime": BASE | {"packed", "images"},
    "export": BASE | {"packed", "runtime"},
    "evaluate": BASE | {"images"},
    "published": BASE,
    "results": BASE | {"evaluate", "published"},
    "report": BASE | {"evaluate", "published", "results", "images"},
    "app": BASE
    | {"arch", "methods", "quant", "observe", "lower", "packed", "evaluate", "images", "runtime", "report"}
    | {"export", "ranks", "cluster"},
    "window": BASE | {"app", "images"},
    "bench": BASE | {"packed", "runtime", "images"},
    "demo": BASE | {"app", "arch", "observe", "evaluate", "images", "runtime"},
    "analyze": BASE | {"arch", "quant", "observe", "methods", "evaluate", "images"},
    "sweep": BASE
    | {
        "app",
        "arch",
        "quant",
        "observe",
        "methods",
        "lower",
        "packed",
        "evaluate",
        "runtime",
        "images",
        "published",
        "cluster",
    },
    "cli": EVERYTHING,
    "__main__": {"cli"},
}
"""`lower` reaches into `observe`, `evaluate` and `runtime` to check a program against its simulator, nothing else."""

WITHOUT_TORCH = {"images", "packed", "runtime", "export", "report", "published", "results", "intaglio", *BASE}
ONLY_TORCH_FILE = {"evaluate": "torch_upscaler.py"}


def test_every_room_is_in_the_table(repository: Path) -> None:
    assert {room_of(repository, path) for path in sources(repository)} <= MAY_IMPORT.keys()


def test_rooms_import_only_what_the_table_allows(repository: Path) -> None:
    wrong = [
        f"{one.path.relative_to(repository)} imports {one.target}"
        for one in imports(repository)
        if one.target_room is not None
        and one.target_room != one.room
        and MAY_IMPORT[one.room] != EVERYTHING
        and one.target_room not in MAY_IMPORT[one.room]
    ]
    assert wrong == []


def test_the_table_has_no_cycle() -> None:
    rooms = {room: targets for room, targets in MAY_IMPORT.items() if room not in ("cli", "__main__")}
    settled: set[str] = set()
    while rooms:
        free = {room for room, targets in rooms.items() if targets - {room} <= settled}
        assert free, f"these rooms import one another: {sorted(rooms)}"
        settled |= free
        rooms = {room: targets for room, targets in rooms.items() if room not in free}


def test_torch_stays_in_its_rooms(repository: Path) -> None:
    wrong = [
        str(one.path.relative_to(repository))
        for one in imports(repository)
        if one.top == "torch"
        and (one.room in WITHOUT_TORCH or one.path.name != ONLY_TORCH_FILE.get(one.room, one.path.name))
    ]
    assert wrong == []


def test_rooms_below_the_architectures_name_none(repository: Path) -> None:
    below = [
        path for path in sources(repository) if room_of(repository, path) in ("methods", "quant", "observe", "distill")
    ]
    named = [
        f"{path.name}: {node.id}"
        for path in below
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and re.match(r"Swin|EDSR|RCAN|RLFN|SRResNet|MSRResNet", node.id)
    ]
    assert named == []


def test_rooms_that_a_picture_passes_through_do_without_jaxtyping(repository: Path) -> None:
    """They take the names of shapes from `_shapes`, which spares a picture the loading of jaxtyping."""
    wrong = [
        str(one.path.relative_to(repository))
        for one in imports(repository)
        if one.top == "jaxtyping" and one.room in ("images", "packed", "runtime")
    ]
    assert wrong == []
