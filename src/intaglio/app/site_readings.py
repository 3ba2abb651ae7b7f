"""Sensitivity and distributions of a packed model's sites, read from its float network: torch is imported here."""

from __future__ import annotations

import numpy as np
import torch

from intaglio.app.networks import NetworkSource, open_network
from intaglio.errors import SpecError
from intaglio.observe.readings import read_sites
from intaglio.packed.format import PackedModel
from intaglio.progress import Progress
from intaglio.report import Views
from intaglio.spec import Coverage, Granularity, QuantSpec, SiteReading

PATCH = 32
"""Side in LR pixels of the patch on which each site is measured alone."""


def readings_of(
    packed: PackedModel, source: NetworkSource, views: Views, progress: Progress
) -> tuple[SiteReading, ...]:
    """Read every site on a patch of the picture shown, cut around its worst tile."""
    tile = views.artifacts.tile if views.artifacts else None
    centre = (tile.top + tile.height // 2, tile.left + tile.width // 2) if tile else (0, 0)
    top, left = (
        min(max(0, place // views.scale - PATCH // 2), max(0, length - PATCH))
        for place, length in zip(centre, views.lr.shape[:2], strict=True)
    )
    patch = np.ascontiguousarray(views.lr[top : top + PATCH, left : left + PATCH])
    batch = torch.from_numpy(patch).permute(2, 0, 1)[None].float() / 255.0
    grids = {site.name: site.grids for site in packed.program.sites()}
    return read_sites(open_network(source), _spec(packed), grids, batch, progress=progress)


def _spec(packed: PackedModel) -> QuantSpec:
    """What the model was quantized to, by its header. Raises: SpecError where the header does not tell."""
    recipe = packed.header.recipe
    try:
        return QuantSpec(
            weight_bits=recipe["weight_bits"],
            act_bits=recipe["act_bits"],
            coverage=Coverage(recipe["coverage"]),
            weight_granularity=Granularity(recipe["granularity"]),
            share_input=bool(recipe.get("share_input", False)),
        )
    except (KeyError, ValueError) as error:
        raise SpecError(f"the model's header lacks its recipe ({error}); pass --no-sites, or pack it again.") from error
