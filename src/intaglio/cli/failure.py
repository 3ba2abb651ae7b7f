"""From any exception to one line and an exit status."""

from __future__ import annotations

import errno

from typer.exceptions import TyperException

from intaglio.errors import IntaglioError

_EXTRAS = {"torch": "quant", "matplotlib": "report", "jinja2": "report", "onnx": "export"} | dict.fromkeys(
    ("uvicorn", "starlette"), "app"
)
_FULL = (errno.ENOSPC, errno.EDQUOT)


def explain(error: Exception) -> tuple[str, int]:
    """What to tell the user, without line breaks, and the exit status: 2 where the user can mend it, else 1.

    >>> explain(IntaglioError("9 bits asked for; choose 2 to 8."))
    ('error: 9 bits asked for; choose 2 to 8.', 2)
    >>> explain(ModuleNotFoundError("No module named 'torch'", name="torch"))
    ("error: this needs torch, which is not installed; run: pip install 'intaglio[quant]'", 2)
    """
    if isinstance(error, IntaglioError):
        text, status = str(error), 2
    elif isinstance(error, TyperException):
        text, status = f"{error.format_message().rstrip('.')}; `intaglio COMMAND --help` shows what there is.", 2
    elif isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        extra = _EXTRAS[error.name]
        text, status = f"this needs {error.name}, which is not installed; run: pip install 'intaglio[{extra}]'", 2
    elif isinstance(error, MemoryError):
        text, status = "there is not enough memory for this; take a smaller picture, batch or network.", 1
    elif isinstance(error, OSError) and error.errno in _FULL:
        text, status = (
            "the disk is full; free some space or choose another disk. Nothing half-written was left behind.",
            2,
        )
    else:
        text, status = (
            f"{type(error).__name__}: {error or 'no message'}; run again with --debug and report it, please.",
            1,
        )
    return "error: " + " ".join(text.split()), status
