"""Condition numbers of the weight matrices of a model: what CondiQuant sets out to lower."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from intaglio.methods.steps.proximal import condition_number
from intaglio.quant import QuantModel
from intaglio.quant.editing import weight_matrix
from intaglio.spec import SiteName


@dataclass(frozen=True)
class WeightCondition:
    """One matrix, (rows, columns), its extreme singular values, and `kappa`, their ratio.

    A singular matrix has a `kappa` of 1 / eps, about 4.5e15.
    """

    site: SiteName
    rows: int
    columns: int
    largest: float
    smallest: float
    kappa: float


def weight_conditions(model: QuantModel) -> tuple[WeightCondition, ...]:
    """The condition number of every weight site, in double precision, in the order of ``model.sites``.

    Weights as they are before quantizers round them; q, k and v are three matrices, a convolution is
    (out, in * kh * kw). Source: CondiQuant (arXiv 2502.15478).
    """
    found = []
    for site in model.sites.values():
        if site.is_weight:
            matrix = weight_matrix(model, site)
            values = torch.linalg.svdvals(matrix)
            rows, columns = matrix.shape
            ends = float(values[0]), float(values[-1])
            found.append(WeightCondition(site.name, rows, columns, *ends, condition_number(matrix)))
    return tuple(found)
