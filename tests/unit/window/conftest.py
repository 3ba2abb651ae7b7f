"""A window on a folder with a tiny packed model and the checkpoint that it was made of, served on a free port."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import pytest
from safetensors.torch import save_file

from intaglio.app.calibrating import CalibrationSource
from intaglio.app.quantizing import effort_recipe, quantize, save
from intaglio.arch.examples import random_network
from intaglio.images import dead_leaves, write_image
from intaglio.observe import CalibrationSet
from intaglio.provenance import file_sha256
from intaglio.spec import QuantSpec

pytest.importorskip("starlette", reason="starlette is not installed (extra 'app')")
pytest.importorskip("uvicorn", reason="uvicorn is not installed (extra 'app')")

MODEL, CHECKPOINT = "tiny.w4a4-minmax.intaglio", "tiny.safetensors"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of models."""
    folder = tmp_path_factory.mktemp("models")
    network = random_network("SwinIR")
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, folder / CHECKPOINT)
    recipe = effort_recipe("quick", QuantSpec(weight_bits=4, act_bits=4), "minmax", {"patches": 2, "patch_size": 16})
    made = quantize(network, recipe, CalibrationSet.synthetic(2, 32, 0), checked=False)
    save(made, folder / MODEL, source_sha256=file_sha256(folder / CHECKPOINT))
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture, a 16-bit one, one that is cut, and a text that says it is one."""
    folder = tmp_path_factory.mktemp("dropped")
    write_image(folder / "leaves.png", dead_leaves(24, 32, seed=0))
    write_image(folder / "other.jpg", dead_leaves(16, 16, seed=1))
    (folder / "cut.png").write_bytes((folder / "leaves.png").read_bytes()[:300])
    (folder / "text.png").write_text("no picture")
    return folder


@pytest.fixture(scope="session")
def address(models: Path) -> Iterator[str]:
    """The window's address."""
    from intaglio.window.serve import served

    with served(models, max_upload=100_000, calibration=CalibrationSource(count=8, size=64)) as found:
        yield found


@dataclass(frozen=True)
class Answer:
    """What the window answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Asks the window as a browser does, without one."""

    address: str

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """GET without a body, POST with one. Names of headers have underscores for dashes."""
        connection = HTTPConnection(urlsplit(self.address).netloc, timeout=60)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request("GET" if body is None else "POST", path, body, names)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, path: str, **content: object) -> Answer:
        """A question in JSON."""
        return self.ask(path, json.dumps(content).encode())

    def model(self, name: str) -> dict[str, Any]:
        """What the window says of the model of that name."""
        (found,) = (one for one in self.ask("/api/models").json["models"] if one["name"] == name)
        return dict(found)

    def result(self, job: Answer) -> dict[str, Any]:
        """A job when it has ended."""
        assert job.status == 200, job.body
        told = job.json
        while told["state"] in ("waiting", "running"):
            sleep(0.02)
            (told,) = self.post("/api/jobs", jobs=[told["id"]]).json["jobs"]
        return dict(told)


@pytest.fixture
def client(address: str) -> Client:
    """Something that asks the window."""
    return Client(address)
