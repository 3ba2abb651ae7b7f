"""intaglio: low-bit post-training quantization of image super-resolution networks that really runs in integers.

The names below are the stable interface of the package; the rest is reached by its subpackage. Importing the package
loads nothing else: a name loads what it needs when it is first used, and those that only run a packed model never load
torch.
"""

from importlib import import_module

__version__ = "0.1.0"

_NAMES = {
    "CalibrationSet": "intaglio.observe",
    "Engine": "intaglio.runtime.engine",
    "Picture": "intaglio.images",
    "QuantSpec": "intaglio.spec",
    "Recipe": "intaglio.app.quantizing",
    "enlarge": "intaglio.images",
    "export_model": "intaglio.app.exporting",
    "load": "intaglio.arch",
    "load_dataset": "intaglio.evaluate",
    "load_engine": "intaglio.runtime.engine",
    "measure": "intaglio.app.evaluating",
    "open_model": "intaglio.app.opening",
    "quantize": "intaglio.app.quantizing",
    "read_image": "intaglio.images",
    "read_picture": "intaglio.images",
    "save": "intaglio.app.quantizing",
    "write_image": "intaglio.images",
    "write_picture": "intaglio.images",
}
"""Where each public name lives. `__init__.pyi` tells type checkers the same (tested)."""

__all__ = ["__version__", *_NAMES]


def __getattr__(name: str) -> object:
    if name not in _NAMES:
        raise AttributeError(f"module 'intaglio' has no attribute {name!r}; public names are {', '.join(_NAMES)}")
    return getattr(import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
