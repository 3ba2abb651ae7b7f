"""Float super-resolution networks as their papers draw them, and loading their published checkpoints.

Nothing here knows of quantization; importing this package needs PyTorch.
"""

from intaglio.arch.load import Loaded, from_state_dict, load, load_checkpoint
from intaglio.arch.network import SRNetwork
from intaglio.arch.registry import REGISTRY, detect

__all__ = ["REGISTRY", "Loaded", "SRNetwork", "detect", "from_state_dict", "load", "load_checkpoint"]
