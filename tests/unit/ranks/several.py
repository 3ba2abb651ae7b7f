"""What two processes do together in `test_ranks.py`: ``python several.py WORK FOLDER`` with torchrun's variables."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import torch

from intaglio import ranks
from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.distill import dqc
from intaglio.errors import IntaglioError
from intaglio.methods import METHODS, make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.observe.histogram import Histogram
from intaglio.quant import QuantModel
from intaglio.spec import QuantSpec

CPU = torch.device("cpu")
SMALL: Mapping[str, int] = {
    "patches": 4, "patch_size": 16, "pool": 8, "iterations": 4, "batch": 4, "crop_size": 16, "candidates": 16,
}  # fmt: skip
COMPARED = ("dobi", "least-squares", "condiquant", "2dquant", "2dquant-release", "engrave")
"""Methods whose steps share their work in all the ways there are."""


def quantized(name: str, checkpoint: Path | None = None, **more: int) -> QuantModel:
    torch.manual_seed(0)
    network = SwinIR(SwinIRConfig(scale=2, embed_dim=8, depths=(2,), heads=(2,), window=4, mlp_hidden=16)).eval()
    names = {field.name for field in fields(METHODS[name].make)}  # type: ignore[arg-type]
    method = make_method(name, {key: value for key, value in {**SMALL, **more}.items() if key in names})
    pictures = CalibrationSet.synthetic(2, 24)
    return quantize(network, QuantSpec(4, 4), method, pictures, seed=1, checkpoint=checkpoint).model


def values(model: QuantModel) -> dict[str, torch.Tensor]:
    return {name: x.clone() for name, x in model.state_dict().items() if x.is_floating_point()}


def compare(folder: Path) -> None:
    """What several processes make together is what one makes alone, and the same in each."""
    alone = {name: values(quantized(name)) for name in COMPARED}
    data = torch.randn(4, 1000, generator=torch.Generator().manual_seed(3))
    data[3] *= 100.0
    with ranks.joined(CPU):
        assert ranks.count() == 2
        merged = Histogram.of(data[ranks.own_slice(4)])
        merged.merge()
        whole = Histogram.of(data)
        assert (merged.low, merged.high, merged.width) == (whole.low, whole.high, whole.width)
        assert (merged._bins[:, 1] == whole._bins[:, 1]).all()
        assert merged.zero_share == whole.zero_share
        for name in COMPARED:
            found = values(quantized(name))
            for other in ranks.gathered(found):
                assert all(torch.equal(found[key], other[key]) for key in found), name
            if name != "engrave":  # whose features are compared by parts of a batch
                for key, expected in alone[name].items():
                    torch.testing.assert_close(found[key], expected, rtol=1e-4, atol=1e-5, msg=f"{name} {key}")
    sys.stdout.write("equal\n")


def killed(folder: Path) -> None:
    """Rank 1 dies in the middle of learning, unless the folder says that it did before."""
    state, mark = folder / "state.pt", folder / "died"
    dies = not mark.exists()
    save = dqc.learn

    def learn(*args: object, **options: object) -> tuple[float, ...]:
        def on_step(step: int, loss: float) -> None:
            if dies and ranks.rank() == 1 and step == 27:
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)

        return save(*args, **{**options, "on_step": on_step})  # type: ignore[arg-type]

    dqc.learn = learn
    try:
        with ranks.joined(CPU):
            resumed = values(quantized("2dquant", state, iterations=30))
            unbroken = values(quantized("2dquant", iterations=30))
    except IntaglioError as error:
        sys.stdout.write(f"{type(error).__name__}: {error}\n")
        sys.exit(2)
    assert all(torch.equal(resumed[key], expected) for key, expected in unbroken.items())
    sys.stdout.write("resumed\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"compare": compare, "killed": killed}[sys.argv[1]](Path(sys.argv[2]))
