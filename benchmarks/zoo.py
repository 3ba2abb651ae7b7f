"""Which of spandrel's architectures become integer programs: small networks of each, random weights, 8 bits everywhere.

Each is adopted, calibrated (minmax on drawn pictures), lowered, and checked site by site against its simulator. What is
refused is recorded with the reason. Networks that are in the file already are left out, so that a run can be resumed:
``python benchmarks/zoo.py --records results/zoo.jsonl``. Needs spandrel; torchvision is replaced by empty modules.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.machinery
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from intaglio.app.networks import ready
from intaglio.errors import IntaglioError
from intaglio.evaluate import Record, append_records, known_records
from intaglio.evaluate.metrics import finite_psnr
from intaglio.images import calibration_pictures
from intaglio.lower import lowered, simulator
from intaglio.lower.check import check, check_side
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.spec import Coverage, QuantSpec

WINDOWS = {"embed_dim": 24, "depths": (2, 2), "num_heads": (2, 2), "upscale": 2, "window_size": 8}

NETWORKS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Compact": ("Compact", {"num_feat": 16, "num_conv": 3, "upscale": 4}),
    "SPAN": ("SPAN", {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 16, "upscale": 2}),
    "SwinIR": ("SwinIR", WINDOWS | {"upsampler": "pixelshuffledirect"}),
    "Swin2SR": ("Swin2SR", WINDOWS | {"upsampler": "pixelshuffle"}),
    "HAT": ("HAT", WINDOWS | {"upsampler": "pixelshuffle", "squeeze_factor": 4}),
    "OmniSR": ("OmniSR", {"num_feat": 16, "res_num": 1, "up_scale": 2}),
    "ATD": ("ATD", WINDOWS | {"category_size": 32, "upsampler": "pixelshuffledirect"}),
    "PLKSR": ("PLKSR", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2}),
    "RealPLKSR": ("PLKSR", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2}),
    "SAFMN": ("SAFMN", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2}),
    "SAFMNBCIE": ("SAFMNBCIE", {"dim": 16, "n_blocks": 1, "num_layers": 1}),
    "ESRGAN": ("ESRGAN", {"num_filters": 8, "num_blocks": 1}),
    "RCAN": ("RCAN", {"scale": 2, "n_resgroups": 1, "n_resblocks": 1, "n_feats": 16, "reduction": 4}),
    "SwiftSRGAN": ("SwiftSRGAN", {"num_channels": 16, "num_blocks": 2}),
    "DITN": ("DITN", {"dim": 24, "ITL_blocks": 1, "SAL_blocks": 1, "upscale": 2}),
    "MoSR": ("MoSR", {"n_block": 2, "dim": 16, "upscale": 2}),
    "MoESR": ("MoESR", {"scale": 2, "dim": 16, "n_blocks": 1, "n_block": 1}),
    "FDAT": ("FDAT", {"scale": 2, "embed_dim": 24, "num_groups": 1, "depth_per_group": 2, "num_heads": 2}),
    "RealCUGAN": ("RealCUGAN", {}),
    "NAFNet": ("NAFNet", {"width": 8, "middle_blk_num": 1, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}),
    "DRUNet": ("DRUNet", {"in_nc": 3, "out_nc": 3, "nc": [8, 8, 8, 8], "nb": 1}),
    "DnCNN": ("DnCNN", {"in_nc": 3, "out_nc": 3, "nc": 8, "nb": 3}),
    "DRCT": ("DRCT", WINDOWS | {"gc": 8, "upsampler": "pixelshuffle"}),
    "GRL": ("GRL", {"embed_dim": 24, "upscale": 2, "upsampler": "pixelshuffledirect", "depths": [2]}
            | {"num_heads_window": [2], "num_heads_stripe": [2]}),
    "RGT": ("RGT", {"embed_dim": 48, "depth": [2], "num_heads": [2], "split_size": [8, 8]}),
    "CRAFT": ("CRAFT", {"embed_dim": 24, "depths": [2], "num_heads": [4], "upscale": 2}),
    "SeemoRe": ("SeemoRe", {"scale": 2, "num_experts": 2, "num_layers": 2, "embedding_dim": 32}),
    "FFTformer": ("FFTformer", {"dim": 8, "num_blocks": [1, 1, 1], "num_refinement_blocks": 1}),
    "RetinexFormer": ("RetinexFormer", {"n_feat": 8, "stage": 1}),
    "MixDehazeNet": ("MixDehazeNet", {"embed_dims": [8, 16, 32, 16, 8], "depths": [1] * 5}),
    "HVICIDNet": ("HVICIDNet", {"channels": [8, 8, 16, 16], "heads": [1, 2, 2, 2]}),
    "KBNet_s": ("KBNet", {"width": 8, "middle_blk_num": 1, "enc_blk_nums": [1] * 4, "dec_blk_nums": [1] * 4}),
    "DAT": ("DAT", {"embed_dim": 48, "depth": [2], "num_heads": [2], "split_size": [4, 8]}),
}  # fmt: skip
"""The class, its architecture in spandrel, and what makes it small."""

CLASSES = {"RealCUGAN": "UpCunet2x"}


class Empty(types.ModuleType):
    """A module that has everything and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"BILINEAR": None, "NEAREST": None, "BICUBIC": None})


