"""Pictures of analyses: every kind is drawn, readable as a file, and the same twice."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib")

from intaglio.analyze import (
    BoundPercentiles,
    OutlierColour,
    SiteDistribution,
    SiteSensitivity,
    WeightCondition,
    cost,
)
from intaglio.analyze.draw import (
    draw_colour,
    draw_conditions,
    draw_cost,
    draw_distributions,
    draw_percentiles,
    draw_sensitivity,
    save_figure,
)
from intaglio.arch.examples import random_network

NAMES = [f"layers.0.residual_group.blocks.{index}.mlp.fc1:weight" for index in range(5)]


def distribution(site: str, bounds: tuple[tuple[float, float], ...]) -> SiteDistribution:
    return SiteDistribution(site, True, 4, 15, -1.0, 1.0, 0.0, 0.5, bounds, 0.2, (1, 4, 0, 10))


PICTURES: dict[str, Callable[[], object]] = {
    "distributions": lambda: next(iter(draw_distributions([distribution(name, ((-0.5, 0.5),)) for name in NAMES]))),
    "percentiles": lambda: draw_percentiles([BoundPercentiles(NAMES[0], True, "dobi", 0.1, 99.0)]),
    "sensitivity": lambda: draw_sensitivity([SiteSensitivity(name, True, 4, 0.1, 1e-6, 2e-6) for name in NAMES]),
    "measured only": lambda: draw_sensitivity([SiteSensitivity(name, False, 4, 0.1, 1e-6, None) for name in NAMES]),
    "colour": lambda: draw_colour([OutlierColour(name, 0.5, -1.0, 1.0, 0.2, 0.3) for name in NAMES]),
    "conditions": lambda: draw_conditions([WeightCondition(name, 4, 4, 2.0, 1.0, 2.0) for name in NAMES]),
    "cost": lambda: draw_cost(cost(random_network("SwinIR"), 16, 16)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_a_readable_file_and_the_same_twice(name: str, tmp_path: Path) -> None:
    for ending in ("png", "svg"):
        files = [tmp_path / f"{turn}.{ending}" for turn in (1, 2)]
        for file in files:
            save_figure(PICTURES[name](), file)  # type: ignore[arg-type]
        assert files[0].read_bytes() == files[1].read_bytes()
    picture = np.asarray(Image.open(io.BytesIO((tmp_path / "1.png").read_bytes())).convert("L"))
    assert picture.shape[1] > 600
    assert picture.min() < 100
    assert (tmp_path / "1.svg").read_text().startswith("<?xml")


def test_sites_are_cut_into_pages() -> None:
    rows = [distribution(f"{index}:weight", ()) for index in range(17)]
    pages = list(draw_distributions(rows))
    assert [sum(axes.get_visible() for axes in page.axes) for page in pages] == [16, 1]
