"""Training of float super-resolution networks, as the start that quantization needs; driven by `train_float.py`.

Not part of the package: nothing under `src/intaglio` imports this.
"""
