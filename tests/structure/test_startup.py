"""What a process loads before it does its work. Nobody waits for modules that his command does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jaxtyping
import numpy as np
import pytest

from intaglio import _shapes
from intaglio.cli.app import COMMANDS
from intaglio.images import dead_leaves, downscale, write_image
from intaglio.packed.examples import random_program
from intaglio.packed.format import save

NO_HELP = {"numpy", "PIL", "pydantic", "intaglio.runtime._core", "intaglio.quant._fused"}
"""Showing the help computes nothing and coerces nothing."""

NO_PICTURE = {"torch", "jaxtyping", "unittest", "asyncio", "rich", "intaglio.evaluate", "intaglio.runtime.reference"}
"""Enlarging one picture in the native core draws no bars, measures nothing and checks no shapes of annotations."""

NO_IMAGES = {f"intaglio.images.{name}" for name in ("bicubic", "leaves", "scene", "synthetic", "tiles")}
"""Of `images`, reading and writing is all that a picture needs which fits into memory."""

NO_COMMANDS = {place.partition(":")[0] for name, place in COMMANDS.items() if name != "upscale"}

UPSCALE = "import sys; from intaglio.cli import main; main(['upscale', sys.argv[1], sys.argv[2]])"
FROM_PYTHON = """
import sys
import numpy as np
from intaglio.runtime.engine import load_engine
load_engine(sys.argv[1])(np.zeros((8, 8, 3), np.uint8))
"""


def loaded(program: str, *words: object, **options: int) -> set[str]:
    """The modules that a fresh interpreter has loaded when `program` has run."""
    told = f"{program}\nimport sys; print('\\n'.join(['loaded:', *sys.modules]))"
    command = [sys.executable, "-c", told, *map(str, words)]
    settings = {"check": True, "text": True, "stdout": subprocess.PIPE} | options
    return set(subprocess.run(command, **settings).stdout.partition("loaded:\n")[2].split())  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed network of the smallest size."""
    path = tmp_path_factory.mktemp("model") / "model.intaglio"
    save(random_program(np.random.default_rng(0)), path)
    return path


def test_help_loads_nothing_that_computes() -> None:
    modules = loaded("from intaglio.cli import main; main(['--help'])")
    assert {place.partition(":")[0] for place in COMMANDS.values()} <= modules
    assert modules & (NO_HELP | NO_PICTURE - {"rich"}) == set()


@pytest.mark.parametrize("terminal", [False, True])
def test_upscale_loads_only_what_a_picture_needs(model: Path, tmp_path: Path, terminal: bool) -> None:
    """At a terminal too, where other commands draw a bar."""
    write_image(tmp_path / "picture.png", dead_leaves(13, 21, seed=0))
    ours, theirs = os.openpty()
    modules = loaded(UPSCALE, model, tmp_path / "picture.png", stderr=theirs if terminal else subprocess.PIPE)
    os.close(ours), os.close(theirs)
    assert (tmp_path / "picture_x2.png").exists()
    assert "intaglio.runtime._core" in modules
    assert modules & (NO_PICTURE | NO_IMAGES | NO_COMMANDS) == set()


def test_a_picture_from_python_needs_no_command_line(model: Path) -> None:
    modules = loaded(FROM_PYTHON, model)
    assert "intaglio.runtime._core" in modules
    assert modules & (NO_PICTURE | {"typer", "pydantic", "PIL", "secrets", "intaglio.images", "intaglio.cli"}) == set()


def test_these_tests_check_shapes() -> None:
    """`_shapes` spares jaxtyping where nobody checks; here the import hook does."""
    assert all(getattr(_shapes, name) is getattr(jaxtyping, name) for name in _shapes.__all__)
    with pytest.raises(jaxtyping.TypeCheckError):
        downscale(np.zeros((4, 4, 3), np.float32), 2)  # type: ignore[arg-type]
