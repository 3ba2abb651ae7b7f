"""The paired pass: the float half is the float network, the quantized half is the quantized one."""

from __future__ import annotations

import torch
from torch import Tensor

from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.observe.paired import paired_pass
from intaglio.quant.layers import QuantLayer
from intaglio.spec import QuantSpec


def test_halves_are_those_of_the_two_networks() -> None:
    torch.manual_seed(0)
    config = SwinIRConfig(scale=2, embed_dim=12, depths=(2,), heads=(2,), window=4, mlp_hidden=24)
    network = SwinIR(config).eval()
    calibration = CalibrationSet.synthetic(2, 16)
    model = quantize(network, QuantSpec(4, 4), make_method("dobi", {"patches": 2, "patch_size": 16}), calibration).model
    patches = calibration.patches(3, 16, seed=0)
    met: list[str] = []

    def meet(path: str, layer: QuantLayer, floats: tuple[Tensor, ...], quantized: tuple[Tensor, ...]) -> None:
        met.append(path)
        expected, found = captured[path]
        for ours, theirs in zip((*floats, *quantized), (*expected, *found), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)

    captured = _inputs(network, model.network, patches, tuple(dict.fromkeys(s.path for s in model.sites.values())))
    paired_pass(model, network, patches, meet)
    # Each layer once, in the order in which they run.
    assert met == list(captured)
    assert not any(layer._forward_pre_hooks for layer in model.modules())


def _inputs(
    network: torch.nn.Module, quantized: torch.nn.Module, patches: Tensor, paths: tuple[str, ...]
) -> dict[str, tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]:
    floats, quantizeds = (_heard(module, patches, paths) for module in (network, quantized))
    return {path: (floats[path], quantizeds[path]) for path in floats}


def _heard(module: torch.nn.Module, patches: Tensor, paths: tuple[str, ...]) -> dict[str, tuple[Tensor, ...]]:
    seen: dict[str, tuple[Tensor, ...]] = {}
    for path in paths:
        layer = module.get_submodule(path)
        layer.register_forward_pre_hook(lambda _m, args, path=path: seen.update({path: args}))
    with torch.no_grad():
        module(patches)
    for path in paths:
        module.get_submodule(path)._forward_pre_hooks.clear()
    return seen
