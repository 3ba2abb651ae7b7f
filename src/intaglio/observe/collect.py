"""One pass of calibration pictures through the float network that serves every site's search.

Each site sees unquantized input and hands on unquantized output (2DQuant's released order), so that all are fitted at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from intaglio import ranks
from intaglio.errors import CalibrationError
from intaglio.observe.histogram import Histogram
from intaglio.observe.search import Search
from intaglio.quant import QuantModel, SiteInfo
from intaglio.quant.model import is_per_channel
from intaglio.spec import Bounds, SiteName

T = TypeVar("T")

BATCH_PIXELS = 4 * 64 * 64
"""Pixels that run at a time where nothing needs all patches at once: tensors small enough that memory is used again."""

Visit = Callable[[SiteInfo, Tensor], T]
Fit = Callable[[SiteInfo, Float32[np.ndarray, " n"]], Bounds]


@contextmanager
def _listening(model: QuantModel, hear: Callable[[SiteInfo, Tensor], None]) -> Iterator[None]:
    handles = []
    for site in model.sites.values():
        if not site.is_weight:

            def hook(_module: nn.Module, args: tuple[Any, ...], site: SiteInfo = site) -> None:
                hear(site, args[0])

            handles.append(model.quantizer(site.name).register_forward_pre_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def visit_sites(model: QuantModel, patches: Float[Tensor, "n c h w"], visit: Visit[T]) -> dict[SiteName, T]:
    """Call `visit` once for every weight and once for every activation site, with the whole tensor each.

    The patches go through in one batch, so a visitor sees a site's full tensor and nothing has to be kept. Returns
    what the visits return, in the order of ``model.sites``. Hooks are removed whatever happens.
    """
    results: dict[SiteName, T] = {}

    def hear(site: SiteInfo, tensor: Tensor) -> None:
        results[site.name] = visit(site, tensor)

    with torch.inference_mode():
        for site in model.sites.values():
            if site.is_weight:
                hear(site, model.weight(site))
        with _listening(model, hear):
            model(patches)
    return {name: results[name] for name in model.sites if name in results}


def fit_bounds(
    model: QuantModel, patches: Float[Tensor, "n c h w"], fit: Fit, on_site: Callable[[], None] = lambda: None
) -> dict[SiteName, Bounds | list[Bounds]]:
    """Bounds of every site by one pass: `fit` gets the site and its values, flat and in single precision.

    Sites that read the same tensor with equal widths and shapes (q, k and v read one LayerNorm output) are fitted
    once. Per-channel weights are fitted row by row. `on_site` is called after each site, for a progress bar.
    """
    last: list[tuple[Tensor, tuple[Any, ...], Bounds]] = []

    def visit(site: SiteInfo, tensor: Tensor) -> Bounds | list[Bounds]:
        try:
            if is_per_channel(model, site):
                return [fit(site, row.detach().cpu().numpy()) for row in tensor.float().flatten(1)]
            key = (tensor.shape, site.bits, site.shape)
            if last and last[0][0] is tensor and last[0][1] == key:
                return last[0][2]
            found = fit(site, tensor.detach().float().contiguous().cpu().numpy().ravel())
            last[:] = [(tensor, key, found)]
            return found
        finally:
            on_site()

    return visit_sites(model, patches, visit)


def batches(patches: Float[Tensor, "n c h w"]) -> tuple[Tensor, ...]:
    """The patches in parts of at most `BATCH_PIXELS` pixels, of one patch at least."""
    return torch.split(patches, max(1, BATCH_PIXELS // (patches.shape[2] * patches.shape[3])))


def own_crops(patches: Float[Tensor, "n c h w"]) -> Float[Tensor, "m c h w"]:
    """The crops that this process computes (`intaglio.ranks`), one at least.

    Raises: CalibrationError where there are fewer patches than processes (remedy: fewer processes).
    """
    if len(patches) < ranks.count():
        raise CalibrationError(
            f"{ranks.count()} processes share {len(patches)} calibration crops; start at most as many processes."
        )
    return patches[ranks.own_slice(len(patches))]


def histograms(
    model: QuantModel,
    patches: Float[Tensor, "n c h w"],
    of_interest: Callable[[SiteInfo], bool] = lambda site: True,
    on_batch: Callable[[], None] = lambda: None,
) -> dict[SiteName, Histogram]:
    """The distribution of every activation site of interest over some patches, a few of them at a time.

    Sites that read the same tensor (q, k and v read one LayerNorm output) share a histogram. `on_batch` is called after
    each batch. Memory: a pass of one of them, and a histogram for each tensor. Processes of one calibration share the
    batches, and each gets all that was seen.
    """
    found: dict[SiteName, Histogram] = {}

    def hear(site: SiteInfo, tensor: Tensor) -> None:
        if not of_interest(site):
            return
        shared = found.get(last[0][1]) if last and last[0][0] is tensor else None
        if shared is not None and found.setdefault(site.name, shared) is shared:
            return
        found.setdefault(site.name, Histogram()).add(tensor)
        last[:] = [(tensor, site.name)]

    with torch.inference_mode(), _listening(model, hear):
        for batch in batches(own_crops(patches)):
            last: list[tuple[Tensor, SiteName]] = []
            model(batch)
            on_batch()
    for histogram in {id(one): one for one in found.values()}.values():
        histogram.merge()
    return found


def fit_weight(model: QuantModel, site: SiteInfo, search: Search) -> Bounds | list[Bounds]:
    """Bounds of one weight as it is now: one pair, or one for each output channel where the model asks for that."""
    rows = model.weight(site).detach().cpu().float().flatten(1)
    if is_per_channel(model, site):
        return [search(row.numpy(), site.bits) for row in rows]
    return search(rows.contiguous().numpy().ravel(), site.bits)
