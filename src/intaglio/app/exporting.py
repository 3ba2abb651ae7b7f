"""Exporting a packed model for another runtime, and proving on a picture that the file does what the program says."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from intaglio._atomic import write_bytes_atomic
from intaglio.errors import ExportError
from intaglio.export.onnx import to_onnx
from intaglio.export.products import Profile, Target
from intaglio.export.verify import RUNTIMES, Verification, installed, verify
from intaglio.images import calibration_pictures
from intaglio.packed.format import load
from intaglio.packed.program import Program
from intaglio.progress import Progress, Silent
from intaglio.runtime.reference import Reference

SIDES = (40, 56)
"""Height and width of the drawn picture on which an exported file is verified: no multiples of each other."""
LEAST_PSNR = 20.0
"""In dB. Rounding echoes through a network of few bits, but two runs of one program never lie farther apart."""
RUNS_IN = {Target.ONNX: "onnxruntime", Target.OPENVINO: "openvino"}
"""The runtime that a target is written for."""


@dataclass(frozen=True)
class Exported:
    """An exported file.

    Attributes:
        path: where it is.
        bytes: its size.
        verifications: how it ran, one entry for each runtime that is installed and was asked for.
    """

    path: Path
    bytes: int
    verifications: tuple[Verification, ...]


def export_model(
    model: Path,
    output: Path,
    *,
    target: Target = Target.ONNX,
    profile: Profile = Profile.FAST,
    strict: bool = False,
    runtimes: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write a packed model as an ONNX file and verify it on a drawn picture in every runtime of `runtimes`.

    By default the runtime that `target` is written for is asked, if it is installed. The file is written after it was
    verified, whole or not at all.
    Raises: PackedError; ExportError for an operation without counterpart, a runtime that is missing, a file that
    computes something else, or, if `strict`, a quantized product that ran in float.
    """
    progress = progress or Silent()
    program = load(model).program
    asked = list(runtimes) if runtimes is not None else [name for name in (RUNS_IN[target],) if installed(name)]
    if missing := [name for name in asked if name not in RUNTIMES or not installed(name)]:
        raise ExportError(f"{missing[0]} is not installed; run: pip install 'intaglio[export]' {missing[0]}")
    if strict and not asked:
        raise ExportError(
            f"--strict needs {RUNS_IN[target]}, which is not installed; run: pip install {RUNS_IN[target]}"
        )
    with progress.stage("export", 1 + len(asked)) as advance:
        data = to_onnx(program, target, profile).SerializeToString(deterministic=True)
        advance(f"{len(data)} bytes")
        verifications = []
        for name in asked:
            verifications.append(_verified(program, data, name, strict))
            advance(name)
    write_bytes_atomic(output, data)
    return Exported(output, len(data), tuple(verifications))


def _verified(program: Program, data: bytes, runtime: str, strict: bool) -> Verification:
    planes = _picture(len(program.ops[0].reals("mean")))
    wanted = Reference(program).planes(planes)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(data)
        found = verify(program, file, runtime, planes, wanted)
    if not found.psnr >= LEAST_PSNR:
        raise ExportError(
            f"{found.runtime} computes another picture ({found.psnr:.1f} dB from the program's); please report it."
        )
    if strict and not found.all_in_integers:
        raise ExportError(
            f"{found.runtime} ran {found.products - found.integers} of {found.products} quantized products in float; "
            "choose another --to, or leave --strict out."
        )
    return found


def _picture(channels: int) -> np.ndarray:
    """A drawn picture as planes."""
    height, width = SIDES
    drawn = calibration_pictures(1, max(SIDES), seed=0)[0][:height, :width]
    planes = drawn.transpose(2, 0, 1).astype(np.float32) / np.float32(255.0)
    return np.ascontiguousarray(np.resize(planes, (channels, height, width)))
