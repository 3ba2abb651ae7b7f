"""What ``intaglio demo`` shows of a demonstration: one table, what was written, what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intaglio.cli.output import duration_text, require_place, say, show_table, size_text, write_json
from intaglio.cli.progress import shown_progress
from intaglio.demo.run import Demonstration, Row, demonstrate
from intaglio.evaluate import protocol_text

_NAMES = {"bicubic": "bicubic", "float": "float32", "minmax": "4 bits, MinMax", "2dquant": "4 bits, 2DQuant"}


def run_demo(folder: Path, iterations: int | None, json: Path | None) -> None:
    """Run the demonstration and tell what came out."""
    require_place(json)
    settings = {} if iterations is None else {"iterations": iterations}
    say("SwinIR-light x2, embedded; far from fully trained, so look at the differences, not at the absolute figures.")
    with shown_progress() as progress:
        shown = demonstrate(folder, progress, settings=settings)
    columns = ("network", "PSNR-Y dB", "SSIM-Y", "bytes", "ratio", "quantized in", "3 pictures in", "run by")
    show_table(columns, [_row(row, shown) for row in shown.rows], "\nx2 on a drawn test chart and two drawn scenes")
    say(f"\nprotocol: {protocol_text(2)}")
    say(
        f"2DQuant shortened to {shown.iterations} iterations (the paper: 3000), calibrated on {shown.calibration}: "
        f"drawn pictures, no data. All of it took {duration_text(shown.seconds)}."
    )
    files = shown.files
    say(f"\nwritten: {files['packed']}")
    say(f"         {files['upscaled']}, from {files['small']}")
    say(f"look at: {files['comparison']}")
    say(f"try:     intaglio upscale {files['packed']} your-picture.png")
    say(f"         intaglio inspect {files['packed']}")
    say("         intaglio quantize your-swinir.pth --bits 4")
    content = content_of(shown)
    write_json(folder / "demo.json", content)
    write_json(json, content)


def content_of(shown: Demonstration) -> dict[str, Any]:
    """The demonstration as JSON."""
    return {
        "protocol": protocol_text(2),
        "iterations": shown.iterations,
        "calibration": shown.calibration,
        "seconds": round(shown.seconds, 2),
        "rows": [
            {
                "name": row.name,
                "psnr_y": row.evaluation.psnr_y,
                "ssim_y": row.evaluation.ssim_y,
                "bytes": row.bytes,
                "ratio": row.bytes and round(shown.float_bytes / row.bytes, 3),
                "quantize_seconds": row.quantize_seconds and round(row.quantize_seconds, 2),
                "upscale_seconds": round(row.evaluation.seconds, 3),
                "runs_on": row.runs_on,
            }
            for row in shown.rows
        ],
        "files": {name: str(path) for name, path in shown.files.items()},
    }


def _row(row: Row, shown: Demonstration) -> tuple[str, ...]:
    return (
        _NAMES[row.name],
        f"{row.evaluation.psnr_y:.2f}",
        f"{row.evaluation.ssim_y:.4f}",
        size_text(row.bytes) if row.bytes else "",
        f"x{shown.float_bytes / row.bytes:.2f}" if row.bytes else "",
        duration_text(row.quantize_seconds) if row.quantize_seconds else "",
        duration_text(row.evaluation.seconds),
        row.runs_on,
    )
