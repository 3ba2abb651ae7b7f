"""What a window does for its page: models, pictures, results, and the jobs between them."""

from __future__ import annotations

import secrets
import time
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from intaglio.app.calibrating import CalibrationSource
from intaglio.app.enlarging import enlarge_file, result_name, write_preview
from intaglio.app.library import EMBEDDED, Kind, ModelFile, model_file, models_in, source_of
from intaglio.app.opening import BICUBIC, Opened, open_model
from intaglio.errors import ImageError, IntaglioError, SpecError
from intaglio.images.animation import Animation
from intaglio.images.files import FILM_SUFFIXES, FORMAT_OF_SUFFIX, read_bytes
from intaglio.images.reading import decode
from intaglio.spec import Coverage, QuantSpec
from intaglio.window.folder import Folder
from intaglio.window.jobs import Job, JobProgress, Jobs, Lane

MAX_PIXELS = 16_000_000
"""Largest picture that the window takes, in pixels; larger ones go through the command line, in strips."""

RESULT_PIXELS = 64 * MAX_PIXELS
OPENED = 3
"""Models that stay open."""


class UnknownIdError(IntaglioError):
    """The page asks for something that is not there (any more)."""


@dataclass(frozen=True)
class Held:
    """A file that the page knows by an id; `name` is what it is called when it is downloaded."""

    id: str
    path: Path
    name: str


