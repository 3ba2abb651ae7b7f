"""The window's server: on the loopback address, until it is interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import uvicorn

from intaglio.app.calibrating import CalibrationSource
from intaglio.errors import OutputError
from intaglio.window.folder import Folder
from intaglio.window.routes import window
from intaglio.window.session import Session

LOOPBACK = "127.0.0.1"
"""The only address that the window is served on; there is no option for another one."""

MAX_UPLOAD = 256 << 20
"""Largest picture that is taken, in bytes, unless asked otherwise."""

DRAWN = CalibrationSource()
"""What networks are calibrated on: pictures that are drawn, so that no data is needed."""


def serve(folder: Path, *, port: int, max_upload: int, ready: Callable[[str], None]) -> None:
    """Serve a window on `folder` until the process is interrupted; `ready` gets its address once it answers.

    `port` 0 takes a free one. Raises: OutputError where the port is taken or the folder cannot be written.
    """
    with _session(folder, DRAWN) as session, _listening(port) as listener:
        server = _server(session, listener, max_upload)
        ready(_address(listener))
        server.run(sockets=[listener])


@contextmanager
def served(folder: Path, *, max_upload: int = MAX_UPLOAD, calibration: CalibrationSource = DRAWN) -> Iterator[str]:
    """A window on `folder` at a free port while the block runs; gives its address. For tests and other programs."""
    with _session(folder, calibration) as session, _listening(0) as listener:
        server = _server(session, listener, max_upload)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="window")
        thread.start()
        try:
            yield _address(listener)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _session(folder: Path, calibration: CalibrationSource) -> Iterator[Session]:
    place = Folder(folder.resolve())
    place.prepare()
    session = Session(place, calibration)
    try:
        yield session
    finally:
        session.close()


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise OutputError(f"Port {port} cannot be used ({error.strerror}); choose another --port.") from error
    with listener:
        yield listener


def _server(session: Session, listener: socket.socket, max_upload: int) -> uvicorn.Server:
    application = window(session, listener.getsockname()[1], max_upload)
    config = uvicorn.Config(
        application, http="h11", ws="none", lifespan="off", loop="asyncio", log_level="warning", access_log=False,
        proxy_headers=False, server_header=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    return uvicorn.Server(config)


def _address(listener: socket.socket) -> str:
    return f"http://{LOOPBACK}:{listener.getsockname()[1]}/"