def without_torchvision() -> None:
    """Put empty modules where spandrel imports torchvision."""
    for name in ("", ".ops", ".ops.misc", ".models", ".transforms", ".transforms.functional", "._meta_registrations"):
        module = Empty(f"torchvision{name}")
        module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
        module.__path__ = []
        sys.modules[module.__name__] = module


def build(name: str) -> nn.Module:
    """A small network with random weights, none of them zero."""
    architecture, settings = NETWORKS[name]
    make: Callable[..., nn.Module] = getattr(
        importlib.import_module(f"spandrel.architectures.{architecture}"), CLASSES.get(name, name)
    )
    torch.manual_seed(0)
    network = make(**settings).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.numel() and not parameter.any():
                parameter.normal_(0.0, 0.05)
    return network


def record(name: str) -> Record:
    """What became of one network."""
    spec = QuantSpec(8, 8, Coverage.FULL)
    about: dict[str, Any] = {"method": "minmax", "weight_bits": 8, "act_bits": 8, "coverage": "full", "seed": 0}
    try:
        network = ready(build(name))
        made = quantize(network, spec, make_method("minmax", {"patches": 1, "patch_size": 64}), PICTURES)
        found = lowered(made.model)
        side = check_side(found)
        report = check(simulator(made.model), found, calibration_pictures(1, side, seed=0)[0])
    except (IntaglioError, *REFUSALS) as error:
        return Record(kind="lowering", network=name, scale=1, extra={"refused": str(error)[:400]}, **about)
    extra = {
        "operations": len(found.program.ops),
        "multiple": found.program.ops[0].integer("multiple"),
        "note": found.note,
        "sites": len(report.sites),
        "products": report.products,
        "flip_share": report.flip_share,
        "worst_flip_share": report.worst.share,
        "picture_psnr_y": finite_psnr(report.picture_psnr),
    }
    return Record(kind="lowering", network=name, scale=found.program.scale, extra=extra, **about)


PICTURES = CalibrationSet.synthetic(count=2, size=64)
REFUSALS = (RuntimeError, ValueError, AssertionError, IndexError, TypeError, KeyError)


def main() -> None:
    """Try what is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, required=True)
    target = parser.parse_args().records
    without_torchvision()
    done = {one.network for one in known_records(target)}
    for name in NETWORKS:
        if name not in done:
            found = record(name)
            append_records(target, [found])
            print(name, found.extra, flush=True)


if __name__ == "__main__":
    main()
