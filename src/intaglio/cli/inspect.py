"""``intaglio inspect``: what a packed model holds, and what this machine runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from intaglio.cli.output import JsonOption, require_place, say, show_table, size_text, write_json
from intaglio.errors import SpecError


def inspect_model(
    model: Annotated[Path | None, typer.Argument(help="A packed model.")] = None,
    machine: Annotated[
        bool, typer.Option("--machine", help="Show which instruction set is used here, and why.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what the native core runs: operations fused, and why others were not.")
    ] = False,
    json: JsonOption = None,
) -> None:
    """Show the sites of a packed model with bounds, bits and bytes, where it comes from, and what it weighs.

    Example: intaglio inspect swinir.w4a4-2dquant.intaglio --plan
    """
    require_place(json)
    if model is None and (plan or not machine):
        raise SpecError("name a packed model, or pass --machine; `intaglio inspect --help` shows both.")
    content = (
        (_machine() if machine else {}) | (_model(model) if model else {}) | (_plan(model) if model and plan else {})
    )
    write_json(json, content)


def _machine() -> dict[str, Any]:
    from dataclasses import asdict

    from intaglio.runtime.native import machine

    found = machine()
    rows = [(one.name, "yes" if one.runnable else "no", one.needs) for one in found.sets]
    show_table(("instruction set", "runs here", "needs"), rows)
    say(f"used: {found.chosen}, {found.reason}")
    return {"machine": asdict(found)}


def _plan(path: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from intaglio.packed.format import load
    from intaglio.runtime.native import NativeProgram

    found = NativeProgram(load(path).program, threads=1).plan()
    rows = [(line.kind, line.name, ", ".join(line.parts)) for line in found.lines]
    show_table(("runs", "name", "operations of the program"), rows)
    if found.remarks:
        show_table(("not fused as", "at", "because"), [(one.pattern, one.name, one.reason) for one in found.remarks])
    return {"plan": asdict(found)}


def _model(path: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from intaglio.packed.format import load
    from intaglio.packed.summary import kinds, size_report, summarise

    packed = load(path)
    sites, sizes = summarise(packed.program), size_report(path)
    rows = [
        (
            row.site,
            str(row.bits),
            str(len(row.used)),
            f"{row.lower:.4g}",
            f"{row.upper:.4g}",
            str(row.grids),
            str(row.bytes or ""),
        )
        for row in sites
    ]
    show_table(("site", "bits", "levels", "lower", "upper", "grids", "bytes of codes"), rows)
    program, header = packed.program, packed.header
    say(f"\n{program.architecture} x{program.scale}, coverage {program.coverage.value}, {len(sites)} sites")
    say("operations: " + ", ".join(f"{count} {kind}" for kind, count in kinds(program).items()))
    for key, value in header.recipe.items():
        say(f"{key}: {value}")
    if header.calibration:
        calibration = header.calibration
        say(f"calibration: {calibration.name}, {calibration.count} pictures, sha256 {calibration.content_hash[:16]}")
    say(f"made by intaglio {header.provenance.version or 'unknown'} on {header.provenance.created or 'an unknown day'}")
    say(
        f"{size_text(sizes.total)} on disk: packed codes {size_text(sizes.codes)}, float tensors "
        f"{size_text(sizes.floats)}, header and bounds {size_text(sizes.overhead)}"
    )
    return {
        "architecture": program.architecture,
        "scale": program.scale,
        "coverage": program.coverage.value,
        "recipe": dict(header.recipe),
        "calibration": asdict(header.calibration) if header.calibration else None,
        "provenance": asdict(header.provenance),
        "bytes": {"total": sizes.total, "codes": sizes.codes, "floats": sizes.floats, "overhead": sizes.overhead},
        "operations": kinds(program),
        "sites": [asdict(row) for row in sites],
    }
