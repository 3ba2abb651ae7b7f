"""The models in a folder: packed files and float checkpoints, and which checkpoint a packed file was made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from intaglio.app.opening import CHECKPOINTS, label_of
from intaglio.errors import PackedError
from intaglio.packed.errors import NotIntaglioError
from intaglio.packed.format import load
from intaglio.provenance import file_sha256

PACKED_SUFFIX = ".intaglio"
"""The ending of packed files."""

MODEL_SUFFIXES = (PACKED_SUFFIX, *CHECKPOINTS)
"""Endings of files that may hold a model."""

EMBEDDED = Path(__file__).parent.parent / "data" / "swinir_light_x2.safetensors"
"""The float network that comes with the package."""


class Kind(StrEnum):
    """What a file holds."""

    PACKED = "packed"
    FLOAT = "float"


@dataclass(frozen=True)
class ModelFile:
    """A file that holds a model, without having been run.

    Attributes:
        path: the file.
        kind: what it holds.
        label: what was done to the network: ``w4a4 2dquant``, ``float``.
        network: the name of its architecture; empty for checkpoints, which are not opened.
        scale: its factor, None for checkpoints.
        bytes: its size on disk.
        source_sha256: of a packed file, the hash of the checkpoint that it was made of.
        problem: why the file cannot be used; empty where it can.
    """

    path: Path
    kind: Kind
    label: str
    bytes: int
    network: str = ""
    scale: int | None = None
    source_sha256: str = ""
    problem: str = ""


def models_in(folders: Iterable[Path]) -> list[ModelFile]:
    """Every model that lies directly in one of the folders, packed ones first, by name.

    A file that is damaged is among them, with its problem. Files are read again only when they have changed.
    """
    paths = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if is_model_name(path.name)]
    found = [model_file(path) for path in paths if path.is_file() and not path.name.startswith(".")]
    return sorted(found, key=lambda one: (one.kind is Kind.FLOAT, one.path.name))


def is_model_name(name: str) -> bool:
    """Whether a file of that name may hold a model.

    >>> is_model_name("swinir.w4a4-dobi.intaglio"), is_model_name("photo.png")
    (True, False)
    """
    return name.lower().endswith(MODEL_SUFFIXES)


def model_file(path: Path) -> ModelFile:
    """What a file holds."""
    told = path.stat()
    return _read(path, told.st_mtime_ns, told.st_size)


def source_of(packed: ModelFile, among: Sequence[ModelFile]) -> ModelFile | None:
    """The checkpoint that a packed file was made of, if it is there: told by its content, whatever its name."""
    checkpoints = [one for one in among if one.kind is Kind.FLOAT]
    same = (one for one in checkpoints if _sha256(one.path, one.path.stat().st_mtime_ns) == packed.source_sha256)
    return next(same, None) if packed.source_sha256 else None


@lru_cache(maxsize=1024)
def _read(path: Path, _changed: int, size: int) -> ModelFile:
    try:
        packed = load(path)
    except NotIntaglioError:
        return ModelFile(path, Kind.FLOAT, "float", size)
    except PackedError as error:
        if path.suffix.lower() in CHECKPOINTS:
            return ModelFile(path, Kind.FLOAT, "float", size)
        return ModelFile(path, Kind.PACKED, "", size, problem=str(error))
    program, source = packed.program, packed.header.provenance.source_sha256
    return ModelFile(path, Kind.PACKED, label_of(packed), size, program.architecture, program.scale, source)


@lru_cache(maxsize=1024)
def _sha256(path: Path, _changed: int) -> str:
    return file_sha256(path)
