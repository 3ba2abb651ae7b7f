"""The whole chain on Set5 against numbers that every paper prints: bicubic interpolation."""

from __future__ import annotations

from pathlib import Path

import pytest

from intaglio.evaluate import BicubicUpscaler, evaluate, load_dataset


@pytest.mark.shared
@pytest.mark.parametrize(("scale", "psnr", "ssim"), [(2, 33.66, 0.9299), (3, 30.39, 0.8682), (4, 28.42, 0.8104)])
def test_bicubic_on_set5(shared: Path, scale: int, psnr: float, ssim: float) -> None:
    result = evaluate(BicubicUpscaler(scale), load_dataset(shared / "data/testsets", "Set5", scale))
    # The papers give two decimals of PSNR and four of SSIM: half a unit of the last one, and theirs crop alike.
    assert result.psnr_y == pytest.approx(psnr, abs=0.03)
    assert result.ssim_y == pytest.approx(ssim, abs=0.0012)
