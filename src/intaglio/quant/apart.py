"""Where computing is ours and not the network's: what a product mode must not take for a product of the network."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def apart() -> AbstractContextManager[None]:
    """Inside, no torch function mode hears what is computed: quantizers, quantized layers and hooks upon either.

    A foreign network runs under such a mode, which finds its products of activations (see `products.py`). Covariances
    that a hook computes of an activation are none of them.
    """
    return torch._C.DisableTorchFunction()
