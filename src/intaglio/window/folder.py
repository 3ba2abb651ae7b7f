"""Where the window's files lie: models in the folder that it was opened on, all that it writes in one folder there."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path

from intaglio._atomic import make_folder
from intaglio.errors import IntaglioError, OutputError

OWN = "intaglio-app"
"""The folder, in the one that is opened, into which the window writes. It writes nowhere else."""

_LONGEST = 120  # characters of a name, which the file system and a result's tag leave room for
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')


class TooLargeError(IntaglioError):
    """An upload has more bytes than the window takes."""


class UnusableNameError(IntaglioError):
    """A file's name cannot be used."""


@dataclass(frozen=True)
class Folder:
    """The folder that a window was opened on."""

    root: Path

    @property
    def own(self) -> Path:
        """What the window writes into."""
        return self.root / OWN

    @property
    def models(self) -> Path:
        """Models that were dropped or made."""
        return self.own / "models"

    def prepare(self) -> None:
        """Make the folders, and remove what an earlier window left of its uploads. Raises: OutputError."""
        if not self.root.is_dir():
            raise OutputError(f"There is no folder {self.root}; create it first or correct the path.")
        self.clear()
        for part in (self.models, self.own / "results", self.own / "uploads"):
            make_folder(part)

    def clear(self) -> None:
        """Remove uploads; results and models stay."""
        shutil.rmtree(self.own / "uploads", ignore_errors=True)

    def place(self, part: str, name: str) -> Path:
        """A path for a file of that name, in a folder of its own below `part`, which is made. Raises: OutputError."""
        folder = self.own / part / secrets.token_hex(8)
        make_folder(folder)
        return folder / name

    def free_model(self, name: str) -> Path:
        """A path among the models that is not taken: the name, or the name with a number before its ending."""
        stem, dot, ending = name.rpartition(".")
        paths = (self.models / (name if not n else f"{stem}-{n}{dot}{ending}") for n in range(10_000))
        return next(path for path in paths if not path.exists())


def safe_name(name: str) -> str:
    """A file's name as it may stand on disk: its last part, without what file systems or shells take amiss.

    Raises: UnusableNameError where nothing is left.

    >>> safe_name("../../etc/passwd"), safe_name("C:\\\\photos\\\\a b.jpg"), safe_name("..hidden.png")
    ('passwd', 'a b.jpg', 'hidden.png')
    """
    last = re.split(r"[/\\]", name)[-1]
    plain = _FORBIDDEN.sub("_", last).lstrip(".- ").rstrip(". ")
    stem, dot, ending = plain.rpartition(".")
    plain = f"{stem[: _LONGEST - len(ending)]}{dot}{ending[:20]}" if dot else plain[:_LONGEST]
    if not plain:
        raise UnusableNameError(f"{name!r} is no name of a file; give it one.")
    return plain


async def receive(chunks: AsyncIterable[bytes], target: Path, limit: int) -> int:
    """Write an upload to `target`, whole or not at all; its size in bytes.

    Raises: TooLargeError, with nothing left behind, once more than `limit` bytes have come.
    """
    part = target.with_name(f".{target.name[:64]}.{secrets.token_hex(4)}.part")
    size = 0
    try:
        with part.open("xb") as stream:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise TooLargeError(too_large(target.name, limit))
                stream.write(chunk)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return size


def too_large(name: str, limit: int) -> str:
    """What is said of an upload of more than `limit` bytes."""
    return (
        f"{name} has more than {limit / 1e6:.0f} MB, the limit of this window; "
        "start it with a larger --max-upload, or use the command line."
    )
