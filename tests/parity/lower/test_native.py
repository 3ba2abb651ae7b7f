"""Lowered networks of every architecture in the native core, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from intaglio.arch import REGISTRY
from intaglio.arch.examples import random_network
from intaglio.evaluate import psnr_y
from intaglio.lower import lower
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.runtime.engine import Engine
from intaglio.runtime.reference import Reference
from intaglio.spec import Coverage, QuantSpec

CALIBRATION = CalibrationSet.synthetic(count=2, size=32)
IMAGE = np.ascontiguousarray(CALIBRATION.pictures[1][:21, :27])
LEAST_PSNR = 54.15
"""In dB, of free runs in which flipped codes echo: 20 log10(255 / 0.5), so that the pictures differ by less than half a
grey level, root mean square. What a real network loses by it in PSNR is measured on Set5, in docs/numerics.md."""
LEAST_PSNR_AT_2_BITS = 36.0
"""One flipped code of two bits moves its value by a third of the range, and every later attention sees it: random
networks as deep as DAT's are chaotic there (42.8 dB was seen). Their operations agree one by one (tests/parity)."""

pytest.importorskip("intaglio.runtime._core", reason="the native core is not built")


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("name", [entry.name for entry in REGISTRY])
def test_native_and_reference_show_the_same_picture(name: str, bits: int) -> None:
    method = make_method("minmax", {"patches": 2, "patch_size": 24})
    model = quantize(random_network(name), QuantSpec(bits, bits, Coverage.FULL), method, CALIBRATION).model
    program = lower(model)
    ours = Engine(program, backend="native", threads=1)(IMAGE)
    assert psnr_y(ours, Reference(program)(IMAGE), 0) >= (LEAST_PSNR_AT_2_BITS if bits == 2 else LEAST_PSNR)
