"""What ``intaglio bench`` does: measure, show, write Records."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from intaglio._system import peak_memory, usable_cores
from intaglio.app.recording import record_of
from intaglio.bench.alone import Alone, measure_alone
from intaglio.cli.output import say, show_table, size_text, write_json
from intaglio.cli.progress import shown_progress
from intaglio.errors import SpecError
from intaglio.evaluate.records import Record, append_records
from intaglio.images import calibration_pictures
from intaglio.packed.format import PackedModel, load
from intaglio.provenance import file_sha256
from intaglio.runtime.engine import Engine

if TYPE_CHECKING:
    from intaglio.app.networks import NetworkSource

MAX_SIDE = 8192


def run_bench(
    path: Path,
    size: str,
    threads: int | None,
    rounds: int,
    source: NetworkSource | None,
    *,
    peers: bool,
    records: Path | None,
    json: Path | None,
) -> None:
    """Measure one model; with `peers`, in turn with everything installed that runs the float network of `source`.

    Raises: SpecError for a size that is none, or peers without a network; errors of loading as they come.
    """
    height, width = parse_size(size)
    if peers and source is None:
        raise SpecError(
            "peers run the float network, which a packed model does not hold; pass --checkpoint FILE or --network."
        )
    threads = threads or usable_cores()
    packed = load(path)
    engine = Engine(packed.program, threads=threads)
    image = _picture(height, width)
    with shown_progress() as progress, progress.stage("timing", rounds) as advance:
        alone = measure_alone(engine, image, rounds, advance)
    content = _show_alone(alone, path, engine, size, threads)
    if peers and source is not None:
        content |= _peers(engine, source, image, threads, rounds)
    content["peak_rss_bytes"] = peak_memory()
    if records is not None:
        append_records(records, [_record(packed, path, content)])
    write_json(json, content)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from a text such as 128x96. Raises: SpecError.

    >>> parse_size("128x96")
    (128, 96)
    """
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    sides = tuple(int(side) for side in match.groups()) if match else ()
    if len(sides) != 2 or not all(1 <= side <= MAX_SIDE for side in sides):
        raise SpecError(f"{text!r} is no picture size; write height x width as in 128x128, sides up to {MAX_SIDE}.")
    return sides[0], sides[1]


def _picture(height: int, width: int) -> np.ndarray:
    """A drawn picture, repeated to the size: the time of this engine does not depend on what is in it."""
    tile = calibration_pictures(1, 128, seed=0)[0]
    rows, columns = -(-height // 128), -(-width // 128)
    return np.ascontiguousarray(np.tile(tile, (rows, columns, 1))[:height, :width])


def _show_alone(alone: Alone, path: Path, engine: Engine, size: str, threads: int) -> dict[str, Any]:
    size_on_disk = path.stat().st_size
    say(
        f"{path.name}: {size_text(size_on_disk)}, {size} LR, {threads} threads, {engine.backend}\n"
        f"median {alone.latency.median * 1e3:.1f} ms, best {alone.latency.best * 1e3:.1f} ms, slowest/best"
        f" {alone.latency.spread:.2f}, {alone.pixels_per_second / 1e6:.2f} million LR pixels a second,"
        f" {size_text(alone.memory)} of feature maps and scratch"
    )
    rows = [
        (kind, str(row.count), f"{row.seconds * 1e3:.2f}", f"{row.seconds / alone.profiled:.1%}")
        for kind, row in alone.by_kind.items()
    ]
    show_table(("operation", "count", "ms", "share"), rows)
    return {
        "model": str(path),
        "bytes": size_on_disk,
        "size": size,
        "threads": threads,
        "backend": engine.backend,
        "median_seconds": alone.latency.median,
        "best_seconds": alone.latency.best,
        "spread": alone.latency.spread,
        "pixels_per_second": alone.pixels_per_second,
        "memory_bytes": alone.memory,
        "operations": {kind: {"count": row.count, "seconds": row.seconds} for kind, row in alone.by_kind.items()},
    }


def _peers(engine: Engine, source: NetworkSource, image: np.ndarray, threads: int, rounds: int) -> dict[str, Any]:
    from intaglio.app.networks import open_network
    from intaglio.bench.compare import compare
    from intaglio.bench.peers import PEERS, Precision, available_peers

    side = max(image.shape[:2])
    drawn = [picture[: image.shape[0], : image.shape[1]] for picture in calibration_pictures(8, side, seed=1)]
    with shown_progress() as progress:
        found = compare(
            engine,
            open_network(source),
            image,
            available_peers(),
            calibration=drawn,
            threads=threads,
            rounds=rounds,
            progress=progress,
        )
    rows = [
        (
            contender.name,
            contender.precision.value,
            f"{contender.latency.median * 1e3:.1f}",
            f"{contender.latency.best * 1e3:.1f}",
            f"{contender.latency.median / found.ours.median:.2f}",
            "not finite" if contender.grey_levels is None else f"{contender.grey_levels:.3f}",
        )
        for contender in found.contenders
    ]
    ours = ("intaglio", "integers", f"{found.ours.median * 1e3:.1f}", f"{found.ours.best * 1e3:.1f}", "1.00", "")
    show_table(("who", "precision", "median ms", "best ms", "x ours", "grey levels off float"), [*rows, ours])
    for name, reason in found.failed.items():
        say(f"{name} could not be made: {reason}")
    for name, peer in PEERS.items():
        if peer.missing:
            say(f"{name} is not installed (needs {', '.join(peer.missing)})")
    fp32, fastest = found.speedup(Precision.FLOAT32), found.speedup()
    if fp32 is not None and fastest is not None:
        say(f"{fp32:.2f} x the fastest fp32 peer, {fastest:.2f} x the fastest of any precision (medians of one run)")
    return {
        "speedup_vs_fastest_fp32": fp32,
        "speedup_vs_fastest_any": fastest,
        **found.content(),
        "peers_missing": [name for name, peer in PEERS.items() if peer.missing],
    }


def _record(packed: PackedModel, path: Path, content: dict[str, Any]) -> Record:
    about = record_of(packed, "speed")
    return replace(
        about,
        weights_sha256=about.weights_sha256 or file_sha256(path),
        seed=packed.header.recipe.get("seed"),
        settings={"size": content["size"], "threads": content["threads"], "backend": content["backend"]},
        bytes=content["bytes"],
        seconds=content["median_seconds"],
        extra={name: value for name, value in content.items() if name not in ("bytes", "size", "threads", "model")},
    )
