"""Pictures: reading, writing, MATLAB-exact bicubic, padding and tiles, synthetic calibration pictures.

Numpy and Pillow only; nothing here knows of networks or quantization. A module is imported when one of its names is
first asked for, so that reading a picture does not wait for what draws some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intaglio.images.bicubic import downscale, imresize, imresize_float, mod_crop, upscale
    from intaglio.images.files import MAX_PIXELS
    from intaglio.images.io import SUFFIXES, list_images, read_image, write_image
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

_MODULES = ("io", "files", "bicubic", "tiles", "synthetic", "scene")

if not TYPE_CHECKING:  # type checkers take the imports above and would take any name if they saw this

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name in __all__:
            for module in _MODULES:
                found = vars(import_module(f"{__name__}.{module}"))
                if name in found:
                    return found[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
