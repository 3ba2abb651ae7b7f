"""Who may ask: only this machine, by a name of its own, from the window's own page."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = (
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
"""What every answer tells the browser: nothing from elsewhere, in no other page, kept nowhere."""

_SAFE = ("GET", "HEAD")


class Guard:
    """Refuses requests that are not for this window, before anything else looks at them.

    A page of another site can reach a server on the loopback address through the reader's browser: by a name that it
    points there (DNS rebinding), which the Host header gives away, or by requests that need no answer, which the Origin
    gives away.
    """

    def __init__(self, served: Asgi, port: int) -> None:
        self._served = served
        self._hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")}
        self._origins = {b"http://" + host for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] != "http":
            return
        problem = self._problem(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        if problem:
            await _refuse(problem, with_headers)
        else:
            await self._served(scope, receive, with_headers)

    def _problem(self, scope: Scope) -> str:
        """Why a request is refused; empty where it is not."""
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return "This window answers to 127.0.0.1 and localhost alone; open the address that it printed."
        origins = [value for name, value in headers if name == b"origin"]
        sites = [value for name, value in headers if name == b"sec-fetch-site"]
        if scope["method"] in _SAFE:
            return ""
        if any(one not in self._origins for one in origins) or any(one != b"same-origin" for one in sites):
            return "This request comes from another page; use the window's own."
        return ""


async def _refuse(problem: str, send: Send) -> None:
    body = json.dumps({"error": problem}).encode()
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
