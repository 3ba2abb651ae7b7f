"""The window without its page: who is let in, what is taken, what comes back, what is written where."""

from __future__ import annotations

import io
import socket
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intaglio.app.library import Kind, models_in, source_of
from intaglio.errors import OutputError
from intaglio.images import read_image, read_picture
from intaglio.images.picture import Picture
from intaglio.images.writing import write_picture
from intaglio.runtime.engine import load_engine
from intaglio.window.folder import Folder, UnusableNameError, safe_name

from .conftest import CHECKPOINT, MODEL, Client

FOREIGN = "http://evil.example"


def test_it_listens_on_loopback_alone(address: str) -> None:
    port = urlsplit(address).port
    assert urlsplit(address).hostname == "127.0.0.1"
    with socket.socket() as other:
        other.settimeout(1)
        assert other.connect_ex(("127.0.0.2", port or 0)) != 0


@pytest.mark.parametrize("path", ["/", "/api/models", "/files/x", "/window.js"])
def test_another_host_is_refused(client: Client, path: str) -> None:
    port = urlsplit(client.address).port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "localhost:1", ""):
        assert client.ask(path, Host=host).status in (400, 403)
    assert client.ask("/", Host=f"localhost:{port}").status == 200


@pytest.mark.parametrize("headers", [{"Origin": FOREIGN}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}])
def test_another_page_is_refused(client: Client, headers: dict[str, str]) -> None:
    refused = client.ask("/api/pictures?name=a.png", b"x", **headers)
    assert refused.status == 403
    assert "another page" in refused.json["error"]


