"""Quantization of tensors and networks: the affine grid, quantizers, quantized layers, coverage policy, `wrap`."""

from intaglio.quant.model import QuantModel, wrap
from intaglio.quant.policy import SiteInfo
from intaglio.quant.quantizers import AffineQuantizer, Quantizer, Unset

__all__ = ["AffineQuantizer", "QuantModel", "Quantizer", "SiteInfo", "Unset", "wrap"]
