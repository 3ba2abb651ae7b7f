"""Runs an exported model in a runtime, compares it with the program, and says which products ran in integers.

Runtimes are foreign: each is imported only where it is asked for.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from intaglio._shapes import Float32
from intaglio.export.onnx import INPUT, PRODUCTS
from intaglio.packed.program import Program

Planes = Float32[np.ndarray, "c h w"]
Enlarged = Float32[np.ndarray, "C H W"]

_INTEGER_NODES = frozenset(
    {"MatMulInteger", "ConvInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QLinearMatMul", "QLinearConv"}
)
"""Kernels of ONNX Runtime that multiply integers."""


@dataclass(frozen=True)
class Run:
    """One run of an exported model.

    Attributes:
        planes: what came out.
        kernels: how many kernels of each name were executed, products alone.
        integers: how many of them multiplied integers.
    """

    planes: Enlarged
    kernels: Mapping[str, int]
    integers: int


@dataclass(frozen=True)
class Verification:
    """How an exported model compares with its program on one picture, in one runtime.

    Attributes:
        runtime: its name and version.
        largest: the largest difference of a sample, where white is 1.
        psnr: of the two pictures, in dB, peak 1; infinite where they are equal.
        products: how many quantized products the program has.
        integers: how many product kernels ran in integers.
        kernels: how many product kernels of each name were executed.
    """

    runtime: str
    largest: float
    psnr: float
    products: int
    integers: int
    kernels: Mapping[str, int]

    @property
    def all_in_integers(self) -> bool:
        """Whether no quantized product ran in float."""
        return self.integers >= self.products


def verify(program: Program, model: Path, runtime: str, planes: Planes, wanted: Enlarged) -> Verification:
    """Run the exported file `model` on `planes` and compare with `wanted`, what the program makes of them."""
    run = RUNTIMES[runtime](model, planes)
    error = float(np.mean(np.square(run.planes.astype(np.float64) - wanted)))
    psnr = -10 * float(np.log10(error)) if error > 0 else float("inf")
    products = sum(1 for op in program.ops if op.kind in PRODUCTS and op.sites)
    largest = float(np.abs(run.planes - wanted).max())
    return Verification(_version(runtime), largest, psnr, products, run.integers, run.kernels)


def installed(runtime: str) -> bool:
    """Whether a runtime can be imported."""
    return find_spec(runtime) is not None


def _version(runtime: str) -> str:
    from importlib.metadata import version

    return f"{runtime} {version(runtime)}"


def run_onnxruntime(model: Path, planes: Planes) -> Run:
    """Run a model in ONNX Runtime, on the processor, with its profile."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        (result,) = session.run(None, {INPUT: planes[None]})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    executed = Counter(event["args"]["op_name"] for event in events if event.get("cat") == "Node" and _is_kernel(event))
    kernels = {name: count for name, count in executed.items() if "MatMul" in name or "Conv" in name or name == "Gemm"}
    return Run(result[0], kernels, sum(count for name, count in kernels.items() if name in _INTEGER_NODES))


def _is_kernel(event: Mapping[str, Any]) -> bool:
    return str(event["name"]).endswith("_kernel_time")


def run_openvino(model: Path, planes: Planes) -> Run:
    """Run a model in OpenVINO, on the processor, single precision for what is float."""
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    result = compiled([planes[None]])[0]
    kernels: Counter[str] = Counter()
    for node in compiled.get_runtime_model().get_ordered_ops():
        facts = node.get_rt_info()
        kind = facts["layerType"].astype(str)
        if kind in ("Convolution", "GroupConvolution", "FullyConnected", "MatMul"):
            kernels[f"{kind} {facts['primitiveType'].astype(str)}"] += 1
    integers = sum(count for name, count in kernels.items() if name.lower().endswith(("_i8", "_u8")))
    return Run(np.asarray(result[0]), dict(kernels), integers)


def session_of(runtime: str, model: Path, threads: int = 0) -> Callable[[Planes], Enlarged]:
    """An exported file loaded in a runtime, to be run on planes of any size; `threads` 0 leaves their number to it."""
    if runtime == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 3, threads
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return lambda planes: np.asarray(session.run(None, {INPUT: planes[None]})[0][0])
    import openvino

    core = openvino.Core()
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    settings |= {"INFERENCE_NUM_THREADS": threads} if threads else {}
    request = core.compile_model(core.read_model(model), "CPU", settings).create_infer_request()
    return lambda planes: np.array(request.infer([planes[None]])[0][0])


RUNTIMES: Mapping[str, Callable[[Path, Planes], Run]] = MappingProxyType(
    {"onnxruntime": run_onnxruntime, "openvino": run_openvino}
)
"""What can run an exported file, by the name of its package."""
