"""Every output appears whole or not at all; every way to fail to write names its remedy."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from intaglio._atomic import append_bytes, atomic_write, write_bytes_atomic, write_text_atomic
from intaglio.errors import OutputError


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_the_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "model.intaglio"
    with atomic_write(target) as stream:
        stream.write(b"codes")
        assert not target.exists()
    assert target.read_bytes() == b"codes"
    assert names(tmp_path) == ["model.intaglio"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path, interruption: type[BaseException]) -> None:
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")

    def interrupted_write() -> None:
        with atomic_write(target) as stream:
            stream.write(b"half of the new")
            raise interruption

    with pytest.raises(interruption):
        interrupted_write()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out.bin"]


def test_a_full_disk_is_one_line_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"out\.bin.*no space left.*free some space"):
        write_bytes_atomic(tmp_path / "out.bin", b"data")
    assert names(tmp_path) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere.*create the folder"):
        write_text_atomic(tmp_path / "nowhere" / "out.txt", "text")


def test_a_folder_is_no_target(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="name a regular file"):
        write_bytes_atomic(tmp_path, b"")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="shorter name"):
        write_bytes_atomic(tmp_path / ("n" * 300), b"")


def test_errors_about_other_files_pass_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "out.bin"):
        (tmp_path / "missing input").read_bytes()
    assert names(tmp_path) == []


def test_a_link_is_followed_not_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    write_text_atomic(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_text_keeps_its_newlines(tmp_path: Path) -> None:
    write_text_atomic(tmp_path / "t", "a\nb\r\nµ")
    assert (tmp_path / "t").read_bytes() == b"a\nb\r\n\xc2\xb5"


def test_append_creates_then_appends(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    append_bytes(log, b"one\n")
    append_bytes(log, b"two\n")
    assert log.read_bytes() == b"one\ntwo\n"


def test_a_short_append_is_cut_off_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"one\n")
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real_write(descriptor, data[:2]))
    with pytest.raises(OutputError, match="free some space"):
        append_bytes(log, b"two\n")
    assert log.read_bytes() == b"one\n"


def test_append_to_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="create the folder"):
        append_bytes(tmp_path / "nowhere" / "log", b"")
