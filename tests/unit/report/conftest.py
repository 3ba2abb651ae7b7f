"""A whole page's content without torch and without test sets: a drawn picture, upscalers made by hand, invented
sites.

Sites are invented because their figures need a float network; what is tested is how the page shows them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8

from intaglio.evaluate import Dataset, load_dataset
from intaglio.evaluate.artifacts import judge, overall
from intaglio.images import dead_leaves, upscale, write_image
from intaglio.report import Comparison, Content, Contestant, Distribution, Facts, Row, SiteLine, compare

Picture = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Handmade:
    """Bicubic, then `change`: an upscaler whose fault is known."""

    change: Callable[[Picture], Picture]
    scale: int = 2

    def __call__(self, image: Picture, /) -> Picture:
        return self.change(upscale(image, self.scale))


def faulty(image: Picture) -> Picture:
    """Float's picture with one corner tile far too bright."""
    spoilt = image.copy()
    spoilt[:64, :64] = np.minimum(image[:64, :64].astype(int) + 60, 255)
    return spoilt


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two drawn pictures of 160 x 128 pixels at scale 2."""
    root: Path = tmp_path_factory.mktemp("testsets")
    (root / "drawn" / "HR").mkdir(parents=True)
    for seed, name in enumerate(("first", "second")):
        write_image(root / "drawn" / "HR" / f"{name}.png", dead_leaves(128, 160, seed))
    return load_dataset(root, "drawn", 2)


@pytest.fixture(scope="session")
def compared(dataset: Dataset) -> Comparison:
    """A faulty "quantized" upscaler beside a clean "float" one; the views are those of the second picture."""
    quantized = Contestant("w2a2 minmax", Handmade(faulty), bytes=400_000, runs_on="hand")
    reference = Contestant("float", Handmade(lambda image: image), bytes=3_600_000, runs_on="hand")
    return compare(quantized, reference, dataset, window=8, picture="second")


@pytest.fixture(scope="session")
def content(compared: Comparison) -> Content:
    """Every part of a page."""
    rows = (
        Row("bicubic", "bicubic", 30.0, 0.90, milliseconds=3.0, runs_on="numpy"),
        Row("float", "float", 34.0, 0.95, 3_600_000, 900.0, runs_on="torch"),
        Row("w2a2 minmax", "quantized", 31.5, 0.92, 400_000, 100.0, runs_on="native (avx2)"),
        *(
            Row(f"2dquant w{b}a{b}", "record", 32.0 + b / 3, 0.93, 300_000 * b, 90.0 * b, "2dquant", f"w{b}a{b}")
            for b in (2, 4)
        ),
    )  # fmt: skip
    sites = tuple(
        SiteLine(
            f"layers.0.residual_group.blocks.{index // 2}.mlp.fc{1 + index // 2 % 2}"
            f":{'weight' if index % 2 else 'input'}",
            tuple(range(4)),
            -1.0 - index / 10,
            1.5,
            900 * (index % 2),
            60.0 - index,
            0.001 * index,
        )
        for index in range(20)
    )
    counts = np.bincount(np.random.default_rng(0).binomial(95, 0.5, 50_000), minlength=96).astype(np.int64)
    return Content(
        title="SwinIR x2, w2a2 minmax",
        setting="Measured on drawn (2 pictures); shown is second.",
        rows=rows,
        facts=(
            Facts("Protocol", (("metric", "PSNR on luma, " * 12),)),
            Facts("Recipe", (("seed", "0"), ("method", "minmax"))),
        ),
        verdict=overall(judge(one) for one in compared.artifacts),
        views=compared.views,
        sites=sites,
        distributions=tuple(Distribution(site, counts, -2.0, 2.0) for site in sites[:3]),
        notes=("A note with <angle brackets> & an ampersand.",),
    )  # fmt: skip
