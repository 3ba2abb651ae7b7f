"""Pictures: reading, writing, MATLAB-exact bicubic, padding and tiles, synthetic calibration pictures.

Numpy and Pillow only; nothing here knows of networks or quantization.
"""

from intaglio.images.bicubic import downscale, imresize, imresize_float, mod_crop, upscale
from intaglio.images.io import MAX_PIXELS, SUFFIXES, list_images, read_image, write_image
from intaglio.images.scene import test_scene
from intaglio.images.synthetic import calibration_pictures, dead_leaves
from intaglio.images.tiles import Span, Tile, apply_tiled, cut, merge, pad_to_multiple, plan_tiles

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "Span",
    "Tile",
    "apply_tiled",
    "calibration_pictures",
    "cut",
    "dead_leaves",
    "downscale",
    "imresize",
    "imresize_float",
    "list_images",
    "merge",
    "mod_crop",
    "pad_to_multiple",
    "plan_tiles",
    "read_image",
    "test_scene",
    "upscale",
    "write_image",
]
