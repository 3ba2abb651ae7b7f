"""The web package beside ONNX Runtime Web (wasm, float) under node: the same network and picture, one thread, in turns.

`--ort` is a folder in which `npm install onnxruntime-web` was run.
``python benchmarks/web_peers.py MODEL CHECKPOINT --ort FOLDER --records results/web.jsonl``
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from benchmarks.web import PACKAGE, Node

from intaglio.app.recording import record_of
from intaglio.arch import load as load_network
from intaglio.evaluate import append_records
from intaglio.images.synthetic import dead_leaves
from intaglio.packed.format import load
from intaglio.provenance import file_sha256

PEER = """
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
const [network, dist, size] = process.argv.slice(1);
const ort = await import(`file://${dist}/ort.node.min.mjs`);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(network), { executionProviders: ["wasm"] });
const side = Number(size);
const values = Float32Array.from({ length: 3 * side * side }, () => Math.random());
const picture = new ort.Tensor("float32", values, [1, 3, side, side]);
for await (const line of createInterface({ input: process.stdin })) {
  const began = performance.now();
  await session.run({ [session.inputNames[0]]: picture });
  console.log(JSON.stringify((performance.now() - began) / 1000));
}
"""


def export(checkpoint: Path, size: int, target: Path) -> None:
    """The float network as ONNX for pictures of one size."""
    network = load_network(checkpoint).eval()
    example = torch.zeros(1, 3, size, size)
    options = {"opset_version": 18, "dynamo": True, "external_data": False, "verbose": False}
    torch.onnx.export(network, (example,), str(target), **options)  # type: ignore[arg-type]


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--ort", type=Path, required=True)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--records", type=Path, required=True)
    args = parser.parse_args(words)
    dist = args.ort.resolve() / "node_modules" / "onnxruntime-web" / "dist"
    version = json.loads((dist.parent / "package.json").read_text())["version"]
    picture = dead_leaves(args.size, args.size, seed=0)
    seconds: dict[str, list[float]] = {"ours": [], "onnxruntime-web": []}
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / "network.onnx"
        export(args.checkpoint, args.size, network)
        node = Node(Path(folder))
        command = ["node", "--input-type=module", "-e", PEER, str(network), str(dist), str(args.size)]
        peer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert peer.stdin
        assert peer.stdout
        for _ in range(args.runs + 1):  # the first is for warming up
            seconds["ours"].append(node(args.model, picture)[1])
            print(file=peer.stdin, flush=True)
            seconds["onnxruntime-web"].append(float(peer.stdout.readline()))
        peer.stdin.close()
        peer.wait()
        peer.stdout.close()
    times = {name: round(median(found[1:]), 4) for name, found in seconds.items()}
    ratio = median(b / a for a, b in zip(seconds["ours"][1:], seconds["onnxruntime-web"][1:], strict=True))
    wasm = file_sha256(PACKAGE / "dist" / "intaglio.wasm")[:16]
    record = replace(
        record_of(load(args.model), "web-speed"),
        settings={"size": args.size, "runs": args.runs, "wasm": wasm, "peer": f"onnxruntime-web {version}"},
        seconds=times["ours"],
        extra={
            "seconds": times,
            "ratio": round(ratio, 2),
            "picture": "dead_leaves, seed 0",
        },
    )
    append_records(args.records, [record])
    print(f"{args.model.stem}: {times}, ratio {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
