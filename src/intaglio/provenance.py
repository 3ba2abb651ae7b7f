"""Where files come from: hashes of their contents, the release that wrote them. Standard library only."""

from __future__ import annotations

import hashlib
from pathlib import Path

import intaglio
from intaglio._atomic import PathLike

VERSION = intaglio.__version__
"""The release of intaglio that is running."""


def file_sha256(path: PathLike) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; read in pieces, so that memory does not grow with the file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
