"""Every registered architecture: a random small network survives its own checkpoint, in every wrapping, at any size.

A new architecture adds a strategy for its configuration to `CONFIGS`; the rest comes for free.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from intaglio.arch import REGISTRY, SRNetwork, from_state_dict
from intaglio.arch.compact import Activation, CompactConfig
from intaglio.arch.dat import DATConfig
from intaglio.arch.edsr import EDSRConfig
from intaglio.arch.entry import Entry
from intaglio.arch.hit import HiTConfig
from intaglio.arch.hit_blocks import Form
from intaglio.arch.imdn import IMDNConfig
from intaglio.arch.msrresnet import MSRResNetConfig
from intaglio.arch.ngswin import NGswinConfig
from intaglio.arch.rcan import RCANConfig
from intaglio.arch.reconstruction import ResidualConv, Upsampler
from intaglio.arch.rlfn import RLFNConfig
from intaglio.arch.rrdbnet import RRDBNetConfig
from intaglio.arch.span import SPANConfig
from intaglio.arch.srresnet import SRResNetConfig
from intaglio.arch.swinir import SwinIRConfig
from intaglio.arch.unwrapping import PREFIXES, WRAPPERS
from intaglio.errors import CheckpointError

SCALE = st.sampled_from((2, 3, 4, 8))
CHANNELS = st.sampled_from((1, 3))
WIDTH = st.integers(2, 9)
DEPTH = st.integers(1, 3)


@st.composite
def swinir_fields(draw: st.DrawFn) -> dict[str, object]:
    groups = draw(st.integers(1, 2))
    upsampler = draw(st.sampled_from(Upsampler))
    direct = upsampler is Upsampler.DIRECT
    return {
        "scale": draw(st.sampled_from((2, 4)) if upsampler is Upsampler.NEAREST_CONV else SCALE),
        "in_channels": draw(CHANNELS),
        "embed_dim": draw(st.sampled_from((4, 8, 12))),
        "depths": draw(st.tuples(*[st.integers(1, 3)] * groups)),
        "heads": draw(st.tuples(*[st.sampled_from((1, 2, 4))] * groups)),
        "window": draw(st.integers(2, 8)),
        "mlp_hidden": draw(WIDTH),
        "upsampler": upsampler,
        "residual": draw(st.sampled_from(ResidualConv)),
        "features": SwinIRConfig.features if direct else draw(WIDTH),
        "qkv_bias": draw(st.booleans()),
    }


@st.composite
def dat_fields(draw: st.DrawFn) -> dict[str, object]:
    groups = draw(st.integers(1, 2))
    upsampler = draw(st.sampled_from(Upsampler))
    direct = upsampler is Upsampler.DIRECT
    short = draw(st.integers(2, 4))
    return {
        "scale": draw(st.sampled_from((2, 4)) if upsampler is Upsampler.NEAREST_CONV else SCALE),
        "in_channels": draw(CHANNELS),
        "embed_dim": draw(st.sampled_from((32, 40))),
        "depths": draw(st.tuples(*[st.integers(1, 3)] * groups)),
        "heads": draw(st.tuples(*[st.sampled_from((2, 4))] * groups)),
        "split": draw(st.sampled_from(((short, 2 * short), (2 * short, short), (short, short)))),
        "mlp_hidden": 2 * draw(WIDTH),
        "upsampler": upsampler,
        "residual": draw(st.sampled_from(ResidualConv)),
        "features": DATConfig.features if direct else draw(WIDTH),
        "qkv_bias": draw(st.booleans()),
    }


@st.composite
def hit_fields(draw: st.DrawFn) -> dict[str, object]:
    groups = draw(st.integers(1, 2))
    upsampler = draw(st.sampled_from(Upsampler))
    depth = draw(st.integers(1, 3))
    return {
        "scale": draw(st.sampled_from((2, 4)) if upsampler is Upsampler.NEAREST_CONV else SCALE),
        "in_channels": draw(CHANNELS),
        "embed_dim": draw(st.sampled_from((16, 24))),
        "depths": (depth,) * groups,
        "heads": draw(st.tuples(*[st.sampled_from((1, 2))] * groups)),
        "base_window": draw(st.sampled_from(((2, 2), (2, 4)))),
        "ratios": draw(st.tuples(*[st.sampled_from((0.5, 1.0, 2.0, 3.0))] * depth)),
        "mlp_hidden": draw(WIDTH),
        "upsampler": upsampler,
        "residual": draw(st.sampled_from(ResidualConv)),
        "features": HiTConfig.features if upsampler is Upsampler.DIRECT else draw(WIDTH),
        "form": draw(st.sampled_from(Form)),
    }


ngswin_fields = st.fixed_dictionaries(
    {
        "scale": st.sampled_from((2, 3, 4)),
        "embed_dim": st.sampled_from((16, 32)),
        "depths": st.tuples(*[st.integers(1, 2)] * 4),
        "heads": st.tuples(*[st.sampled_from((1, 2, 3))] * 4),
        "window": st.integers(2, 3),
        "mlp_hidden": WIDTH,
        "qkv_bias": st.booleans(),
    }
)


def fields(**of: st.SearchStrategy) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({"scale": SCALE, "in_channels": CHANNELS, "features": WIDTH, "blocks": DEPTH, **of})


compact_fields = st.fixed_dictionaries(
    {
        "scale": st.sampled_from((1, 2, 3, 4, 8)),
        "in_channels": CHANNELS,
        "features": WIDTH,
        "convolutions": DEPTH,
        "activation": st.just(Activation.PRELU),
    }
)


@st.composite
def rrdbnet_fields(draw: st.DrawFn) -> dict[str, object]:
    scale, unshuffle = draw(st.sampled_from(((1, 1), (1, 2), (1, 4), (2, 1), (2, 2), (2, 4), (4, 1), (4, 2), (8, 1))))
    return draw(fields(scale=st.just(scale), unshuffle=st.just(unshuffle), growth=WIDTH, blocks=st.integers(1, 2)))


large_edsr_fields = fields(features=st.just(256), blocks=st.just(1), scale=st.just(2), res_scale=st.just(0.1))

# Fields, not configurations: the run-time type checker draws random numbers, which hypothesis forbids in strategies.
CONFIGS: dict[str, tuple[type, st.SearchStrategy[dict[str, object]]]] = {
    "SwinIR": (SwinIRConfig, swinir_fields()),
    "DAT": (DATConfig, dat_fields()),
    "HiT-SR": (HiTConfig, hit_fields()),
    "NGswin": (NGswinConfig, ngswin_fields),
    "EDSR": (
        EDSRConfig,
        fields() | fields(scale=st.just(2), features=st.just(256), blocks=st.just(1), res_scale=st.just(0.1)),
    ),
    "RCAN": (RCANConfig, fields(groups=DEPTH, squeezed=WIDTH)),
    "RLFN": (RLFNConfig, fields(mid_features=WIDTH, attention_features=WIDTH)),
    "MSRResNet": (MSRResNetConfig, fields(scale=st.sampled_from((2, 3, 4)))),
    "SRResNet": (SRResNetConfig, fields()),
    "SRVGGNetCompact": (CompactConfig, compact_fields),
    "SPAN": (SPANConfig, fields(blocks=st.integers(2, 3), normalised=st.booleans())),
    "IMDN": (IMDNConfig, fields(features=st.sampled_from((4, 8)), squeezed=WIDTH)),
    "RRDBNet": (RRDBNetConfig, rrdbnet_fields()),
}

OPTIONAL = ".attn.qkv.bias"
"""A network with one block may have this tensor or not."""

every_architecture = pytest.mark.parametrize("entry", REGISTRY, ids=lambda entry: entry.name)
few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def draw_network(data: st.DataObject, entry: Entry) -> SRNetwork:
    config_type, config_fields = CONFIGS[entry.name]
    config = config_type(**data.draw(config_fields, label="config"))
    torch.manual_seed(data.draw(st.integers(0, 1000), label="seed"))
    return entry.build(config).eval()


def draw_picture(data: st.DataObject, network: SRNetwork) -> Tensor:
    height, width = (data.draw(st.integers(1, 19), label=axis) for axis in ("height", "width"))
    return torch.rand(data.draw(st.integers(1, 2)), network.in_channels, height, width)


def wrapped(state: Mapping[str, Tensor], data: st.DataObject) -> Mapping[str, object]:
    prefix = "".join(data.draw(st.lists(st.sampled_from(PREFIXES), max_size=2), label="prefixes"))
    content: Mapping[str, object] = {prefix + key: value for key, value in state.items()}
    for wrapper in data.draw(st.lists(st.sampled_from(WRAPPERS), max_size=2), label="wrappers"):
        content = {"epoch": 3, wrapper: content}
    return content


def told(network: SRNetwork) -> dict[str, object]:
    """What no tensor tells, as a user would give it."""
    asked = (field.name for field in dataclasses.fields(network.config) if "asked" in field.metadata)  # type: ignore[arg-type]
    return {name: getattr(network.config, name) for name in asked}


def test_every_architecture_has_a_strategy() -> None:
    assert set(CONFIGS) == {entry.name for entry in REGISTRY}


@every_architecture
@few
@given(data=st.data())
def test_checkpoint_gives_back_configuration_and_output(entry: Entry, data: st.DataObject) -> None:
    network = draw_network(data, entry)
    again = from_state_dict(wrapped(network.state_dict(), data), overrides=told(network))
    picture = draw_picture(data, network)
    assert again.config == network.config
    assert again.architecture == entry.name
    assert not again.training
    with torch.inference_mode():
        assert torch.equal(again(picture), network(picture))


@every_architecture
@few
@given(data=st.data())
def test_only_its_own_entry_recognises_a_checkpoint(entry: Entry, data: st.DataObject) -> None:
    state = draw_network(data, entry).state_dict()
    assert [other.name for other in REGISTRY if other.detect(state)] == [entry.name]


@every_architecture
@few
@given(data=st.data())
def test_every_size_is_upscaled_and_no_argument_changed(entry: Entry, data: st.DataObject) -> None:
    network = draw_network(data, entry)
    picture = draw_picture(data, network)
    kept = picture.clone()
    with torch.inference_mode():
        upscaled = network(picture)
    assert upscaled.shape == (*picture.shape[:2], *(side * network.scale for side in picture.shape[2:]))
    assert bool(upscaled.isfinite().all())
    assert torch.equal(picture, kept)


@every_architecture
@few
@given(data=st.data())
def test_a_gray_network_takes_each_channel_of_a_colour_picture(entry: Entry, data: st.DataObject) -> None:
    config_type, config_fields = CONFIGS[entry.name]
    if "in_channels" not in {field.name for field in dataclasses.fields(config_type)}:
        pytest.skip("for RGB alone")
    network = entry.build(config_type(**{**data.draw(config_fields, label="config"), "in_channels": 1})).eval()
    picture = draw_picture(data, network).expand(-1, 3, -1, -1) * torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1)
    with torch.inference_mode():
        channels = [network(channel[:, None].contiguous()) for channel in picture.unbind(1)]
        # Kernels may add in another order for another batch: a few roundings of numbers of the output's size.
        tolerance = 1e-4 * float(torch.cat(channels).abs().max())
        torch.testing.assert_close(network(picture), torch.cat(channels, dim=1), rtol=0, atol=tolerance)


@every_architecture
@few
@given(data=st.data())
def test_half_precision_checkpoints_load_in_single(entry: Entry, data: st.DataObject) -> None:
    network = draw_network(data, entry).half()
    again = from_state_dict(network.state_dict(), overrides=told(network))
    for key, value in again.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, network.state_dict()[key].float())


@every_architecture
@few
@given(data=st.data())
def test_taps_and_ends_are_modules_of_the_network(entry: Entry, data: st.DataObject) -> None:
    network = draw_network(data, entry)
    first, last = network.first_and_last()
    convolutions = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    assert first == convolutions[0]
    assert last == convolutions[-1]
    outputs = {}
    for tap in network.feature_taps():
        hook = lambda _module, _args, output, tap=tap: outputs.update({tap: output})  # noqa: E731
        network.get_submodule(tap).register_forward_hook(hook)
    with torch.inference_mode():
        network(draw_picture(data, network))
    assert tuple(outputs) == network.feature_taps()
    width = network.get_submodule(first).out_channels
    assert all(output.shape[network.feature_channel_axis] == width for output in outputs.values())


@every_architecture
@settings(max_examples=1, deadline=None)
@given(data=st.data())
def test_plain_pytorch_traces_the_network(entry: Entry, data: st.DataObject) -> None:
    network = draw_network(data, entry)
    picture = draw_picture(data, network)
    assume(picture.shape[-1] > 1)
    traced = torch.export.export(network, (picture,)).module()
    assert torch.equal(traced(picture), network(picture))


@every_architecture
@few
@given(data=st.data())
def test_one_value_that_is_not_finite_is_refused(entry: Entry, data: st.DataObject) -> None:
    state = draw_network(data, entry).state_dict()
    key = data.draw(st.sampled_from(sorted(state)), label="key")
    state[key].view(-1)[0] = data.draw(st.sampled_from((float("nan"), float("inf"))))
    with pytest.raises(CheckpointError, match=f"'{key}' holds NaN or infinite"):
        from_state_dict(state)


@every_architecture
@few
@given(data=st.data())
def test_a_misshapen_missing_or_surplus_tensor_is_named(entry: Entry, data: st.DataObject) -> None:
    network = draw_network(data, entry)
    state = network.state_dict()
    tell_tale = {key for naming in entry.namings for key in naming.keys}
    needed = [key for key in state if key.endswith("bias") and key not in tell_tale and not key.endswith(OPTIONAL)]
    key = data.draw(st.sampled_from(sorted(needed)), label="key")
    misshapen = {**state, key: torch.zeros(state[key].numel() + 1)}
    with pytest.raises(CheckpointError, match=f"'{key}' has shape"):
        from_state_dict(misshapen, overrides=told(network))
    without = {name: value for name, value in state.items() if name != key}
    with pytest.raises(CheckpointError, match=f"lacks '{key}'"):
        from_state_dict(without, overrides=told(network))
    extra = {**state, "surplus.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"1 tensors that .* has not, such as 'surplus.weight'"):
        from_state_dict(extra, overrides=told(network))
