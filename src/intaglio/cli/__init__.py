"""The command line: `main` runs one command and turns every error into one line and an exit status.

Commands are one file each, listed in `app.py`; the work is done by the library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

DEBUG = "--debug"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``intaglio`` with the given words (the process's own by default) and return the exit status.

    0 is success, 1 an unforeseen error, 2 an error of the user's or the files', 130 an interruption. Errors are one
    line on standard error; with ``--debug`` anywhere among the words the traceback comes first.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from intaglio.cli.logs import set_up

        left = set_up([word for word in words if word != DEBUG])

        from intaglio.cli.app import app

        status = app(args=left or ["--help"], prog_name="intaglio", standalone_mode=False)
        sys.stdout.flush()
        return _interrupted() if status == 130 else int(status or 0)
    except BrokenPipeError:
        return _hang_up()
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        from intaglio.cli.failure import explain

        if DEBUG in words:
            import traceback

            traceback.print_exc()
        line, status = explain(error)
        print(line, file=sys.stderr)
        _let_go()
        return status


def _interrupted() -> int:
    print(
        "interrupted; nothing half-written was left behind. A run with --checkpoint-dir can be resumed.",
        file=sys.stderr,
    )
    return 130


def _hang_up() -> int:
    # The reader of our output has gone (``intaglio methods | head``).
    _drop_output()
    return 1


def _let_go() -> None:
    """What a full disk does not take of standard output is dropped, after the error has been told."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    # The interpreter must not find out at exit: it would print that, and make an exit status of its own.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
