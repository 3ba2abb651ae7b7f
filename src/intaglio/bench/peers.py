"""What else can run the float network on this machine: each peer is made from the same weights for one picture size.

A peer that is not installed is left out and named. Nothing here is needed to run a packed model.
"""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

Batch = Float32[np.ndarray, "1 c h w"]
Answer = Float32[np.ndarray, "1 c sh sw"]
Runner = Callable[[Batch], Answer]


class Precision(StrEnum):
    """What a peer computes in."""

    FLOAT32 = "fp32"
    BFLOAT16 = "bf16"
    INT8 = "int8"


@dataclass(frozen=True)
class Task:
    """The network, an example of its input, calibration inputs for peers that quantize, and threads."""

    network: nn.Module
    example: Batch
    calibration: Sequence[Batch]
    threads: int


@dataclass(frozen=True)
class Peer:
    """A way to run a float network: its precision, the packages it needs, and its maker."""

    name: str
    precision: Precision
    needs: tuple[str, ...]
    make: Callable[[Task], Runner]

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed here."""
        return tuple(package for package in self.needs if importlib.util.find_spec(package) is None)


def _torch_eager(task: Task) -> Runner:
    network = task.network.eval()
    torch.set_num_threads(task.threads)

    def run(batch: Batch) -> Answer:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(batch)).numpy())

    return run


def _torch_compiled(task: Task) -> Runner:
    torch.set_num_threads(task.threads)
    compiled = torch.compile(task.network.eval())

    def run(batch: Batch) -> Answer:
        with torch.inference_mode():
            return np.asarray(compiled(torch.from_numpy(batch)).numpy())

    run(task.example)
    return run


def _onnx_runtime(task: Task) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    with tempfile.TemporaryDirectory() as folder:
        session = onnxruntime.InferenceSession(str(_exported(task, Path(folder))), options, ["CPUExecutionProvider"])
    (name,) = (value.name for value in session.get_inputs())
    return lambda batch: np.asarray(session.run(None, {name: batch})[0])


def _openvino(hint: str) -> Callable[[Task], Runner]:
    def make(task: Task) -> Runner:
        import openvino

        return _compiled_by_openvino(openvino.Core(), _openvino_model(task), task.threads, hint)

    return make


def _openvino_int8(task: Task) -> Runner:
    import nncf
    import openvino

    data = nncf.Dataset([np.asarray(batch) for batch in task.calibration])
    model = nncf.quantize(
        _openvino_model(task), data, subset_size=len(task.calibration), model_type=nncf.ModelType.TRANSFORMER
    )
    return _compiled_by_openvino(openvino.Core(), model, task.threads, "f32")


def _openvino_model(task: Task) -> Any:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        return openvino.Core().read_model(str(_exported(task, Path(folder))))


def _compiled_by_openvino(core: Any, model: Any, threads: int, hint: str) -> Runner:
    settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda batch: np.asarray(request.infer([batch])[0])


def _exported(task: Task, folder: Path) -> Path:
    """The network as an ONNX file for pictures of the example's size."""
    path = folder / "network.onnx"
    with _hushed():
        torch.onnx.export(
            task.network.eval(), (torch.from_numpy(task.example),), str(path), opset_version=18, dynamo=True,
            external_data=False, verbose=False,
        )  # fmt: skip
    return path


@contextmanager
def _hushed() -> Iterator[None]:
    """The exporter tells of packages that nobody asked for, and warns of its own use of torch."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)


_PEERS = (
    Peer("PyTorch eager", Precision.FLOAT32, ("torch",), _torch_eager),
    Peer("torch.compile", Precision.FLOAT32, ("torch",), _torch_compiled),
    Peer("ONNX Runtime", Precision.FLOAT32, ("onnxruntime", "onnx", "onnxscript"), _onnx_runtime),
    Peer("OpenVINO f32", Precision.FLOAT32, ("openvino", "onnx", "onnxscript"), _openvino("f32")),
    Peer("OpenVINO bf16", Precision.BFLOAT16, ("openvino", "onnx", "onnxscript"), _openvino("bf16")),
    Peer("OpenVINO + NNCF int8", Precision.INT8, ("openvino", "nncf", "onnx", "onnxscript"), _openvino_int8),
)

PEERS: Mapping[str, Peer] = MappingProxyType({peer.name: peer for peer in _PEERS})
"""All peers by name, slowest kind first."""


def available_peers() -> tuple[Peer, ...]:
    """The peers whose packages are installed here."""
    return tuple(peer for peer in PEERS.values() if not peer.missing)
