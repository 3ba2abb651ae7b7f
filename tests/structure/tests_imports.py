"""The rooms of the package and the imports between them, read from the syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "intaglio"


@dataclass(frozen=True)
class Import:
    """One import: the file, the room it is in, and the dotted name it asks for."""

    path: Path
    room: str
    target: str

    @property
    def target_room(self) -> str | None:
        """The room that is imported from, or None for another package."""
        parts = self.target.split(".")
        if parts[0] != PACKAGE:
            return None
        return parts[1] if len(parts) > 1 else PACKAGE

    @property
    def top(self) -> str:
        """The package that is imported."""
        return self.target.split(".")[0]


def sources(root: Path) -> list[Path]:
    """Every Python file of the package."""
    return sorted((root / "src" / PACKAGE).rglob("*.py"))


def room_of(root: Path, path: Path) -> str:
    """A folder directly below the package, or a file there without its ending."""
    parts = path.relative_to(root / "src" / PACKAGE).parts
    return PACKAGE if parts == ("__init__.py",) else parts[0].removesuffix(".py")


def imports(root: Path) -> Iterator[Import]:
    """Every import statement of the package, inside functions too."""
    for path in sources(root):
        room = room_of(root, path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (Import(path, room, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import; write the full name"
                assert node.module is not None
                if node.module == PACKAGE:
                    yield from (Import(path, room, f"{PACKAGE}.{alias.name}") for alias in node.names)
                else:
                    yield Import(path, room, node.module)
