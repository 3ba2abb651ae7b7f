"""What ``intaglio analyze`` does with its options: one function for each analysis, a table, pictures, JSON.

Imports torch; loaded by the command alone. matplotlib is imported only where pictures were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from intaglio import analyze
from intaglio.app.calibrating import CalibrationSource, calibration_set
from intaglio.app.devices import device_of
from intaglio.app.networks import Network, NetworkSource, open_network
from intaglio.app.settings import settings_for
from intaglio.cli.output import require_folder, require_place, say, show_table, write_json
from intaglio.cli.progress import shown_progress
from intaglio.errors import SpecError
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.progress import Progress
from intaglio.provenance import file_sha256
from intaglio.quant import QuantModel, device_in, wrap
from intaglio.spec import QuantSpec, SiteName

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT_METHOD = "dobi"

SHOWN = 12
"""Rows of a table on the screen; the rest is in the JSON file."""


@dataclass(frozen=True)
class Asked:
    """The options of the command; `methods` is empty where none was named."""

    source: NetworkSource
    spec: QuantSpec
    methods: tuple[str, ...]
    settings: Mapping[str, Any]
    calibration: CalibrationSource
    patches: int
    size: int
    probes: int
    outliers: float
    seed: int
    site: str
    device: str = "cpu"

    def settings_for(self, method: str) -> dict[str, Any]:
        """What was set for one method. Raises: RecipeError where a setting is for none that is looked at."""
        return settings_for(method, self.settings, self.methods or (DEFAULT_METHOD,))

    def chosen(self, names: Iterable[SiteName]) -> list[SiteName]:
        """The sites that `site` names. Raises: SpecError if there is none."""
        found = [name for name in names if fnmatchcase(name, self.site)]
        if not found:
            raise SpecError(f"no site is like '{self.site}'; `intaglio analyze conditions` shows how sites are named.")
        return found


@dataclass(frozen=True)
class Context:
    """What an analysis works on: the options, the network, the pictures, somewhere to report to."""

    asked: Asked
    network: Network
    calibration: CalibrationSet
    progress: Progress

    def model(self, method: str) -> QuantModel:
        """The network quantized by a method."""
        chosen = make_method(method, self.asked.settings_for(method))
        spec, seed = self.asked.spec, self.asked.seed
        return quantize(self.network, spec, chosen, self.calibration, seed=seed, progress=self.progress).model

    def only_model(self) -> QuantModel:
        """The network quantized by the one method that was named. Raises: SpecError for several."""
        if len(self.asked.methods) > 1:
            raise SpecError("this analysis looks at one method; name several for 'percentiles' only.")
        return self.model(self.methods()[0])

    def methods(self) -> tuple[str, ...]:
        """The methods that were named, or the default one."""
        return self.asked.methods or (DEFAULT_METHOD,)

    def crops(self) -> Any:
        """LR crops of the calibration pictures."""
        return self.calibration.patches(self.asked.patches, self.asked.size, self.asked.seed).to(self.device)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return device_in(self.network)


@dataclass(frozen=True)
class Finding:
    """Figures for the JSON file, a table for the screen, and how to draw it: pages with the ends of their names.

    `draw` is called only where pictures are wanted.
    """

    content: Mapping[str, Any]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    draw: Callable[[], Iterable[tuple[str, Figure]]]


def run_analysis(name: str, asked: Asked, *, pictures: Path | None, ending: str, json: Path | None) -> None:
    """Run one analysis and show, draw and write what was found."""
    require_place(json)
    if pictures is not None:
        require_folder(pictures)
    for method in asked.methods:
        make_method(method, asked.settings_for(method))
    network = open_network(asked.source).to(device_of(asked.device))
    calibration = calibration_set(asked.calibration)
    with shown_progress() as progress:
        finding = ANALYSES[name](Context(asked, network, calibration, progress))
    title = f"{name} of {network.architecture} x{network.scale}, {asked.spec.label}"
    show_table(finding.columns, finding.rows[:SHOWN], title)
    if len(finding.rows) > SHOWN:
        say(f"... and {len(finding.rows) - SHOWN} more; --json FILE has them all.")
    if pictures is not None:
        _draw(finding, pictures, name, ending)
    write_json(json, _provenance(name, asked, network, calibration) | dict(finding.content))


def _draw(finding: Finding, folder: Path, name: str, ending: str) -> None:
    from intaglio.analyze.draw import save_figure

    for page, figure in finding.draw():
        path = folder / f"{name}{page}.{ending}"
        save_figure(figure, path)
        say(f"drawn: {path}")


def _provenance(name: str, asked: Asked, network: Network, calibration: CalibrationSet) -> dict[str, Any]:
    return {
        "analysis": name,
        "architecture": network.architecture,
        "scale": network.scale,
        "weights_sha256": file_sha256(asked.source.checkpoint) if asked.source.checkpoint else None,
        "bits": [asked.spec.weight_bits, asked.spec.act_bits],
        "coverage": asked.spec.coverage.value,
        "methods": list(asked.methods),
        "settings": dict(asked.settings),
        "calibration": {"name": calibration.name, "sha256": calibration.content_hash},
        "patches": asked.patches,
        "size": asked.size,
        "seed": asked.seed,
    }


def _distributions(context: Context) -> Finding:
    model = context.only_model()
    chosen = set(context.asked.chosen(model.sites))
    rows = [row for row in analyze.site_distributions(model, context.crops()) if row.site in chosen]

    def draw() -> Iterable[tuple[str, Figure]]:
        from intaglio.analyze.draw import draw_distributions

        for page, figure in enumerate(draw_distributions(rows), start=1):
            yield f"-{page:02d}", figure

    shown = sorted(rows, key=lambda row: row.clipped, reverse=True)
    table = [(row.site, f"{row.low:.4g}", f"{row.high:.4g}", _pairs(row.bounds), f"{row.clipped:.3%}") for row in shown]
    return Finding(_sites(rows), ("site, most clipped first", "minimum", "maximum", "bounds", "clipped"), table, draw)


def _percentiles(context: Context) -> Finding:
    models = {method: context.model(method) for method in context.methods()}
    rows = analyze.bound_percentiles(models, context.crops())

    def draw() -> Iterable[tuple[str, Figure]]:
        from intaglio.analyze.draw import draw_percentiles

        return [("", draw_percentiles(rows))]

    table = [(row.site, row.method, f"{row.lower:.3f}", f"{row.upper:.3f}") for row in rows]
    return Finding(_sites(rows), ("site", "method", "lower, %", "upper, %"), table, draw)


def _cost(context: Context) -> Finding:
    size = context.asked.size
    found = analyze.cost(context.network, size, size, coverage=context.asked.spec.coverage)

    def draw() -> Iterable[tuple[str, Figure]]:
        from intaglio.analyze.draw import draw_cost

        return [("", draw_cost(found))]

    table = [_operations("counted", found.operations)]
    if found.published_operations is not None:
        table.append(_operations("as published", found.published_operations))
    columns = ("multiply-adds, G", "linear", "products", "convolutions", "other", "total", "linear and products")
    return Finding(asdict(found), columns, table, draw)


def _colour(context: Context) -> Finding:
    model = wrap(context.network, context.asked.spec)
    rows = analyze.outlier_colour(model, context.crops(), outliers=context.asked.outliers, progress=context.progress)

    def draw() -> Iterable[tuple[str, Figure]]:
        from intaglio.analyze.draw import draw_colour

        return [("", draw_colour(rows))]

    shown = sorted(rows, key=lambda row: row.chroma, reverse=True)
    table = [(row.site, f"{row.correlation:+.3f}", f"{row.luma:.3f}", f"{row.chroma:.3f}") for row in shown]
    return Finding(_sites(rows), ("site", "correlation", "luma, levels", "chroma, levels"), table, draw)


def _sensitivity(context: Context) -> Finding:
    asked = context.asked
    model = context.only_model()
    chosen = asked.chosen(model.sites)
    pairs = analyze.pairs_of(context.calibration, asked.patches, asked.size, context.network.scale, asked.seed)
    pairs = pairs.to(context.device)
    estimates = {}
    if asked.probes:
        estimates = analyze.estimate_errors(
            model, pairs.lr, probes=asked.probes, seed=asked.seed, progress=context.progress
        )
    rows = analyze.site_sensitivity(model, pairs, only=chosen, estimates=estimates, progress=context.progress)

    def draw() -> Iterable[tuple[str, Figure]]:
        from intaglio.analyze.draw import draw_sensitivity

        return [("", draw_sensitivity(rows))]

    shown = sorted(rows, key=lambda row: row.psnr_loss, reverse=True)
    table = [
        (row.site, f"{row.psnr_loss:.4f}", f"{row.error:.3g}", "" if row.estimate is None else f"{row.estimate:.3g}")
        for row in shown
    ]
    return Finding(_sites(rows), ("site, costliest first", "loss, dB", "squared error", "estimate"), table, draw)


def _conditions(context: Context) -> Finding:
    # Without a method the weights are the float network's; nothing need be calibrated to look at them.
    model = context.only_model() if context.asked.methods else wrap(context.network, context.asked.spec)
    rows = analyze.weight_conditions(model)

    def draw() -> Iterable[tuple[str, Figure]]:
        from intaglio.analyze.draw import draw_conditions

        return [("", draw_conditions(rows))]

    shown = sorted(rows, key=lambda row: row.kappa, reverse=True)
    table = [(row.site, f"{row.rows} x {row.columns}", f"{row.largest:.4g}", f"{row.kappa:.4g}") for row in shown]
    return Finding(_sites(rows), ("weight", "size", "largest singular value", "condition number"), table, draw)


def _sites(rows: Sequence[Any]) -> dict[str, Any]:
    return {"sites": [asdict(row) for row in rows]}


def _pairs(bounds: Sequence[tuple[float, float]]) -> str:
    if not bounds:
        return ""
    return f"{min(pair[0] for pair in bounds):.4g} to {max(pair[1] for pair in bounds):.4g}"


def _operations(name: str, counts: analyze.Operations) -> tuple[str, ...]:
    kinds = (counts.linear, counts.product, counts.convolution, counts.other, counts.total)
    return (name, *(f"{kind / 1e9:.3f}" for kind in kinds), f"{counts.paper_share:.2%}")


ANALYSES: Mapping[str, Callable[[Context], Finding]] = {
    "distributions": _distributions,
    "percentiles": _percentiles,
    "cost": _cost,
    "colour": _colour,
    "sensitivity": _sensitivity,
    "conditions": _conditions,
}
