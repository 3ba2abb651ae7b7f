"""Quantization-aware training from float weights, as what post-training methods are timed against; driven by `qat.py`.

Not part of the package: nothing under `src/intaglio` imports this.
"""
