"""Pictures: reading, writing, enlarging, MATLAB-exact bicubic, padding and tiles, synthetic calibration pictures.

Numpy and Pillow, and optional libraries where a kind of picture needs one; nothing here knows of networks or
quantization. A module is imported when one of its names is first asked for, so that reading a picture does not wait
for what draws some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intaglio.images.animation import Animation
    from intaglio.images.bicubic import downscale, imresize, imresize_float, mod_crop, resize_to, upscale
    from intaglio.images.enlarging import AlphaWay, Network, enlarge, enlarge_array, network_of
    from intaglio.images.files import MAX_PIXELS
    from intaglio.images.io import SUFFIXES, list_images, read_image, write_image
    from intaglio.images.picture import Metadata, Mode, Picture, with_bits
    from intaglio.images.reading import read_animation, read_picture, read_still_or_moving
    from intaglio.images.scene import test_scene
    from intaglio.images.sizing import Size, parse_box
    from intaglio.images.synthetic import calibration_pictures, dead_leaves
    from intaglio.images.tiles import Span, Tile, apply_tiled, cut, merge, pad_to_multiple, plan_tiles
    from intaglio.images.writing import write_animation, write_picture

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "AlphaWay",
    "Animation",
    "Metadata",
    "Mode",
    "Network",
    "Picture",
    "Size",
    "Span",
    "Tile",
    "apply_tiled",
    "calibration_pictures",
    "cut",
    "dead_leaves",
    "downscale",
    "enlarge",
    "enlarge_array",
    "imresize",
    "imresize_float",
    "list_images",
    "merge",
    "mod_crop",
    "network_of",
    "pad_to_multiple",
    "parse_box",
    "plan_tiles",
    "read_animation",
    "read_image",
    "read_picture",
    "read_still_or_moving",
    "resize_to",
    "test_scene",
    "upscale",
    "with_bits",
    "write_animation",
    "write_image",
    "write_picture",
]

_MODULES = (
    "io",
    "files",
    "picture",
    "animation",
    "reading",
    "writing",
    "sizing",
    "enlarging",
    "bicubic",
    "tiles",
    "synthetic",
    "scene",
)

if not TYPE_CHECKING:  # type checkers take the imports above and would take any name if they saw this

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name in __all__:
            for module in _MODULES:
                found = vars(import_module(f"{__name__}.{module}"))
                if name in found:
                    return found[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
