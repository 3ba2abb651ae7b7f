"""What the page asks the window, as addresses; answers are JSON, errors ``{"error": text}``."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from intaglio.app.library import MODEL_SUFFIXES, is_model_name, model_file
from intaglio.errors import IntaglioError, SpecError
from intaglio.window.folder import TooLargeError, UnusableNameError, receive, safe_name, too_large
from intaglio.window.guard import Asgi, Guard
from intaglio.window.session import Session, UnknownIdError

ASSETS = Path(__file__).parent / "assets"
PAGE = "window.html"
MODEL_BYTES = 4 << 30
"""Largest checkpoint that is taken, in bytes."""
BODY_BYTES = 1 << 20
"""Largest question in JSON: ids of some 20,000 files."""

Answer = Callable[[Request], Awaitable[Response]]


def window(session: Session, port: int, max_upload: int) -> Asgi:
    """The window as an ASGI application, behind its guard; pictures of more than `max_upload` bytes are refused."""
    routes = [
        Route("/", partial(_asset, PAGE)),
        *(Route(f"/{path.name}", partial(_asset, path.name)) for path in sorted(ASSETS.iterdir())),
        Route("/api/models", _told(partial(_models, session))),
        Route("/api/models", _told(partial(_add_model, session)), methods=["POST"]),
        Route("/api/pictures", _told(partial(_add_picture, session, max_upload)), methods=["POST"]),
        Route("/api/enlarge", _told(partial(_enlarge, session)), methods=["POST"]),
        Route("/api/quantize", _told(partial(_quantize, session)), methods=["POST"]),
        Route("/api/jobs", _told(partial(_jobs, session)), methods=["POST"]),
        Route("/api/jobs/{id}/cancel", _told(partial(_cancel, session)), methods=["POST"]),
        Route("/api/bundle", _told(partial(_bundle, session)), methods=["POST"]),
        Route("/files/{id}", _told(partial(_file, session))),
    ]
    return Guard(Starlette(routes=routes), port)


def _told(answer: Answer) -> Answer:
    """`answer` with errors that people can mend as JSON."""

    @wraps(answer)
    async def told(request: Request) -> Response:
        try:
            return await answer(request)
        except IntaglioError as error:
            status = {TooLargeError: 413, UnknownIdError: 404}.get(type(error), 400)
            return JSONResponse({"error": " ".join(str(error).split())}, status_code=status)

    return told


async def _asset(name: str, _request: Request) -> Response:
    return FileResponse(ASSETS / name)


async def _models(session: Session, _request: Request) -> Response:
    found = await run_in_threadpool(session.models)
    return JSONResponse({"folder": str(session.folder.root), "models": found})


async def _add_model(session: Session, request: Request) -> Response:
    name = safe_name(request.query_params.get("name", ""))
    if not is_model_name(name):
        raise UnusableNameError(f"{name} is no model: its ending must be one of {' '.join(MODEL_SUFFIXES)}.")
    target = session.folder.free_model(name)
    await _receive(request, target, MODEL_BYTES)
    found = await run_in_threadpool(model_file, target)
    if found.problem:
        target.unlink()
        raise SpecError(found.problem.replace(str(target), name))
    models = await run_in_threadpool(session.models)
    return JSONResponse({"added": target.name, "models": models})


async def _add_picture(session: Session, max_upload: int, request: Request) -> Response:
    name = safe_name(request.query_params.get("name", ""))
    target = session.folder.place("uploads", name)
    await _receive(request, target, max_upload)
    try:
        return JSONResponse(await run_in_threadpool(session.add_picture, target, name))
    except IntaglioError:
        target.unlink()
        target.parent.rmdir()
        raise


async def _receive(request: Request, target: Path, limit: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise TooLargeError(too_large(target.name, limit))
    await receive(request.stream(), target, limit)


async def _enlarge(session: Session, request: Request) -> Response:
    asked = await _asked(request, picture=str, model=str, way=str)
    return JSONResponse(session.enlarge(asked["picture"], asked["model"], asked["way"]).told())


async def _quantize(session: Session, request: Request) -> Response:
    asked = await _asked(request, model=str, bits=int, effort=str, coverage=str)
    job = session.quantize(asked["model"], asked["bits"], asked["effort"], asked["coverage"])
    return JSONResponse(job.told())


async def _jobs(session: Session, request: Request) -> Response:
    asked = await _asked(request, jobs=list)
    found = [session.jobs.get(str(one)) for one in asked["jobs"]]
    return JSONResponse({"jobs": [job.told() for job in found if job is not None]})


async def _cancel(session: Session, request: Request) -> Response:
    job = session.jobs.get(request.path_params["id"])
    if job is None:
        raise UnknownIdError("This job is not there any more.")
    job.stop.set()
    return JSONResponse(job.told())


async def _bundle(session: Session, request: Request) -> Response:
    asked = await _asked(request, files=list)
    held = await run_in_threadpool(session.bundle, [str(one) for one in asked["files"]])
    return JSONResponse({"file": held.id, "name": held.name})


async def _file(session: Session, request: Request) -> Response:
    held = session.file(request.path_params["id"])
    way = "attachment" if "download" in request.query_params else "inline"
    return FileResponse(held.path, filename=held.name, content_disposition_type=way)


async def _asked(request: Request, **kinds: type) -> dict[str, Any]:
    """The keys of a JSON question, each of its kind. Raises: SpecError, TooLargeError."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            raise TooLargeError(too_large("the question", BODY_BYTES))
    try:
        found = json.loads(body)
    except ValueError:
        raise SpecError("The question is no JSON; reload the page.") from None
    if not isinstance(found, dict) or any(type(found.get(key)) is not kind for key, kind in kinds.items()):
        raise SpecError(f"The question must have {', '.join(kinds)}; reload the page.")
    return found
