"""Quantization of tensors and networks: the affine grid, quantizers, quantized layers, coverage policy, `wrap`."""

from intaglio.quant.foreign import ForeignNetwork, adopt, wrap_foreign
from intaglio.quant.model import QuantModel, device_in, wrap
from intaglio.quant.policy import SiteInfo
from intaglio.quant.quantizers import AffineQuantizer, Quantizer, Unset

__all__ = [
    "AffineQuantizer",
    "ForeignNetwork",
    "QuantModel",
    "Quantizer",
    "SiteInfo",
    "Unset",
    "adopt",
    "device_in",
    "wrap",
    "wrap_foreign",
]
