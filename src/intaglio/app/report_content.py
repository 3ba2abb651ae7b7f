"""From what was measured to what the page says: rows, sites, facts, notes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from intaglio.app.opening import Opened
from intaglio.evaluate import current_machine, current_versions, protocol_text
from intaglio.evaluate.artifacts import judge, overall
from intaglio.packed.format import PackedModel
from intaglio.packed.summary import summarise
from intaglio.report import Comparison, Content, Distribution, Facts, Row, SiteLine
from intaglio.report.compare import BICUBIC, FLOAT, QUANTIZED
from intaglio.report.content import Role
from intaglio.spec import SiteReading

DISTRIBUTIONS = 8
"""How many sites, the most sensitive ones, have their distribution drawn."""


def content_of(
    opened: Opened,
    reference: Opened | None,
    compared: Comparison,
    readings: Sequence[SiteReading],
    extra: Sequence[Row],
) -> Content:
    """The content of the page of one packed model."""
    assert opened.packed is not None
    evaluation = compared.evaluations[QUANTIZED]
    sites = _sites(opened.packed, readings)
    pictures = f"{len(evaluation.scores)} pictures" if len(evaluation.scores) > 1 else "one picture"
    return Content(
        title=f"{opened.network} x{evaluation.scale}, {opened.label}",
        setting=f"Measured on {evaluation.dataset} ({pictures}); shown is {compared.views.name}.",
        rows=(*_rows(opened, reference, compared), *(row for row in extra if row.role == "record")),
        facts=_facts(opened.packed, opened, evaluation.scale),
        verdict=overall(judge(one) for one in compared.artifacts) if compared.artifacts else None,
        views=compared.views,
        sites=sites,
        distributions=_distributions(sites, readings),
        notes=_notes(reference, readings),
    )


def _rows(opened: Opened, reference: Opened | None, compared: Comparison) -> tuple[Row, ...]:
    models: tuple[tuple[Role, str, Opened | None], ...] = (
        ("bicubic", BICUBIC, None),
        ("float", FLOAT, reference),
        ("quantized", QUANTIZED, opened),
    )
    rows = []
    for role, name, model in models:
        if name in compared.evaluations:
            scores = compared.evaluations[name]
            rows.append(
                Row(
                    label=model.label if model else name,
                    role=role,
                    psnr_y=scores.psnr_y,
                    ssim_y=scores.ssim_y,
                    bytes=model.path.stat().st_size if model and model.path else None,
                    milliseconds=1000 * scores.seconds / len(scores.scores),
                    runs_on=model.runs_on if model else "numpy",
                )
            )
    return tuple(rows)


def _sites(packed: PackedModel, readings: Sequence[SiteReading]) -> tuple[SiteLine, ...]:
    known = {reading.name: reading for reading in readings}
    lines = []
    for row in summarise(packed.program):
        found = known.get(row.site)
        alone, clipped = (found.alone_psnr, found.clipped) if found else (None, None)
        lines.append(SiteLine(row.site, row.used, row.lower, row.upper, row.bytes, alone, clipped))
    return tuple(lines)


def _distributions(sites: Sequence[SiteLine], readings: Sequence[SiteReading]) -> tuple[Distribution, ...]:
    """The most sensitive sites: activations and weights half and half, the more sensitive first."""
    by_name = {site.name: site for site in sites}
    ordered = [one for one in sorted(readings, key=lambda one: one.alone_psnr) if one.name in by_name]
    chosen = [
        reading
        for weights in (False, True)
        for reading in [one for one in ordered if by_name[one.name].is_weight is weights][: DISTRIBUTIONS // 2]
    ]
    chosen.sort(key=lambda one: one.alone_psnr if math.isfinite(one.alone_psnr) else math.inf)
    return tuple(Distribution(by_name[one.name], np.array(one.counts), one.low, one.high) for one in chosen)


def _facts(packed: PackedModel, opened: Opened, scale: int) -> tuple[Facts, ...]:
    header, machine = packed.header, current_machine()
    recipe = tuple((key, _plain(value)) for key, value in header.recipe.items() if key != "settings")
    settings = header.recipe.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    calibration = header.calibration
    origin = header.provenance
    made = (
        ("float weights", f"sha256 {origin.source_sha256[:16]}" if origin.source_sha256 else "unknown"),
        ("packed by", f"intaglio {origin.version or 'unknown'}, {origin.created or 'day unknown'}"),
    )
    pictures = (
        ("set", calibration.name),
        ("pictures", str(calibration.count)),
        ("content", f"sha256 {calibration.content_hash[:16]}"),
    ) if calibration else (("set", "unknown"),)  # fmt: skip
    return (
        Facts("Protocol", (("metric", protocol_text(scale)), ("identifier", header.protocol or "–"))),
        Facts("Recipe", (*recipe, *((key, _plain(value)) for key, value in settings.items()))),
        Facts("Calibration", pictures),
        Facts("Origin", made),
        Facts(
            "Machine",
            (
                ("processor", machine.cpu),
                ("cores", str(machine.cores)),
                ("instruction sets", " ".join(machine.instruction_sets) or "none known"),
                ("run by", opened.runs_on),
            ),
        ),
        Facts("Versions", tuple(current_versions().items())),
    )


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _notes(reference: Opened | None, readings: Sequence[SiteReading]) -> tuple[str, ...]:
    if reference is None:
        return ("Artifacts, sensitivity and distributions need the float network: pass its file with --checkpoint.",)
    return () if readings else ("Sensitivity and distributions were not measured (--no-sites).",)