class Session:
    """All that happens between one start of the window and its end; networks are calibrated on `calibration`."""

    def __init__(self, folder: Folder, calibration: CalibrationSource) -> None:
        self.folder = folder
        self.calibration = calibration
        self.jobs = Jobs()
        self._pictures: dict[str, Held] = {}
        self._files: dict[str, Held] = {}
        self._models: dict[str, ModelFile] = {}
        self._opened: OrderedDict[tuple[str, int | None], Opened] = OrderedDict()
        self._lock = Lock()

    # Models

    def models(self) -> list[dict[str, Any]]:
        """The models of the folder, of the window, and the one that comes with the package, as the page shows them."""
        found = [*models_in([self.folder.root, self.folder.models]), model_file(EMBEDDED)]
        ids = {self._id_of(one): one for one in found}
        sources = {name: source_of(one, found) for name, one in ids.items() if one.kind is Kind.PACKED}
        return [
            {
                "id": name,
                "name": one.path.name,
                "embedded": one.path == EMBEDDED,
                "kind": str(one.kind),
                "label": one.label,
                "network": one.network,
                "scale": one.scale,
                "bytes": one.bytes,
                "problem": one.problem,
                "source": self._id_of(source) if (source := sources.get(name)) else "",
            }
            for name, one in ids.items()
        ]

    def _id_of(self, model: ModelFile) -> str:
        with self._lock:
            for name, one in self._models.items():
                if one.path == model.path:
                    self._models[name] = model
                    return name
            name = secrets.token_hex(8)
            self._models[name] = model
            return name

    def _model(self, name: str) -> ModelFile:
        if name not in self._models:
            raise UnknownIdError("This model is not there any more; choose another one.")
        return self._models[name]

    def quantize(self, checkpoint: str, bits: int, effort: str, coverage: str) -> Job:
        """Begin to quantize a checkpoint. Raises: SpecError for a setting out of its domain."""
        if coverage not in tuple(Coverage):
            raise SpecError(f"coverage {coverage!r} is unknown; choose {' or '.join(Coverage)}.")
        source = self._model(checkpoint)
        spec = QuantSpec(weight_bits=bits, act_bits=bits, coverage=Coverage(coverage))
        return self.jobs.submit(Lane.QUANTIZING, partial(self._quantize, source.path, spec, effort))

    def _quantize(self, checkpoint: Path, spec: QuantSpec, effort: str, job: Job) -> Mapping[str, Any]:
        from intaglio.app.calibrating import calibration_set
        from intaglio.app.expected import expected_seconds
        from intaglio.app.networks import NetworkSource, open_network
        from intaglio.app.quantizing import effort_recipe, float32_bytes, quantize, save
        from intaglio.provenance import file_sha256

        recipe = effort_recipe(effort, spec)
        network = open_network(NetworkSource(checkpoint))
        calibration = calibration_set(self.calibration)
        expected = expected_seconds(network, network.in_channels, recipe.method, dict(recipe.settings))
        job.note = f"{recipe.method}, about {_minutes(expected)} in all"
        made = quantize(network, recipe, calibration, required=True, progress=JobProgress(job))
        target = self.folder.free_model(f"{checkpoint.stem}.{spec.label}-{recipe.method}.intaglio")
        size = save(made, target, source_sha256=file_sha256(checkpoint))
        return {"model": self._id_of(model_file(target)), "bytes": size, "float32_bytes": float32_bytes(network)}

    # Pictures

    def add_picture(self, path: Path, name: str) -> dict[str, Any]:
        """Take a picture that was uploaded. Raises: ImageError where it is none that the window can enlarge."""
        suffix = Path(name).suffix.lower()
        if suffix in FILM_SUFFIXES:
            raise ImageError(f"{name} is a film; films go through the command line: intaglio upscale MODEL {name}")
        if suffix not in FORMAT_OF_SUFFIX:
            raise ImageError(f"{name} is no picture that can be written again; use {' '.join(FORMAT_OF_SUFFIX)}.")
        found = decode(read_bytes(path), name, max_pixels=MAX_PIXELS)
        first = found.frames[0] if isinstance(found, Animation) else found
        held = Held(secrets.token_hex(8), path, name)
        self._pictures[held.id] = held
        shown = self._hold(write_preview(path, path.with_suffix(".preview.png"), max_pixels=MAX_PIXELS), name)
        told = {"id": held.id, "name": name, "width": first.width, "height": first.height, "bits": first.bits}
        return {**told, "mode": str(first.mode), "preview": shown}

    def enlarge(self, picture: str, model: str, way: str) -> Job:
        """Begin to enlarge a picture: by the model itself, by the float network it was made of, or by bicubic.

        Raises: SpecError for another way, UnknownIdError.
        """
        if picture not in self._pictures:
            raise UnknownIdError("This picture is not there any more; drop it again.")
        chosen = self._model(model)
        if way == "float":
            source = source_of(chosen, [one for one in self._models.values() if one.path.is_file()])
            if source is None:
                raise SpecError(f"The checkpoint that {chosen.path.name} was made of is not in the folder; add it.")
            name = str(source.path)
        elif way in ("model", BICUBIC):
            name = BICUBIC if way == BICUBIC else str(chosen.path)
        else:
            raise SpecError(f"{way!r} is no way to enlarge; choose model, float or bicubic.")
        scale = chosen.scale if way == BICUBIC else None
        return self.jobs.submit(Lane.PICTURES, partial(self._enlarge, self._pictures[picture], name, scale))

    def _enlarge(self, picture: Held, model: str, scale: int | None, job: Job) -> Mapping[str, Any]:
        opened = self._open(model, scale)
        target = self.folder.place("results", result_name(picture.name, opened.upscaler.scale))
        try:
            outcome = enlarge_file(opened, picture.path, target, max_pixels=MAX_PIXELS)
        except ImageError as error:
            raise ImageError(str(error).replace(str(picture.path), picture.name)) from error
        shown = write_preview(target, target.with_suffix(".preview.png"), max_pixels=RESULT_PIXELS)
        file = self._hold(target, target.name)
        return {
            "file": file,
            "preview": file if shown == target else self._hold(shown, shown.name),
            "name": target.name,
            "width": outcome.width,
            "height": outcome.height,
            "seconds": outcome.seconds,
            "bytes": target.stat().st_size,
            "notes": list(outcome.notes),
            "label": opened.label,
            "runs_on": opened.runs_on,
        }

    def _open(self, model: str, scale: int | None) -> Opened:
        """A model, from those that were opened last where it is among them; only the thread of pictures asks."""
        key = (model, scale)
        if key not in self._opened:
            self._opened[key] = open_model(model, scale=scale)
        self._opened.move_to_end(key)
        while len(self._opened) > OPENED:
            self._opened.popitem(last=False)
        return self._opened[key]

    # Files

    def _hold(self, path: Path, name: str) -> str:
        held = Held(secrets.token_hex(8), path, name)
        self._files[held.id] = held
        return held.id

    def file(self, name: str) -> Held:
        """The file of that id. Raises: UnknownIdError."""
        if name not in self._files or not self._files[name].path.is_file():
            raise UnknownIdError("This file is not there any more.")
        return self._files[name]

    def bundle(self, names: Sequence[str]) -> Held:
        """One file with several in it, not compressed again. Raises: UnknownIdError."""
        target = self.folder.place("uploads", f"enlarged-{time.strftime('%Y%m%d-%H%M%S')}.zip")
        files = [self.file(one) for one in names]
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for held, name in zip(files, _distinct(files), strict=True):
                archive.write(held.path, name)
        return self.file(self._hold(target, target.name))

    def close(self) -> None:
        """End what runs and remove the uploads."""
        self.jobs.close()
        self.folder.clear()


def _distinct(files: Iterable[Held]) -> Iterable[str]:
    """Names of which none is another's; those of one name get numbers."""
    seen: dict[str, int] = {}
    for held in files:
        count = seen[held.name] = seen.get(held.name, 0) + 1
        yield held.name if count == 1 else f"{count}-{held.name}"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
