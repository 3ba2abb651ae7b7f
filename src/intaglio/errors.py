"""The one family of errors that a user can meet; every message says what was found and what to do.

Nothing here formats tracebacks or exits: the command line turns any `IntaglioError` into one line and exit status 2.
"""

from __future__ import annotations


class IntaglioError(Exception):
    """Base of all errors whose text is meant for the user: what was found, what was expected, the remedy."""


class ImageError(IntaglioError):
    """A picture cannot be read, written or used (missing, truncated, not an image, unsupported mode)."""


class DatasetError(IntaglioError):
    """A folder of pictures is empty, has another layout, or does not fit the scale asked for."""


class CheckpointError(IntaglioError):
    """A checkpoint cannot be read, is of no known architecture, or holds NaN or infinite values."""


class UnknownArchitectureError(CheckpointError):
    """A checkpoint is sound but of no architecture that is recognised."""


class BoundsError(IntaglioError):
    """Clipping bounds that do not span a range (`upper <= lower`, NaN or infinite)."""


class SpecError(IntaglioError):
    """A setting outside its domain: bit width, granularity, coverage, policy, method parameter."""


class MethodError(IntaglioError):
    """A quantization method is unknown or does not apply to this network."""


class RecipeError(IntaglioError):
    """A TOML recipe cannot be read, has unknown keys, or values of the wrong type."""


class CalibrationError(IntaglioError):
    """Calibration cannot be done: no pictures, pictures too small, statistics that are not finite."""


class ResumeError(IntaglioError):
    """A saved run cannot be continued (another configuration, damaged state)."""


class PackedError(IntaglioError):
    """A packed file is refused. Subclasses in `intaglio.packed.errors` name each way in which it can be wrong."""


class LoweringError(IntaglioError):
    """A quantized network has no lowering to the integer engine, or a check against the simulator failed."""


class EngineError(IntaglioError):
    """The integer engine cannot run: no native core where one was asked for, not enough memory, bad input."""


class ClusterError(IntaglioError):
    """Work cannot be given to a cluster: none answers, another release, no node that is large enough."""


class RankError(IntaglioError):
    """The processes of one calibration cannot reach each other, or one of them is gone."""


class OutputError(IntaglioError):
    """A result cannot be written: folder missing, no permission, disk full. Nothing half-written stays behind."""


class RecordError(IntaglioError):
    """A result cannot be recorded (a value out of its domain) or a line of a results file cannot be read."""


class ExportError(IntaglioError):
    """A program cannot be exported, or the exported file does not compute what the program says."""
