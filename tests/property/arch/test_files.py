"""A damaged checkpoint file is refused with one line, or still loads; nothing else may come out of reading it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from intaglio.arch import load
from intaglio.arch.edsr import EDSR, EDSRConfig
from intaglio.errors import CheckpointError

STATE = EDSR(EDSRConfig(scale=2, features=2, blocks=1)).state_dict()


def torch_bytes(**options: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(STATE, buffer, **options)
    return buffer.getvalue()


CONTENTS = {
    "net.safetensors": save(STATE),
    "net.pth": torch_bytes(),
    "legacy.pth": torch_bytes(_use_new_zipfile_serialization=False),
}


def outcome(path: Path) -> str:
    try:
        return load(path).architecture
    except CheckpointError as error:
        return f"refused: {error}"


@pytest.mark.parametrize("name", CONTENTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_load_or_are_refused(tmp_path: Path, name: str, data: st.DataObject) -> None:
    content = bytearray(CONTENTS[name])
    for _ in range(data.draw(st.integers(1, 8), label="changes")):
        content[data.draw(st.integers(0, min(len(content) - 1, 2000)), label="where")] = data.draw(st.integers(0, 255))
    path = tmp_path / name
    path.write_bytes(content)
    found = outcome(path)
    assert found == "EDSR" or (found.startswith("refused: ") and "\n" not in found)
