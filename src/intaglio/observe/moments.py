"""Means and covariances of layer inputs, streamed: what closed-form weight editing knows of the activations.

No activation is kept, only (C,) and (C, C) sums in double precision. What is done with them is in `intaglio.methods`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import unfold

from intaglio import ranks
from intaglio.errors import MethodError
from intaglio.observe.collect import visit_sites
from intaglio.quant import QuantModel, SiteInfo
from intaglio.quant.layers import QuantConv2d, QuantLayer, input_role
from intaglio.spec import SiteName


@dataclass(frozen=True)
class Moments:
    """Mean (C,) and centred covariance (C, C), divided by N, of N rows of C values; both in double precision."""

    count: int
    mean: Float64[Tensor, " c"]
    covariance: Float64[Tensor, "c c"]

    @classmethod
    def of(cls, rows: Float[Tensor, "n c"]) -> Moments:
        """The moments of some rows, by two passes.

        >>> Moments.of(torch.tensor([[1.0], [3.0]])).covariance.tolist()
        [[1.0]]
        """
        values = rows.double()
        mean = values.mean(0)
        centred = values - mean
        return cls(len(values), mean, centred.T @ centred / len(values))

    def to(self, device: torch.device) -> Moments:
        """The same moments on a device."""
        return Moments(self.count, self.mean.to(device), self.covariance.to(device))

    def merged(self, other: Moments) -> Moments:
        """The moments of the rows of both, without any of them (the parallel form of Chan et al., 1979)."""
        count = self.count + other.count
        shift = other.mean - self.mean
        share = other.count / count
        between = share * (1.0 - share) * torch.outer(shift, shift)
        covariance = (1.0 - share) * self.covariance + share * other.covariance + between
        return Moments(count, self.mean + share * shift, covariance)


def input_rows(layer: QuantLayer, x: Float[Tensor, ...]) -> Float[Tensor, "n c"]:
    """What each row of a layer's weight matrix is multiplied with: one row for each token, or pixel of the output.

    Shapes: (..., C) of a linear to (N, C); a padded map (N, C, H, W) of a convolution to (N * H' * W', C * kh * kw), in
    the order of ``weight.flatten(1)``. Raises: MethodError for a grouped convolution (remedy: a method without weights'
    statistics).
    """
    if not isinstance(layer, QuantConv2d):
        return x.reshape(-1, x.shape[-1])
    if layer.groups != 1:
        raise MethodError(
            "a grouped convolution has no single weight matrix; choose a method that edits no weights, such as 2dquant."
        )
    columns = unfold(x, layer.weight.shape[2:], layer.dilation, 0, layer.stride)
    return columns.transpose(1, 2).reshape(-1, columns.shape[1])


def input_sites(model: QuantModel, weight: SiteInfo) -> tuple[SiteInfo, ...]:
    """The activation sites that the layer of a weight site reads: one for each call of it in a pass."""
    roles = {weight.role.removesuffix("weight") + role for role in map(input_role, range(model.layer(weight).calls))}
    sites = (site for site in model.sites.values() if site.path == weight.path)
    return tuple(site for site in sites if roles.intersection(site.readers))


def of_all_processes(own: Sequence[Moments]) -> list[Moments]:
    """Each merged with its like in the other processes of this calibration, in the order of ranks by each of them."""
    if ranks.count() == 1:
        return list(own)
    parts = ranks.gathered([one.to(torch.device("cpu")) for one in own])
    merged = [reduce(Moments.merged, column) for column in zip(*parts, strict=True)]
    return [one.to(mine.mean.device) for one, mine in zip(merged, own, strict=True)]


def input_moments(model: QuantModel, batches: Iterable[Float[Tensor, "_ _ _ _"]]) -> dict[SiteName, Moments]:
    """Moments of the input of every weight site, by the name of the weight site, over all batches.

    The model runs as it is: unset sites pass float values on. Sites that read one tensor (q, k and v) share one result.
    Cost: one pass, and C^2 multiplications for each row. `batches` are those of this process (`intaglio.ranks`); the
    moments are those of all.

    Raises: MethodError for a grouped convolution.
    """
    readers: dict[SiteName, list[SiteName]] = {}
    for site in model.sites.values():
        if site.is_weight:
            for read in input_sites(model, site):
                readers.setdefault(read.name, []).append(site.name)
    found: dict[SiteName, Moments] = {}
    last: list[tuple[Tensor, Moments]] = []

    def visit(site: SiteInfo, x: Tensor) -> None:
        if site.name not in readers:
            return
        if not (last and last[0][0] is x):
            last[:] = [(x, _by_pictures(model.layer(site), x))]
        for name in readers[site.name]:
            found[name] = found[name].merged(last[0][1]) if name in found else last[0][1]

    for batch in batches:
        visit_sites(model, batch, visit)
    return dict(zip(found, of_all_processes(tuple(found.values())), strict=True))


def _by_pictures(layer: QuantLayer, x: Tensor) -> Moments:
    # Unfolded rows of a convolution are kh * kw times the map, so they are made for one picture at a time.
    parts = torch.split(x, 1) if isinstance(layer, QuantConv2d) else (x,)
    moments = Moments.of(input_rows(layer, parts[0]))
    for part in parts[1:]:
        moments = moments.merged(Moments.of(input_rows(layer, part)))
    return moments
