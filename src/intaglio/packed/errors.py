"""Each way in which a packed model can be wrong, as a class of its own; the page ``docs/format.md`` lists them all.

Nothing here reads a file: `format.py` and `validate.py` raise these.
"""

from __future__ import annotations

from intaglio.errors import PackedError


class UnreadableError(PackedError):
    """The file is missing, is a folder, or may not be read. Remedy: correct the path or its permissions."""


class NotSafetensorsError(PackedError):
    """The bytes are no safetensors container. Remedy: give a file written by ``intaglio quantize``."""


class TruncatedError(PackedError):
    """The file is shorter or longer than its table of tensors says. Remedy: fetch it again."""


class NotIntaglioError(PackedError):
    """A sound safetensors file, but without a program of ours. Remedy: pack the checkpoint first."""


class FormatVersionError(PackedError):
    """Written in a format version that this release does not read. Remedy: install the release named in the message."""


class HeaderError(PackedError):
    """The program's JSON is malformed: no JSON, a missing or unknown key, a wrong type. Remedy: pack again."""


class UnknownOpError(PackedError):
    """An operation that this release does not know. Remedy: install a newer release."""


class MissingTensorError(PackedError):
    """A tensor that an operation needs is absent. Remedy: fetch or pack the file again."""


class ExtraTensorError(PackedError):
    """A tensor that no operation uses. Remedy: fetch or pack the file again; nothing may hide in a model."""


class TensorShapeError(PackedError):
    """A tensor's shape or number of bytes is not what the attributes say. Remedy: fetch or pack the file again."""


class TensorTypeError(PackedError):
    """A tensor's type is not the one of its role (uint8 codes; half or single precision floats). Remedy: pack again."""


class BitWidthError(PackedError):
    """A site's codes are not 2 to 8 bits wide. Remedy: quantize with a width of 2 to 8."""


class CodeRangeError(PackedError):
    """A code needs more bits than its site has. Remedy: clamp the codes, or give the site more bits."""


class PaddingBitsError(PackedError):
    """Bits behind the last code are set; they must be zero, so that one model has one file. Remedy: fetch it again."""


class NonFiniteError(PackedError):
    """A float tensor holds NaN or an infinity. Remedy: look at the checkpoint that was packed."""


class GridError(PackedError):
    """A grid spans no range, or a site has another number of grids than its tensor needs. Remedy: calibrate again."""


class SiteError(PackedError):
    """A quantized site is missing, unknown to its operation, or twice there with other grids. Remedy: pack again."""


class DataFlowError(PackedError):
    """A value is read before it is written (so also every cycle), written twice, or an operation has a wrong number of
    inputs or another's name. Remedy: emit operations in order, each value once."""


class AttributeRangeError(PackedError):
    """An attribute is missing, of a wrong type, or outside the range that this release accepts. Remedy: lower again."""


class EndpointError(PackedError):
    """A program must begin with its only ``picture`` and end with its only ``output``. Remedy: lower it again."""


class ShapeError(PackedError):
    """Channels or picture sizes do not fit together somewhere in the program. Remedy: lower the network again."""


class ScaleError(PackedError):
    """The upsampling operations give another factor than the program's scale. Remedy: lower the network again."""
