"""Operations with attributes up to their limits: what passes validation is stored, and runs or refuses the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from intaglio.errors import EngineError, PackedError
from intaglio.packed.errors import ScaleError, ShapeError
from intaglio.packed.examples.limits import limit_program
from intaglio.packed.format import load, save
from intaglio.packed.ops import OPS
from intaglio.packed.program import Program
from intaglio.packed.shapes import field_of_view, infer_shapes, multiply_adds
from intaglio.packed.validate import validate
from intaglio.runtime.reference import Reference

DRAWS = 12
SIZES = ((8, 12), (3, 1))


def sound_programs(kind: str) -> list[Program]:
    """Those of some random programs about an operation that pass validation."""
    sound = []
    for seed in range(DRAWS):
        program = limit_program(np.random.default_rng(seed), kind)
        try:
            validate(program)
        except PackedError:
            continue
        sound.append(program)
    return sound


@pytest.mark.parametrize("kind", OPS)
def test_what_passes_validation_is_stored_and_runs(tmp_path: Path, kind: str) -> None:
    programs = sound_programs(kind)
    assert len(programs) >= 3, "the draws hardly ever fit; give the operation a hint"
    for program in programs:
        save(program, tmp_path / "model")
        stored = load(tmp_path / "model").program
        for height, width in SIZES:
            image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
            upscaler = Reference(stored)
            try:
                shapes = infer_shapes(program, height, width)
            except (ShapeError, ScaleError):
                with pytest.raises(EngineError, match="too small"):
                    upscaler(image)
                continue
            result = upscaler(image)
            assert result.shape == image.shape
            assert np.array_equal(result, Reference(program)(image))
            assert all(0 not in shape for shape in shapes.values())
            assert all(cost > 0 for cost in multiply_adds(program, height, width).values())
            field_of_view(program, height, width)
