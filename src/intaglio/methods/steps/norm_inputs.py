"""What layers read behind a LayerNorm, for the steps that fold into it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from intaglio.methods.base import Job
from intaglio.observe import visit_sites
from intaglio.quant import SiteInfo


@dataclass(frozen=True)
class NormInput:
    """What the layers at `readers`, and nothing else, read of the LayerNorm at `norm`: rows of channels, and the first
    input site that sees them."""

    norm: str
    readers: tuple[str, ...]
    site: SiteInfo
    rows: Float[Tensor, "rows k"]


def norm_inputs(job: Job, patches: Float[Tensor, "n c h w"]) -> tuple[NormInput, ...]:
    """What is read behind each LayerNorm whose readers have sites."""
    readers: dict[str, list[str]] = {}
    for norm, reader in job.model.network.norm_readers():  # type: ignore[operator]
        readers.setdefault(norm, []).append(reader)
    norm_of = {path: norm for norm, paths in readers.items() for path in paths}
    found: dict[str, NormInput] = {}

    def visit(site: SiteInfo, tensor: Tensor) -> None:
        norm = None if site.is_weight else norm_of.get(site.path)
        if norm is not None and norm not in found:
            found[norm] = NormInput(norm, tuple(readers[norm]), site, tensor.flatten(0, -2).clone())

    visit_sites(job.model, patches, visit)
    return tuple(found.values())
