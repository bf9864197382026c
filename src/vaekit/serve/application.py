"""The application: from a request to a job and from its answer to a response."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vaekit.errors import SourceError, VaekitError
from vaekit.models.fitted import Fitted
from vaekit.serve.batching import Job, Worker
from vaekit.serve.bodies import ARROW, JSON, NPY, OCTETS, body_of, data_of, json_bytes, object_of
from vaekit.serve.description import openapi
from vaekit.serve.limits import Limits
from vaekit.serve.metrics import Metrics
from vaekit.serve.verbs import RowVerb, drawn, packed, row_verbs, unpacked
from vaekit.storage.model_file import weights_digest

ROW_TYPES = (JSON, NPY, ARROW)
SMALL = 2**16  # bytes that are read or written faster than handed to another thread
BODIES_AT_ONCE = 4  # of the largest size, in memory

Answering = Callable[[Request], Awaitable[Response]]


def application(fitted: Fitted, limits: Limits | None = None) -> Starlette:
    """Return the ASGI application that serves a model."""
    return _Service(fitted, limits or Limits()).application()


class _Service:
    def __init__(self, fitted: Fitted, limits: Limits) -> None:
        self.fitted, self.limits, self.metrics = fitted, limits, Metrics()
        self.worker = Worker(limits.batch_rows, self.metrics.batch_rows.add)
        self.under_way = self.bytes_held = 0
        self.verbs = row_verbs(fitted)
        self.calls = {name: partial(verb.call, fitted) for name, verb in self.verbs.items()}  # one object, one kind

    def application(self) -> Starlette:
        posts: dict[str, Answering] = {name: partial(self.rows, name, verb) for name, verb in self.verbs.items()}
        posts |= {"sample": self.sample, "compress": self.compress, "decompress": self.decompress}
        routes = [Route(f"/v1/{name}", self._endpoint(answer), methods=["POST"]) for name, answer in posts.items()]
        gets = {"/v1/model": self.model, "/openapi.json": self.openapi, "/healthz": self.healthz}
        gets |= {"/readyz": self.readyz, "/metrics": self.told_metrics}
        routes += [Route(path, answer, methods=["GET"]) for path, answer in gets.items()]
        app = Starlette(
            routes=routes,
            lifespan=self._lifespan,
            exception_handlers={HTTPException: _refused, VaekitError: _of_ours},
        )
        known = {route.path for route in routes}
        app.add_middleware(_Counted, add=self.metrics.add, known=known)
        return app

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(self.worker.work())
        yield
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work

    # -- verbs ---------------------------------------------------------------------------------------------------------

    async def rows(self, name: str, verb: RowVerb, request: Request) -> Response:
        accepted, data, size = _accepted(request), *(await self._data(request))
        result = await self._ask(Job(self.calls[name], data, merges=True))
        names = [f"z{j}" for j in range(self.fitted.model.latent_dim)] if verb.codes else self.fitted.schema.names
        return await self._response(result, accepted, names, size)

    async def sample(self, request: Request) -> Response:
        accepted = _accepted(request)
        _type_of(request, (JSON,))
        asked = object_of(await self._body(request))
        result = await self._ask(Job(lambda settings: drawn(self.fitted, settings, self.limits.rows), asked))
        return await self._response(result, accepted, self.fitted.schema.names, SMALL)

    async def compress(self, request: Request) -> Response:
        data, _ = await self._data(request)
        return Response(await self._ask(Job(partial(packed, self.fitted), data)), media_type=OCTETS)

    async def decompress(self, request: Request) -> Response:
        accepted = _accepted(request)
        _type_of(request, (OCTETS,))
        blob = await self._body(request)
        result = await self._ask(Job(lambda data: unpacked(self.fitted, data, self.limits.body_bytes), blob))
        return await self._response(result, accepted, self.fitted.schema.names, SMALL)

    # -- facts ---------------------------------------------------------------------------------------------------------

    async def model(self, request: Request) -> Response:
        fitted = self.fitted
        facts = {
            "noun": fitted.schema.noun,
            "latent_dim": fitted.model.latent_dim,
            "weights_sha256": weights_digest(fitted.model.state_dict()),
            "verbs": [*self.verbs, "sample", "compress", "decompress"],
            "schema": fitted.schema.to_json(),
            "record": fitted.record,
        }
        return Response(json_bytes(facts), media_type=JSON)

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(openapi(self.fitted))

    async def healthz(self, request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(self, request: Request) -> Response:
        if self.under_way >= self.limits.queue:
            raise _full(self.limits.queue)
        return JSONResponse({"status": "ready"})

    async def told_metrics(self, request: Request) -> Response:
        told = self.metrics.text(len(self.worker.waiting), self.under_way)
        return PlainTextResponse(told, media_type="text/plain; version=0.0.4")

    # -- limits --------------------------------------------------------------------------------------------------------

    def _endpoint(self, answer: Answering) -> Answering:
        async def endpoint(request: Request) -> Response:
            with self._admitted():
                try:
                    return await answer(request)
                except (HTTPException, VaekitError):
                    raise
                except ClientDisconnect:
                    raise HTTPException(400, "The body broke off. Send it again.") from None
                except Exception as error:
                    words = f"Something unforeseen happened ({type(error).__name__}: {str(error)[:200]})."
                    raise HTTPException(500, f"{words} Report it with what was sent.") from error

        return endpoint

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self.under_way >= self.limits.queue:
            raise _full(self.limits.queue)
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    async def _ask(self, job: Job) -> Any:
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await self.worker.ask(job)
        except TimeoutError:
            words = f"No answer within {self.limits.seconds:g} s. Send fewer rows, or send it again later."
            raise HTTPException(504, words) from None

    async def _data(self, request: Request) -> tuple[Any, int]:
        """Return the rows of a request, and the bytes they came in."""
        media_type = _type_of(request, ROW_TYPES)
        body = await self._body(request)
        data = await _aside(len(body), data_of, body, media_type, self.fitted.schema)
        if len(data) > self.limits.rows:
            raise HTTPException(413, f"{len(data):,} rows; at most {self.limits.rows:,} are taken. Send them in parts.")
        return data, len(body)

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.seconds):
                self._check_size(int(request.headers.get("content-length", "0")))
                async for chunk in request.stream():
                    self._check_size(len(body) + len(chunk))
                    self.bytes_held += len(chunk)
                    body += chunk
                    if self.bytes_held > BODIES_AT_ONCE * self.limits.body_bytes:
                        raise _full(self.under_way)
        except TimeoutError:
            raise HTTPException(408, f"The body took over {self.limits.seconds:g} s. Send it again.") from None
        finally:
            self.bytes_held -= len(body)
        return bytes(body)

    def _check_size(self, n_bytes: int) -> None:
        most = self.limits.body_bytes
        if n_bytes > most:
            raise HTTPException(413, f"The body is over {most:,} bytes. Send the rows in parts, or as npy or Arrow.")

    async def _response(self, result: Any, media_type: str, names: list[str], size: int) -> Response:
        return Response(await _aside(size, body_of, result, media_type, names), media_type=media_type)


class _Counted:
    """Tells the metrics of each request; a path that is no route is counted as "other"."""

    def __init__(self, app: ASGIApp, add: Callable[[str, int, float], None], known: set[str]) -> None:
        self.app, self.add, self.known = app, add, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = scope["path"] if scope["path"] in self.known else "other"
                self.add(route, message["status"], time.perf_counter() - began)
            await send(message)

        await self.app(scope, receive, counting)


async def _aside(n_bytes: int, f: Callable[..., Any], *args: Any) -> Any:
    """Return f(*args), computed in another thread if it is long, so that others' requests are heard meanwhile."""
    return f(*args) if n_bytes < SMALL else await asyncio.to_thread(f, *args)


def _type_of(request: Request, known: tuple[str, ...]) -> str:
    found = request.headers.get("content-type", "nothing").partition(";")[0].strip().lower()
    if found not in known:
        raise HTTPException(415, f"The body must be {' or '.join(known)} by its Content-Type; got {found}.")
    return found


def _accepted(request: Request) -> str:
    """Return the first type of answer that is accepted; JSON where any is."""
    words = request.headers.get("accept", "*/*").lower().split(",")
    for word in (word.partition(";")[0].strip() for word in words):
        if word in ("*/*", "application/*"):
            return JSON
        if word in ROW_TYPES:
            return word
    raise HTTPException(406, f"Answers are {', '.join(ROW_TYPES)}; Accept names none of them.")


def _full(most: int) -> HTTPException:
    words = f"{most} requests are under way, and no more are taken. Send it again in a second."
    return HTTPException(503, words, {"Retry-After": "1"})


USUAL = {
    404: "There is nothing at this path. /openapi.json lists all there is.",
    405: "This path takes another method. /openapi.json tells which.",
}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = USUAL.get(error.status_code, error.detail)
    return JSONResponse({"error": words}, error.status_code, error.headers)


async def _of_ours(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400 if isinstance(error, SourceError) else 422)
