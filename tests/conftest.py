"""What all tests share: the optional folder of test data, settings of hypothesis, one computing thread each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is first imported: workers of a parallel test run would only wait for one another's threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with test sets and calibration pictures; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("INTAGLIO_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no test data at {folder}; set INTAGLIO_SHARED to the folder that holds data/testsets")
    return folder
