"""intaglio: low-bit post-training quantization of image super-resolution networks that really runs in integers.

Importing the package loads nothing else: neither torch nor the native core. Rooms are imported by name.
"""

__version__ = "0.1.0"
