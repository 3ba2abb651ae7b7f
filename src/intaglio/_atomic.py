"""Whole files or none: every output of the package is written through here.

No formats and no locking; one writer per file, except `append_bytes`, which several processes may share.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from intaglio.errors import OutputError

PathLike = str | os.PathLike[str]

_BINARY = getattr(os, "O_BINARY", 0)  # Windows alone would otherwise turn each newline into two characters

_REMEDIES = {
    errno.ENOSPC: "free some space or choose another disk",
    errno.EDQUOT: "free some of your quota or choose another disk",
    errno.ENOENT: "create the folder first or correct the path",
    errno.ENOTDIR: "a part of the path is a file; correct the path",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "name a file, not a folder",
}


@contextmanager
def atomic_write(path: PathLike) -> Iterator[BinaryIO]:
    """Open a binary file that takes the place of `path` when the block ends well, and vanishes when it does not.

    The bytes go to a hidden file in the same folder, reach the disk (fsync), and are renamed onto `path` in one step;
    a reader sees the old file or the whole new one. Any exception, KeyboardInterrupt included, leaves `path` as it was.

    Raises: OutputError when the folder is missing or closed to us, the disk is full, or `path` is no regular file
    (each with its remedy). Exceptions of the block that are not about this file pass through unchanged.
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(f".{target.name[:64]}.{os.urandom(4).hex()}.part")
    try:
        if target.exists() and not target.is_file():
            raise OutputError(f"Cannot write {path}: it is a folder or a device; name a regular file.")
        with part.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.filename not in (None, str(part), str(target)):
            raise
        raise _output_error(path, error) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_bytes_atomic(path: PathLike, data: bytes) -> None:
    """Write all of `data` to `path`, or leave `path` as it was. Raises: OutputError as `atomic_write`."""
    with atomic_write(path) as stream:
        stream.write(data)


def write_text_atomic(path: PathLike, text: str) -> None:
    """Write `text` as UTF-8 with its newlines unchanged, or leave `path` as it was. Raises: OutputError."""
    write_bytes_atomic(path, text.encode())


def append_bytes(path: PathLike, data: bytes) -> None:
    """Append all of `data` to `path` in one system call, or nothing; creates the file when it is missing.

    One O_APPEND write, not write-and-rename: several processes of a sweep may append to the same log, and a rename
    would lose the lines of the others. A short write (full disk) is cut off again.

    Raises: OutputError as `atomic_write`.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _BINARY, 0o666)
        try:
            written = os.write(descriptor, data)
            if written < len(data):
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _output_error(path, error) from error


def make_folder(path: PathLike) -> None:
    """Make a folder that results go into, and those above it, where they are missing.

    Raises: OutputError when that cannot be (remedy in the message).
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"Cannot make the folder {path}: {reason}; name another one.") from error


def _output_error(path: PathLike, error: OSError) -> OutputError:
    reason = (error.strerror or str(error)).lower()
    remedy = _REMEDIES.get(error.errno or 0, "check the path and the disk")
    return OutputError(f"Cannot write {path}: {reason}; {remedy}. Nothing half-written was left behind.")
