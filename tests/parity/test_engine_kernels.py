"""Every kernel of the list on every instruction set: which paths ran is counted, and a skipped one fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from intaglio.runtime import native

SETS = native.machine().sets
RUNNABLE = [one.name for one in SETS if one.runnable]

PARITY = {
    "dot_tile": "test_engine_kernels.py",
    "window_block": "test_engine_block.py",
    "conv_float": "test_engine_conv.py",
    "conv_run": "test_engine_conv.py",
    "conv_float_patches": "test_engine_conv.py",
    "conv_codes_patches": "test_engine_conv.py",
    "conv_codes": "test_engine_conv.py",
    "conv_float_matrix": "test_engine_conv.py",
    "conv_codes_matrix": "test_engine_conv.py",
    "activate": "test_engine_ops.py",
    "add": "test_engine_ops.py",
    "multiply": "test_engine_ops.py",
    "layer_norm": "test_engine_ops.py",
    "attention_head": "test_engine_attention.py",
    "code_rows": "test_engine_ops.py",
    "code_columns": "test_engine_ops.py",
    "row_products": "test_engine_ops.py",
    "layer_norm_rows": "test_engine_ops.py",
    "softmax_rows": "test_engine_ops.py",
}
"""Where each kernel is held to the reference."""

FLAGS = {
    "avx2": {"avx2", "fma", "f16c"},
    "avxvnni": {"avx2", "fma", "f16c", "avx_vnni"},
    "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512dq"},
    "avx512vnni": {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni"},
    "amx": {"avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"},
}
"""What the operating system calls the features that each instruction set needs."""


def test_every_kernel_has_a_parity_test() -> None:
    assert set(native.core().kernels()) <= set(PARITY)


def test_no_instruction_set_of_this_machine_is_skipped() -> None:
    """Detection by the core against what the kernel of the operating system says."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii")
    except OSError:
        pytest.skip("no /proc/cpuinfo on this system")
    flags = next((set(line.split(":")[1].split()) for line in text.splitlines() if line.startswith("flags")), set())
    for one in SETS:
        if one.name in FLAGS:
            assert one.runnable == (FLAGS[one.name] <= flags), one
    assert SETS[0].runnable  # the portable path runs anywhere


def codes(rng: np.random.Generator, top: int, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, top + 1, shape, dtype=np.uint8)


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("groups", [1, 2, 3, 15, 16, 17, 63, 512])
@pytest.mark.parametrize("outputs", [1, 2, 3, 5, 16, 17])
def test_dot_tile_is_exact(isa: str, groups: int, outputs: int) -> None:
    rng = np.random.default_rng(groups * outputs)
    lanes = native.core().lanes(isa)
    for top, largest, wide in ((127, 128, False), (255, 64, False), (255, 128, True)):
        activations = codes(rng, top, (groups, lanes, 4))
        weights = rng.integers(-largest, largest, (outputs, groups, 4), dtype=np.int8)
        activations[:, 0], weights[0] = top, -largest  # the extremes meet in the first sum
        got = native.core().dot_tile(isa, activations, weights, wide)
        want = np.einsum("glk,ngk->nl", activations.astype(np.int64), weights.astype(np.int64))
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("isa", RUNNABLE)
def test_a_forced_set_is_the_one_that_runs(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.ISA_VARIABLE, isa)
    assert native.machine().chosen == isa
    assert isa in native.machine().reason or native.ISA_VARIABLE in native.machine().reason


def test_the_environment_is_left_alone() -> None:
    """A run with one set forced tests less than it seems to: say so."""
    if os.environ.get(native.ISA_VARIABLE):
        pytest.skip(f"{native.ISA_VARIABLE} is set: only that instruction set is the default in this run")
    assert native.machine().chosen == RUNNABLE[-1]


KEPT_ALIVE = """
import ctypes
from intaglio.runtime.native import core
ctypes.pythonapi.Py_IncRef(ctypes.py_object(core().Builder()))
"""


def test_the_core_says_nothing_at_exit() -> None:
    """An interrupted command ends with objects of the core alive; its own last word must stay the last."""
    done = subprocess.run([sys.executable, "-c", KEPT_ALIVE], check=True, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""
