"""The page holds what it was given, nothing from elsewhere, and leaves out what is not there."""

from __future__ import annotations

import dataclasses
import io
import re
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from intaglio.evaluate import Calibration, Record
from intaglio.evaluate.artifacts import LIMITS
from intaglio.report import Content, Facts, render, rows_of_records
from intaglio.report.pictures import LARGEST_SIDE, data_uri, difference_map, legend_colours, window_around
from intaglio.report.svg import drawing, to_svg

VOID = {"meta", "link", "img", "input", "br", "wbr", "i"}


class Page(HTMLParser):
    """Collects tags with their attributes and checks that they close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def text(content: Content) -> str:
    return render(content)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_nothing_comes_from_elsewhere(page: Page, text: str) -> None:
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
    assert not re.search(r"url\((?!#)|@import|<base|fetch\(|XMLHttpRequest", text)
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy


def test_pictures_are_lossless(page: Page, content: Content) -> None:
    assert content.views is not None
    for image in page.all("img"):
        name = image.get("data-view")
        if name in content.views.pictures:
            source = image["src"]
            assert source is not None
            decoded = np.array(Image.open(io.BytesIO(b64decode(source.partition(",")[2]))))
            assert np.array_equal(decoded, content.views.pictures[name])


def test_every_picture_and_plot_has_words(page: Page) -> None:
    shown = [image for image in page.all("img") if image.get("src")]
    assert len(shown) == 10  # five views, and the worst tile of each
    assert all(image["alt"] for image in shown)
    plots = page.all("svg")
    assert len(plots) == 6  # size, time, sensitivity, three distributions
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)
    assert all(header.get("scope") for header in page.all("th"))


def test_identifiers_are_unique(page: Page) -> None:
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    targets = {str(one["xlink:href"])[1:] for one in page.all("use")}
    assert targets <= set(names)


def test_figures_reasons_and_escapes(text: str, content: Content) -> None:
    for words in ("31.50", "-2.50", "9.00<small> times", "fail", "RMS luma error", "drawn (2 pictures)"):
        assert words in text
    assert "&lt;angle brackets&gt; &amp; an ampersand" in text
    assert content.verdict is not None
    assert all(LIMITS[finding.measure].title in text for finding in content.verdict.findings)
    assert "The other 8 sites" in text


def test_the_same_content_gives_the_same_page(text: str, content: Content) -> None:
    assert render(content) == text


def test_parts_that_are_missing_leave_no_trace(content: Content) -> None:
    bare = Content("Records", "none", content.rows[:1], (Facts("Seeds", (("seeds", "0"),)),))
    page = Page(render(bare))
    assert [page.all(tag) for tag in ("script", "svg", "img", "details")] == [[], [], [], []]
    without_float = dataclasses.replace(content, verdict=None, sites=(), distributions=())
    assert "What the guard looked at" not in render(without_float)


def test_colours_follow_the_page(text: str) -> None:
    assert "var(--quantized)" in text
    assert "#0102" not in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_large_pictures_are_cut_around_the_worst_tile(content: Content) -> None:
    assert content.views is not None
    assert content.views.artifacts is not None
    tile = dataclasses.replace(content.views.artifacts.tile, top=1000, left=3000)
    rows, columns = window_around(2000, 4000, tile)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (LARGEST_SIDE, LARGEST_SIDE)
    assert rows.start <= 1000
    assert rows.stop >= 1064
    assert columns.start <= 3000
    assert columns.stop >= 3064
    assert window_around(50, 60, None) == (slice(0, 50), slice(0, 60))


def test_difference_map_brightens_with_the_difference() -> None:
    reference = np.zeros((1, 5, 3), np.uint8)
    quantized = np.repeat(np.array([[0, 5, 10, 20, 200]], np.uint8)[..., None], 3, axis=2)
    luma = difference_map(quantized, reference) @ np.array([0.2126, 0.7152, 0.0722])
    assert np.all(np.diff(luma[0]) > 0)
    colours = legend_colours()
    assert len(set(colours)) == len(colours)


def test_an_svg_keeps_its_text_and_its_name() -> None:
    with drawing("one", 200.0, 100.0) as figure:
        figure.add_subplot().plot([0, 1], [0, 1], label="a line")
        svg = to_svg(figure, "one", 'quotes " & brackets <')
    assert 'aria-label="quotes &#34; &amp; brackets &lt;"' in svg
    assert re.search(r'viewBox="0 0 200(\.0)? 100(\.0)?"', svg)
    assert set(re.findall(r'id="([^"-]+)-', svg)) == {"one"}


def test_data_uris_begin_with_their_type() -> None:
    assert data_uri(np.zeros((3, 3, 3), np.uint8)).startswith("data:image/webp;base64,")


def _record(**changes: object) -> Record:
    fields = {
        "kind": "accuracy", "network": "SwinIR", "scale": 2, "method": "dobi", "weight_bits": 4, "act_bits": 4,
        "dataset": "Set5", "psnr_y": 36.0, "ssim_y": 0.95, "bytes": 800, "seconds": 2.0, "seed": 0,
        "per_image": {"a": (36.0, 0.9), "b": (36.0, 0.9)}, "calibration": Calibration("x", "y", 1),
        "weights_sha256": "w",
    }  # fmt: skip
    return Record(**(fields | changes))  # type: ignore[arg-type]


def test_rows_of_records_keep_one_cell_apart_from_another() -> None:
    records = [
        _record(),
        _record(psnr_y=36.5),
        _record(dataset="Set14"),
        _record(kind="speed"),
        _record(method="float"),
        _record(weights_sha256="others"),
    ]
    (row, reference) = rows_of_records(records, weights_sha256="w", scale=2, dataset="Set5")
    assert (row.label, row.role, row.psnr_y, row.milliseconds, row.series) == (
        "dobi w4a4",
        "record",
        36.5,
        1000.0,
        "dobi",
    )
    assert reference.role == "float"
    elsewhere = _record(calibration=Calibration("drawn", "z", 1))
    assert [one.label for one in rows_of_records([_record(), elsewhere])] == ["dobi w4a4 (x)", "dobi w4a4 (drawn)"]
    everything = rows_of_records(records)
    assert [one.label for one in everything][1] == "dobi w4a4 SwinIR x2 Set14"
    assert {one.role for one in everything} == {"record"}
