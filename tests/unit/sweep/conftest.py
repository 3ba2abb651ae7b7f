"""A place to sweep in: a tiny SwinIR, two calibration pictures, a test set of two small pictures."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from intaglio.arch.registry import find
from intaglio.arch.swinir import SwinIRConfig
from intaglio.images import write_image
from intaglio.sweep import Folders

SPEC = """
datasets = ["Set5"]

[[networks]]
name = "tiny"
checkpoint = "tiny.safetensors"

[calibrations.pictures]
folder = "pictures"

[[grid]]
methods = ["bicubic", "float"]

[[grid]]
methods = ["minmax"]
bits = [4, 2]
settings = { patches = 2, patch_size = 8 }

[[grid]]
methods = ["2dquant"]
bits = [3]
settings = { iterations = 75, batch = 2, patches = 2, patch_size = 8, pool = 4 }
"""


@dataclass(frozen=True)
class Workplace:
    """Folders, the sweep file, and where records go."""

    folders: Folders
    spec: Path
    records: Path

    def words(self, *more: str) -> list[str]:
        """The words of ``intaglio sweep`` here."""
        folders = (
            *("--checkpoints", str(self.folders.checkpoints)),
            *("--calibration", str(self.folders.calibration), "--data", str(self.folders.data)),
        )
        return ["sweep", str(self.spec), "--records", str(self.records), *folders, "--threads", "1", *more]


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """A fresh place with the sweep of `SPEC`."""
    torch.manual_seed(0)
    config = SwinIRConfig(scale=2, embed_dim=12, depths=(2,), heads=(2,), mlp_hidden=24)
    network = find("swinir").build(config)
    save_file(network.state_dict(), tmp_path / "tiny.safetensors")
    rng = np.random.default_rng(0)
    for folder, count, side in (("calibration/pictures", 2, 16), ("data/Set5/HR", 2, 32)):
        (tmp_path / folder).mkdir(parents=True)
        for index in range(count):
            picture = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
            write_image(tmp_path / folder / f"{index}.png", picture)
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC)
    folders = Folders(tmp_path, tmp_path / "calibration", tmp_path / "data")
    return Workplace(folders, spec, tmp_path / "records.jsonl")


@pytest.fixture
def elsewhere(workplace: Workplace, tmp_path: Path) -> Workplace:
    """The same sweep with its own file of records."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(workplace.spec, other / "spec.toml")
    return Workplace(workplace.folders, other / "spec.toml", other / "records.jsonl")
