"""The table "networks x sizes x instruction sets x peers": one resumable command, a process of its own for each cell.

``python benchmarks/matrix.py --weights WEIGHTS --models FOLDER --records results/speed.jsonl`` measures what is not in
the records yet, small pictures first; ``--list`` only tells it. Models are packed (method minmax) where FOLDER lacks
them; EDSR, whose weights time does not depend on, gets random ones.

Peers are limited to AVX2 by ONEDNN_MAX_CPU_ISA (oneDNN, in PyTorch and in OpenVINO) and ATEN_CPU_CAPABILITY (PyTorch's
own kernels, and those that torch.compile makes). ONNX Runtime's kernels, and OpenVINO's outside of oneDNN, heed
neither: `not_limited` of a record names who runs, in part or whole, on what the machine has. Their ratios are lower
bounds of what they would be on a processor with AVX2 alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from intaglio.evaluate import Record, append_records, known_records, read_records


class Network(NamedTuple):
    """A packed model to be, and the float checkpoint that its peers run."""

    checkpoint: str
    bits: int
    coverage: str
    architecture: str
    scale: int


class Cell(NamedTuple):
    """One measurement: network, size of the LR picture, instruction set, threads."""

    network: str
    size: str
    limit: str
    threads: int


NETWORKS: Mapping[str, Network] = {
    "swinir": Network("swinir_light_x2_photos.safetensors", 4, "paper", "SwinIR", 2),
    "dat": Network("dat_light_x4.safetensors", 4, "paper", "DAT", 4),
    "rlfn": Network("rlfn_x4.pth", 4, "full", "RLFN", 4),
    "general8": Network("realesr_general_x4v3.safetensors", 8, "full", "SRVGGNetCompact", 4),
    "general4": Network("realesr_general_x4v3.safetensors", 4, "full", "SRVGGNetCompact", 4),
    "edsr": Network("edsr_baseline_x4_random.pth", 4, "full", "EDSR", 4),
    "hit": Network("hit_srf_x4.pth", 4, "paper", "HiT-SR", 4),
    "ngswin": Network("ngswin_x2.pth", 4, "paper", "NGswin", 2),
}
SIZES = ("128x128", "256x256", "512x512")
LIMITS: Mapping[str, Mapping[str, str]] = {
    "avx2": {
        "INTAGLIO_ISA": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OV_CPU_MAX_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
    },
    "native": {},
}
NOT_LIMITED = {"avx2": ("ONNX Runtime", "OpenVINO f32", "OpenVINO bf16", "OpenVINO + NNCF int8"), "native": ()}
PACKAGES = ("torch", "onnxruntime", "openvino", "nncf")


def cells(sizes: list[str], networks: list[str], limits: list[str], threads: list[int]) -> Iterator[Cell]:
    """The cells that are asked for, size by size."""
    for size in sizes:
        for network in networks:
            for limit in limits:
                for count in threads:
                    yield Cell(network, size, limit, count)


def measured(records: Path) -> set[tuple[object, ...]]:
    """What tells the cells apart that are in the file already."""
    return {
        (one.network, one.scale, one.act_bits, one.settings["size"], one.settings.get("limit"), one.settings["threads"])
        for one in known_records(records)
        if one.kind == "speed" and one.extra.get("peers")
    }


def key(cell: Cell) -> tuple[object, ...]:
    """The same of a cell."""
    network = NETWORKS[cell.network]
    return network.architecture, network.scale, network.bits, cell.size, cell.limit, cell.threads


def random_edsr(path: Path) -> None:
    """EDSR-baseline x4 with random weights: what it makes of pictures does not matter to its time."""
    import torch

    from intaglio.arch.edsr import EDSR, EDSRConfig

    torch.manual_seed(0)
    torch.save(EDSR(EDSRConfig(scale=4)).state_dict(), path)


def checkpoint_of(name: str, weights: Path, models: Path) -> Path:
    """The float checkpoint of a network; EDSR's is made."""
    file = NETWORKS[name].checkpoint
    if name != "edsr":
        return weights / file
    if not (models / file).exists():
        random_edsr(models / file)
    return models / file


def packed(name: str, weights: Path, models: Path) -> Path:
    """The packed model, made where it is missing."""
    network = NETWORKS[name]
    path = models / f"{name}.w{network.bits}-{network.coverage}.intaglio"
    if not path.exists():
        words = ["quantize", str(checkpoint_of(name, weights, models)), "--bits", str(network.bits)]
        words += ["--coverage", network.coverage, "--method", "minmax", "--effort", "quick", "--output", str(path)]
        subprocess.run([sys.executable, "-m", "intaglio", *words], check=True, stdout=subprocess.DEVNULL)
    return path


def measure(cell: Cell, model: Path, checkpoint: Path, rounds: int) -> Record:
    """One cell in a process of its own, under the limits of its instruction set."""
    environment = {**os.environ, **LIMITS[cell.limit], "OMP_NUM_THREADS": str(cell.threads)}
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "cell.jsonl"
        words = [str(model), "--peers", "--checkpoint", str(checkpoint), "--size", cell.size, "--rounds", str(rounds)]
        words += ["--threads", str(cell.threads), "--records", str(records)]
        subprocess.run([sys.executable, "-m", "intaglio", "bench", *words], check=True, env=environment)
        (record,) = read_records(records)
    extra = {
        **record.extra,
        "not_limited": list(NOT_LIMITED[cell.limit]),
        "peer_versions": {package: metadata.version(package) for package in PACKAGES if installed(package)},
    }
    return dataclasses.replace(record, settings={**record.settings, "limit": cell.limit}, extra=extra)


def installed(package: str) -> bool:
    """Whether a package is there."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def main() -> None:
    """Measure the cells that are missing; a cell that fails is told at the end, after the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="folder of float checkpoints")
    parser.add_argument("--models", type=Path, required=True, help="folder of packed models, made where missing")
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--sizes", nargs="+", default=list(SIZES))
    parser.add_argument("--limits", nargs="+", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--threads", type=int, nargs="+", default=[len(os.sched_getaffinity(0))])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--minutes", type=float, help="begin no further cell after so long")
    parser.add_argument("--list", action="store_true", help="tell the missing cells, measure nothing")
    arguments = parser.parse_args()
    began, failed, known = time.monotonic(), [], measured(arguments.records)
    for cell in cells(arguments.sizes, arguments.networks, arguments.limits, arguments.threads):
        if key(cell) in known:
            continue
        if arguments.list:
            print(*cell)
            continue
        if arguments.minutes and time.monotonic() - began > 60 * arguments.minutes:
            break
        arguments.models.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        try:
            model = packed(cell.network, arguments.weights, arguments.models)
            checkpoint = checkpoint_of(cell.network, arguments.weights, arguments.models)
            append_records(arguments.records, [measure(cell, model, checkpoint, arguments.rounds)])
        except subprocess.CalledProcessError as error:
            failed.append(f"{cell}: exit status {error.returncode}")
        print(*cell, f"{time.monotonic() - start:.0f} s", flush=True)
    if failed:
        sys.exit("failed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
