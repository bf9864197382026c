"""The page's server: the files that it is made of, and an answer to each thing that it asks."""

from __future__ import annotations

import base64
import json
import secrets
import socket
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vaekit.errors import ParameterError, VaekitError
from vaekit.explorer.exports import export
from vaekit.explorer.guard import Guard, body_of
from vaekit.explorer.session import Session

HOST = "127.0.0.1"
SCRIPTS = ("explore", "ask", "state", "chart", "looks", "row", "path", "units", "own", "sets")
FILES = {"index.html": "text/html", "explore.css": "text/css"} | {f"{name}.js": "text/javascript" for name in SCRIPTS}

TOLD: dict[str, Callable[[Session], Response]] = {
    "about": lambda s: JSONResponse(s.about()),
    "progress": lambda s: JSONResponse({"share": s.share}),
    "points": lambda s: Response(s.drawn_points(), media_type="application/octet-stream"),
    "density": lambda s: Response(s.density(), media_type="application/octet-stream"),
}

ASKED: dict[str, Callable[[Session, dict[str, Any]], Response]] = {
    "decode": lambda s, asked: JSONResponse(s.decode(asked["z"])),
    "codes": lambda s, asked: JSONResponse(s.codes_of(asked["rows"])),
    "row": lambda s, asked: JSONResponse(s.row(int(asked["row"]))),
    "place": lambda s, asked: JSONResponse(s.place(pixels=_bytes(asked.get("pixels")), cells=asked.get("cells"))),
    "odd": lambda s, asked: JSONResponse(
        s.odd(asked.get("row"), pixels=_bytes(asked.get("pixels")), cells=asked.get("cells"))
    ),
    "colour": lambda s, asked: JSONResponse(s.colour(str(asked["by"]))),
    "fill": lambda s, asked: JSONResponse(s.fill(asked["cells"], asked["edited"])),
    "sample": lambda s, asked: JSONResponse(s.sample(int(asked["n"]), dict(asked["given"]), int(asked["seed"]))),
    "inside": lambda s, asked: JSONResponse({"n": len(s.inside(asked["outline"]))}),
    "export": lambda s, asked: _download(*export(s, asked["outline"], str(asked["what"]))),
}


def server_of(session: Session, sock: socket.socket, token: str) -> uvicorn.Server:
    """Return what answers at a socket once it is run.

    Parameters
    ----------
    session : Session
    sock : socket
        From `listening`.
    token : str
        That the address holds.
    """
    app = application(session, token, sock.getsockname()[1])
    quiet: dict[str, Any] = {"log_level": "critical", "server_header": False, "timeout_graceful_shutdown": 1}
    config = uvicorn.Config(app, lifespan="off", ws="none", proxy_headers=False, **quiet)
    return uvicorn.Server(config)


def listening(port: int) -> socket.socket:
    """Return a socket of this machine alone; port 0 is any that is free.

    Raises
    ------
    ParameterError
        When the port is taken or out of reach.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # told so, asyncio sends at once
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
        sock.listen()
    except (OSError, OverflowError) as error:
        sock.close()
        why = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise ParameterError(f"Port {port} cannot be used: {why}. Choose another, or leave it out.") from error
    return sock


def address(sock: socket.socket, token: str) -> str:
    """Return where the page is."""
    return f"http://{HOST}:{sock.getsockname()[1]}/{token}/"


def new_token() -> str:
    """Return what nobody guesses: 192 random bits."""
    return secrets.token_urlsafe(24)


def application(session: Session, token: str, port: int) -> Guard:
    """Return the ASGI application of a session, all of it under /TOKEN/."""
    routes = [
        Route("/", _file("index.html")),
        *(Route(f"/{name}", _file(name)) for name in FILES),
        *(Route(f"/{name}", _telling(session, tell)) for name, tell in TOLD.items()),
        *(Route(f"/{name}", _answering(session, f), methods=["POST"]) for name, f in ASKED.items()),
    ]
    return Guard(Starlette(routes=routes), token, port)


def _file(name: str) -> Callable[[Request], Response]:
    content = files("vaekit.explorer").joinpath("static", name).read_bytes()
    return lambda _: Response(content, media_type=FILES[name])


def _telling(session: Session, tell: Callable[[Session], Response]) -> Callable[[Request], Response]:
    return lambda _: tell(session)


def _answering(session: Session, f: Callable[[Session, dict[str, Any]], Response]) -> Callable[[Request], Any]:
    """Return what reads a question, a JSON object, and answers it in a thread of its own."""

    async def endpoint(request: Request) -> Response:
        body = await body_of(request)
        if body is None:
            return _refused("Too much was sent at once.", 413)
        return await run_in_threadpool(_answer, session, f, body)

    return endpoint


def _answer(session: Session, f: Callable[[Session, dict[str, Any]], Response], body: bytes) -> Response:
    try:
        return f(session, json.loads(body))
    except VaekitError as error:
        return _refused(str(error), 400)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        return _refused(f"This is no question that the page asks ({type(error).__name__}).", 400)


def _refused(words: str, status: int) -> Response:
    return JSONResponse({"error": words}, status)


def _download(name: str, content: bytes) -> Response:
    return Response(content, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _bytes(text: Any) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)
