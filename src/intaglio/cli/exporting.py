"""What ``intaglio export`` shows of an exported file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intaglio.app.exporting import Exported, export_model
from intaglio.cli.output import say, show_table, size_text, write_json
from intaglio.cli.progress import shown_progress
from intaglio.evaluate.metrics import finite_psnr
from intaglio.export.products import Profile, Target


def run_export(
    model: Path,
    output: Path,
    *,
    to: str,
    profile: str,
    strict: bool,
    runtimes: list[str] | None,
    json: Path | None,
) -> None:
    """Export, and say what was written and how it ran."""
    with shown_progress() as progress:
        made = export_model(
            model,
            output,
            target=Target(to),
            profile=Profile(profile),
            strict=strict,
            runtimes=runtimes,
            progress=progress,
        )
    say(f"{made.path}: {size_text(made.bytes)}, opset 21, any height and width, planes in [0, 1]")
    if made.verifications:
        rows = [
            (
                one.runtime,
                f"{min(one.integers, one.products)} of {one.products}",
                f"{finite_psnr(one.psnr):.1f}",
                f"{one.largest:.2g}",
                ", ".join(f"{count} {name}" for name, count in sorted(one.kernels.items())),
            )
            for one in made.verifications
        ]
        show_table(("ran in", "products in integers", "PSNR dB", "largest difference", "kernels"), rows)
    else:
        say("not verified: no runtime is installed; run: pip install onnxruntime openvino")
    write_json(json, _content(made))


def _content(made: Exported) -> dict[str, Any]:
    return {
        "output": str(made.path),
        "bytes": made.bytes,
        "runtimes": [
            {
                "runtime": one.runtime,
                "products": one.products,
                "products_in_integers": min(one.integers, one.products),
                "psnr": finite_psnr(one.psnr),
                "largest_difference": one.largest,
                "kernels": dict(one.kernels),
            }
            for one in made.verifications
        ],
    }
