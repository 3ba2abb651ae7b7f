"""``intaglio inspect``: what a packed model or a checkpoint holds, and what this machine runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from intaglio.cli.checkpoints import TrainingOption, WeightsOption
from intaglio.cli.network import NetworkOption, source_of
from intaglio.cli.output import JsonOption, require_place, say, show_table, size_text, write_json
from intaglio.errors import SpecError

if TYPE_CHECKING:
    from intaglio.app.networks import NetworkSource
    from intaglio.packed.format import PackedModel


def inspect_model(
    model: Annotated[Path | None, typer.Argument(help="A packed model, or a float checkpoint.")] = None,
    machine: Annotated[
        bool, typer.Option("--machine", help="Show which instruction set is used here, and why.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what the native core runs: operations fused, and why others were not.")
    ] = False,
    network: NetworkOption = None,
    weights: WeightsOption = None,
    option: TrainingOption = None,
    json: JsonOption = None,
) -> None:
    """Show the sites of a packed model with bounds, bits and bytes, where it comes from, and its size.

    For a float checkpoint: its architecture and settings, which weights are taken, and the command to quantize it.

    Example: intaglio inspect swinir.w4a4-engrave.intaglio --plan
    """
    require_place(json)
    if model is None and (plan or not machine):
        raise SpecError("name a packed model, or pass --machine; `intaglio inspect --help` shows both.")
    content = _machine() if machine else {}
    if model:
        from intaglio.app.opening import packed_model

        source = source_of(model, network, weights=weights, option=option)
        packed = None if network else packed_model(model)
        if packed is None and plan:
            raise SpecError(
                f"{model} is a float checkpoint, which has no plan; make it a packed model by"
                f" `{_quantize_command(source)}`."
            )
        content |= _model(model, packed) if packed else _checkpoint(source)
        content |= _plan(packed) if packed and plan else {}
    write_json(json, content)


def _checkpoint(source: NetworkSource) -> dict[str, Any]:
    from dataclasses import asdict

    from intaglio.app.describing import describe_network

    found = describe_network(source)
    kept = ".".join(name.rstrip(".") for name in found.names)
    # Coverage "paper" takes linear layers and attention products; networks of convolutions have none.
    command = _quantize_command(source, *(() if found.linears else ("--coverage", "full")))
    pictures = {1: "gray", 3: "RGB"}[found.channels]
    say(f"{source.checkpoint}: a float checkpoint, {found.architecture} x{found.scale}, {pictures}")
    say(
        f"{found.parameters:,} parameters, {size_text(found.float32_bytes)} in single precision; "
        f"{found.linears} linear layers, {found.convolutions} convolutions"
    )
    for key, value in found.settings.items():
        say(f"{key}: {value}")
    say(f"weights: {f'those under {kept!r}' if kept else 'at the top of the file'}{', averaged' * found.averaged}")
    say(f"sha256: {found.sha256}")
    say(f"Next: {command}")
    return asdict(found) | {"names": list(found.names), "quantize": command}


def _quantize_command(source: NetworkSource, *options: str) -> str:
    """The command that quantizes a network with these options, its words quoted for a shell."""
    words = ["intaglio", "quantize", str(source.checkpoint)]
    words += ["--network", source.network] if source.network else []
    words += ["--weights", source.weights.value] if source.weights else []
    words += ["--option", str(source.option)] if source.option else []
    return shlex.join([*words, *options])


def _machine() -> dict[str, Any]:
    from dataclasses import asdict

    from intaglio.runtime.native import machine

    found = machine()
    rows = [(one.name, "yes" if one.runnable else "no", one.needs) for one in found.sets]
    show_table(("instruction set", "runs here", "needs"), rows)
    say(f"used: {found.chosen}, {found.reason}")
    return {"machine": asdict(found)}


def _plan(packed: PackedModel) -> dict[str, Any]:
    from dataclasses import asdict

    from intaglio.runtime.native import NativeProgram

    found = NativeProgram(packed.program, threads=1).plan()
    rows = [(line.kind, line.name, ", ".join(line.parts)) for line in found.lines]
    show_table(("runs", "name", "operations of the program"), rows)
    if found.remarks:
        show_table(("not fused as", "at", "because"), [(one.pattern, one.name, one.reason) for one in found.remarks])
    return {"plan": asdict(found)}


def _model(path: Path, packed: PackedModel) -> dict[str, Any]:
    from dataclasses import asdict

    from intaglio.packed.summary import kinds, size_report, summarise

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
