"""A film through a network: is everything but the pictures the source's, how many frames a second, is memory flat.

``python benchmarks/film.py MODEL.intaglio --size 1920x1080 --seconds 2 --work /tmp/film --records film.jsonl``
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from intaglio.app.recording import record_of
from intaglio.evaluate import append_records
from intaglio.images import dead_leaves
from intaglio.packed.format import load

RATE = 24
SOUND_RATE = 48_000
EVERY = 0.25
"""Seconds between two looks at the memory."""


def make(path: Path, width: int, height: int, seconds: int) -> None:
    """A camera that moves over dead leaves, two pixels a frame, with a tone."""
    scene = dead_leaves(height, width + 2 * RATE * seconds, seed=0)
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=RATE, options={"crf": "12"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = out.add_stream("aac", rate=SOUND_RATE)
        for index in range(RATE * seconds):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(scene[:, 2 * index : 2 * index + width]))
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        tone = (np.sin(np.arange(SOUND_RATE * seconds) / 9) * 9000).astype(np.int16)[None]
        for start in range(0, tone.shape[1], 1024):
            block = av.AudioFrame.from_ndarray(tone[:, start : start + 1024], format="s16", layout="mono")
            block.sample_rate, block.pts, block.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
            out.mux(audio.encode(block))
        out.mux(audio.encode(None))


def told(path: Path) -> tuple[list[Fraction], list[bytes]]:
    """Times of the frames in seconds, and the packets of sound."""
    with av.open(str(path)) as film:
        sound = [bytes(packet) for packet in film.demux(audio=0) if packet.size]
    with av.open(str(path)) as film:
        return [frame.pts * frame.time_base for frame in film.decode(video=0)], sound


def resident(process: int) -> int:
    """Bytes that a process holds in memory, 0 once it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * 4096


def enlarge(model: Path, source: Path, target: Path, report: Path) -> list[int]:
    """Run ``intaglio upscale`` and look at its memory now and then."""
    words = ["upscale", str(model), str(source), "-o", str(target), "--existing", "overwrite", "--json", str(report)]
    process = subprocess.Popen([sys.executable, "-m", "intaglio", *words])
    seen: list[int] = []
    watch = threading.Thread(target=lambda: _look(process, seen))
    watch.start()
    status = process.wait()
    watch.join()
    assert status == 0, "the command failed; it has said why"
    return seen


def _look(process: subprocess.Popen[bytes], seen: list[int]) -> None:
    while process.poll() is None:
        seen.append(resident(process.pid))
        time.sleep(EVERY)


def main() -> None:
    """Make a film, enlarge it, compare and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--records", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    options.work.mkdir(parents=True, exist_ok=True)
    source, target = options.work / f"{options.size}.mkv", options.work / f"{options.size}-{options.model.stem}.mkv"
    if not source.exists():
        make(source, width, height, options.seconds)
    report = options.work / "report.json"
    seen = enlarge(options.model, source, target, report)
    figures, (times, sound) = json.loads(report.read_text()), told(target)
    assert (times, sound) == told(source)
    third = len(seen) // 3
    found = {
        "frames": len(times),
        "frames_per_second": round(len(times) / figures["seconds"], 4),
        "sound_packets": len(sound),
        "peak_mib": round(max(seen) / 2**20),
        "peak_mib_by_thirds": [round(max(part) / 2**20) for part in (seen[:third], seen[third:-third], seen[-third:])],
    }
    print(json.dumps(found, indent=2))
    record = replace(
        record_of(load(options.model), "film"),
        settings={"size": options.size, "seconds": options.seconds, "rate": RATE},
        bytes=options.model.stat().st_size,
        seconds=figures["seconds"],
        extra={**found, "runs_on": figures["runs_on"]},
    )
    if options.records:
        append_records(options.records, [record])


if __name__ == "__main__":
    main()