def test_every_answer_forbids_what_comes_from_elsewhere(client: Client) -> None:
    for path in ("/", "/window.js", "/api/models", "/nothing"):
        headers = client.ask(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"


def test_the_page_asks_for_nothing_from_elsewhere(client: Client) -> None:
    for path in ("/", "/window.css", "/window.js", "/compare.js", "/icon.svg"):
        text = client.ask(path).body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text.replace("// ", "")


def test_models_are_told_apart(client: Client, models: Path) -> None:
    packed, float_ = client.model(MODEL), client.model(CHECKPOINT)
    assert (packed["kind"], packed["label"], packed["scale"]) == ("packed", "w4a4 minmax", 2)
    assert packed["source"] == float_["id"]
    found = models_in([models])
    assert [one.kind for one in found] == [Kind.PACKED, Kind.FLOAT]
    assert source_of(found[0], found) == found[1]
    assert source_of(found[0], found[:1]) is None


def added(client: Client, path: Path) -> str:
    answer = client.ask(f"/api/pictures?name={path.name}", path.read_bytes())
    assert answer.status == 200, answer.body
    return str(answer.json["id"])


@pytest.mark.parametrize("way", ["model", "bicubic", "float"])
def test_a_picture_is_enlarged_each_way(client: Client, pictures: Path, models: Path, way: str) -> None:
    picture, model = added(client, pictures / "leaves.png"), client.model(MODEL)["id"]
    told = client.result(client.post("/api/enlarge", picture=picture, model=model, way=way))
    assert told["state"] == "done", told["error"]
    result = told["result"]
    assert (result["width"], result["height"], result["name"]) == (64, 48, "leaves_x2.png")
    got = client.ask(f"/files/{result['file']}?download")
    assert got.headers["content-disposition"] == 'attachment; filename="leaves_x2.png"'
    assert len(got.body) == result["bytes"]
    if way == "model":
        target = models / "intaglio-app" / "expected.png"
        target.write_bytes(got.body)
        expected = load_engine(models / MODEL)(read_image(pictures / "leaves.png"))
        assert (read_image(target) == expected).all()


def test_sixteen_bits_are_shown_in_eight_and_kept_in_the_file(client: Client, tmp_path: Path) -> None:
    pytest.importorskip("pyvips")
    source = tmp_path / "deep.tif"
    write_picture(source, Picture(np.random.default_rng(0).integers(0, 65536, (8, 8, 3)).astype(np.uint16), bits=16))
    picture, model = added(client, source), client.model(MODEL)["id"]
    result = client.result(client.post("/api/enlarge", picture=picture, model=model, way="model"))["result"]
    for key, name, bits in (("file", "a.tif", 16), ("preview", "a.png", 8)):
        (tmp_path / name).write_bytes(client.ask(f"/files/{result[key]}").body)
        assert read_picture(tmp_path / name).bits == bits


def test_results_come_in_one_file(client: Client, pictures: Path) -> None:
    model, files = client.model(MODEL)["id"], []
    for name in ("leaves.png", "leaves.png", "other.jpg"):
        job = client.post("/api/enlarge", picture=added(client, pictures / name), model=model, way="model")
        files.append(client.result(job)["result"]["file"])
    bundle = client.post("/api/bundle", files=files).json
    with zipfile.ZipFile(io.BytesIO(client.ask(f"/files/{bundle['file']}?download").body)) as archive:
        assert archive.namelist() == ["leaves_x2.png", "2-leaves_x2.png", "other_x2.jpg"]
        assert archive.read("leaves_x2.png") == client.ask(f"/files/{files[0]}").body


@pytest.mark.parametrize(("name", "told"), [("cut.png", "truncated"), ("text.png", "text.png")])
def test_a_wrong_file_is_told_by_its_name(client: Client, pictures: Path, models: Path, name: str, told: str) -> None:
    before = set((models / "intaglio-app" / "uploads").iterdir())
    answer = client.ask(f"/api/pictures?name={name}", (pictures / name).read_bytes())
    assert answer.status == 400
    assert told in answer.json["error"]
    assert str(models) not in answer.json["error"]
    assert set((models / "intaglio-app" / "uploads").iterdir()) == before


@pytest.mark.parametrize("name", ["film.mkv", "notes.txt", "picture", ""])
def test_what_is_no_picture_is_refused_by_its_name(client: Client, name: str) -> None:
    assert client.ask(f"/api/pictures?name={name}", b"x").status == 400


def test_uploads_have_a_limit_whether_their_length_is_told_or_not(client: Client, models: Path) -> None:
    uploads = models / "intaglio-app" / "uploads"
    assert client.ask("/api/pictures?name=a.png", bytes(100_001)).status == 413
    with socket.create_connection(("127.0.0.1", urlsplit(client.address).port or 0)) as line:
        head = f"POST /api/pictures?name=b.png HTTP/1.1\r\nHost: {urlsplit(client.address).netloc}\r\n"
        line.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(3):
            line.sendall(b"c350\r\n" + bytes(50_000) + b"\r\n")
        line.sendall(b"0\r\n\r\n")
        assert line.recv(12) == b"HTTP/1.1 413"
    assert [path.name for path in uploads.rglob("*") if path.name.endswith((".part", "a.png", "b.png"))] == []


def test_a_checkpoint_is_quantized_into_the_windows_own_folder(client: Client, models: Path) -> None:
    asked = {"model": client.model(CHECKPOINT)["id"], "bits": 4, "effort": "quick", "coverage": "paper"}
    told = client.result(client.post("/api/quantize", **asked))
    assert told["state"] == "done", told["error"]
    made = models / "intaglio-app" / "models" / "tiny.w4a4-dobi.intaglio"
    assert made.is_file()
    assert told["result"]["bytes"] == made.stat().st_size
    assert client.model(made.name)["source"] == asked["model"]
    free = Folder(models).free_model(made.name)
    assert not free.exists()
    assert (free.parent, free.suffix) == (made.parent, made.suffix)
    assert {path.name for path in models.iterdir()} == {MODEL, CHECKPOINT, "intaglio-app"}


def test_a_quantization_can_be_cancelled(client: Client, models: Path) -> None:
    asked = {"model": client.model(CHECKPOINT)["id"], "bits": 2, "effort": "paper", "coverage": "paper"}
    job = client.post("/api/quantize", **asked)
    assert client.ask(f"/api/jobs/{job.json['id']}/cancel", b"").status == 200
    assert client.result(job)["state"] == "cancelled"
    assert not list((models / "intaglio-app" / "models").glob("*w2a2*"))


def test_what_cannot_be_done_is_one_line(client: Client, pictures: Path) -> None:
    model = client.model(MODEL)["id"]
    picture = added(client, pictures / "leaves.png")
    for path, content in (
        ("/api/quantize", {"model": model, "bits": 9, "effort": "quick", "coverage": "paper"}),
        ("/api/quantize", {"model": model, "bits": 4, "effort": "quick", "coverage": "all"}),
        ("/api/quantize", {"model": model, "bits": "4", "effort": "quick", "coverage": "paper"}),
        ("/api/enlarge", {"picture": picture, "model": model, "way": "magic"}),
        ("/api/enlarge", {"picture": "gone", "model": model, "way": "model"}),
        ("/api/enlarge", {"picture": picture, "model": "gone", "way": "model"}),
        ("/api/enlarge", {}),
        ("/api/bundle", {"files": ["gone"]}),
    ):
        answer = client.post(path, **content)
        assert answer.status in (400, 404)
        assert "\n" not in answer.json["error"]
    assert client.ask("/api/jobs", b"{").status == 400
    unfit = client.result(client.post("/api/quantize", model=model, bits=4, effort="quick", coverage="paper"))
    assert unfit["state"] == "failed"
    assert unfit["error"]


def test_a_damaged_model_is_not_kept(client: Client, models: Path) -> None:
    for name in ("bad.intaglio", "model.exe"):
        assert client.ask(f"/api/models?name={name}", b"x" * 50).status == 400
    assert not (models / "intaglio-app" / "models" / "bad.intaglio").exists()
    good = client.ask("/api/models?name=copy.intaglio", (models / MODEL).read_bytes())
    assert good.json["added"] == "copy.intaglio"


@given(st.text(max_size=200))
def test_names_never_leave_their_folder(name: str) -> None:
    try:
        plain = safe_name(name)
    except UnusableNameError:
        return
    assert Path(plain).name == plain
    assert len(plain) <= 121
    assert not plain.startswith((".", "-", "~."))


def test_what_is_left_of_an_earlier_window_is_removed_but_its_results(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.prepare()
    for part in ("uploads", "results"):
        folder.place(part, "a.png").write_bytes(b"x")
    folder.prepare()
    assert [path.parent.parent.name for path in tmp_path.rglob("a.png")] == ["results"]
    with pytest.raises(OutputError, match="no folder"):
        Folder(tmp_path / "missing").prepare()
