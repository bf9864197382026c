"""Who may ask: those who know the address with its token, from this machine, from the page itself; and how much."""

from __future__ import annotations

import secrets
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 8 * 2**20  # of a question
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """An application that only those who may ask get at, under the path /TOKEN/.

    A page of another site cannot know the token; nor can it reach this one under a name of its own (DNS rebinding),
    since the host that is asked for must be this machine, and what is asked must come from the page itself.

    Parameters
    ----------
    inner : ASGI application
    token : str
    port : int
    """

    def __init__(self, inner: ASGIApp, token: str, port: int) -> None:
        self.inner, self.token = inner, token
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        refusal = self._refusal(request)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        within = {**scope, "path": scope["path"].removeprefix(f"/{self.token}")}
        await self.inner(within, receive, _with_headers(send))

    def _refusal(self, request: Request) -> Response | None:
        path = request.scope["path"]
        given = path.removeprefix("/").partition("/")[0]
        is_known = secrets.compare_digest(given.encode(), self.token.encode())
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if not is_known or host not in self.hosts or (origin is not None and origin not in self.origins):
            own_style = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
            return HTMLResponse(_page("refused.html"), 403, HEADERS | own_style)
        if path == f"/{self.token}":  # without the slash what the page names would not be found
            return RedirectResponse(f"{path}/", headers=HEADERS)
        if _length(request) > MOST_BYTES:
            return Response("Too much was sent at once.", 413, HEADERS)
        return None


def _length(request: Request) -> int:
    said = request.headers.get("content-length", "0")
    return int(said) if said.isdigit() else MOST_BYTES + 1


async def body_of(request: Request) -> bytes | None:
    """Return the body of a request, None where it is too long, whatever its header says."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            extra = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return sending


def _page(name: str) -> str:
    return files("vaekit.explorer").joinpath("static", name).read_text(encoding="utf-8")
