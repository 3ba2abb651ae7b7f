"""`wrap` and the quantized model: a copy of a float network whose covered layers have sites.

Which bounds stand at the sites is the business of `intaglio.methods`; what they do is in `quantizers.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.errors import CalibrationError, SpecError
from intaglio.quant.attention import QuantAttention
from intaglio.quant.layers import QuantConv2d, QuantLayer, QuantLinear, QuantMatMul
from intaglio.quant.policy import LeftFloat, SiteInfo, calls_of, choose, is_attention, sites_of
from intaglio.quant.quantizers import AffineQuantizer, Quantizer, Unset
from intaglio.quant.state import decode_sites, encode_sites
from intaglio.quant.work import is_product
from intaglio.spec import Bounds, Granularity, QuantSpec, SiteName


class QuantModel(nn.Module):
    """A float network with quantizers at its sites; made by `wrap`, filled by a method.

    `network` is the rewritten copy, `spec` what was asked for, `left_float` what stays float although the coverage
    names its kind, and why. Shapes: as the network's, (N, C, H, W) in [0, 1] to (N, C, H*s, W*s).
    """

    def __init__(
        self,
        network: nn.Module,
        spec: QuantSpec,
        sites: tuple[SiteInfo, ...],
        left_float: tuple[LeftFloat, ...] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.left_float = left_float
        self.spec = spec
        self._sites = {site.name: site for site in sites}

    @property
    def sites(self) -> Mapping[SiteName, SiteInfo]:
        """Every place that can hold a quantizer, by name, in the order of registration."""
        return MappingProxyType(self._sites)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        """Upscale with every set site quantized."""
        out: Tensor = self.network(x)
        return out

    @property
    def device(self) -> torch.device:
        """Where the network's parameters are, all of them."""
        return device_in(self.network)

    def layer(self, site: SiteInfo) -> QuantLayer:
        """The layer that a site belongs to."""
        layer = self.network.get_submodule(site.path)
        assert isinstance(layer, QuantLayer)
        return layer

    def weight(self, site: SiteInfo) -> Tensor:
        """The float weight of a weight site."""
        return self.layer(site).weight_of(site.role)

    def quantizer(self, name: SiteName) -> Quantizer:
        """What stands at a site.

        Raises: SpecError for an unknown name (remedy: one of `sites`).
        """
        if name not in self.sites:
            raise SpecError(
                f"no site {name!r} in this model; `intaglio inspect` lists the {len(self.sites)} there are."
            )
        return self.layer(self.sites[name]).site(self.sites[name].role)

    def set_quantizer(self, name: SiteName, quantizer: Quantizer) -> None:
        """Put a quantizer at a site, for all its readers, where the model is."""
        site = self.sites[name]
        quantizer = quantizer.to(self.device)
        for role in site.readers:
            self.layer(site).set_site(role, quantizer)

    def set_bounds(self, name: SiteName, bounds: Bounds | list[Bounds]) -> None:
        """Put an affine quantizer of the site's width at a site; a list holds one pair for each output channel."""
        site = self.sites[name]
        if isinstance(bounds, Bounds):
            self.set_quantizer(name, AffineQuantizer.from_bounds(bounds, site.bits))
        else:
            self.set_quantizer(name, AffineQuantizer.per_channel(bounds, site.bits, self.weight(site).dim()))

    def affine(self) -> dict[SiteName, AffineQuantizer]:
        """The affine quantizers by site, in order of `sites`."""
        found = {name: self.quantizer(name) for name in self.sites}
        return {name: quantizer for name, quantizer in found.items() if isinstance(quantizer, AffineQuantizer)}

    def get_extra_state(self) -> Tensor:
        """What stands at the sites, beside the tensors: kinds and widths of the quantizers (see `state.py`)."""
        return encode_sites({name: self.quantizer(name) for name in self.sites})

    def set_extra_state(self, state: object) -> None:
        """Put quantizers as in the saved model at all sites; their bounds are loaded afterwards.

        Called by `load_state_dict`, so that a copy with unset sites takes the state of a calibrated one.
        Raises: CheckpointError for the state of another model.
        """
        channels = {name: len(self.weight(site)) if site.is_weight else 0 for name, site in self.sites.items()}
        for name, quantizer in decode_sites(state, channels).items():
            self.set_quantizer(name, quantizer)

    def require_calibrated(self) -> None:
        """Raises: CalibrationError if any site has no quantizer (remedy: run a method first)."""
        unset = [name for name in self.sites if isinstance(self.quantizer(name), Unset)]
        if unset:
            raise CalibrationError(
                f"{len(unset)} of {len(self.sites)} sites have no bounds, first {unset[0]!r}; run a method first."
            )


def device_in(network: nn.Module) -> torch.device:
    """Where a network's parameters are, all of them."""
    return next((one.device for one in network.parameters()), torch.device("cpu"))


def wrap(network: nn.Module, spec: QuantSpec) -> QuantModel:
    """Copy a float network and give every covered layer its sites, all still unset: the copy computes what the
    original does.

    The original is left as it is. Parameters of the copy are frozen and it is in evaluation mode (SwinIR's drop path
    must not fire in distillation). The first and last convolution, named by the network's ``first_and_last()``, keep
    8 bits.

    Raises: SpecError if the coverage finds nothing to quantize, or a padding mode it cannot.
    """
    copied = copy.deepcopy(network).eval()
    copied.requires_grad_(False)
    ends_of = getattr(network, "first_and_last", None)
    ends = tuple(ends_of()) if callable(ends_of) else ()
    infos: list[SiteInfo] = []
    chosen = choose(network, spec.coverage)
    for path, module in chosen.covered:
        infos.extend(sites_of(path, module, spec, ends))
        copied.set_submodule(path, _twin(copied.get_submodule(path)))
    for path, module in list(copied.named_modules()):
        if is_attention(module):
            copied.set_submodule(path, QuantAttention(module))
    # New modules are born in training mode, and whoever asks the root for its mode (torch.export) sets all by it.
    return QuantModel(copied, spec, tuple(infos), chosen.left_float).eval()


def _twin(module: nn.Module) -> QuantLayer:
    if is_product(module):
        twin = getattr(module, "twin", QuantMatMul)()
        assert isinstance(twin, QuantLayer)
        return twin
    if isinstance(module, nn.Conv2d):
        return QuantConv2d(module, calls_of(module))
    assert isinstance(module, nn.Linear)
    return QuantLinear(module, tuple(getattr(module, "parts", ())), calls_of(module))


def is_per_channel(model: QuantModel, site: SiteInfo) -> bool:
    """Whether a site has one pair of bounds for each output channel."""
    return site.is_weight and model.spec.weight_granularity is Granularity.PER_CHANNEL
