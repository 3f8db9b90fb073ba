"""What every request meets first and every answer passes last.

Owns the count, the latency and the one log line of each request, CORS, and that whatever a handler raises becomes an
answer. Does not own paths (app) nor what an answer looks like (a dialect: gochat's or v1's). Plain ASGI: nothing is
buffered, and nothing of it costs a task.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatcluster.api import refusals
from chatcluster.core import errors, telemetry

Handler = Callable[[Request], Awaitable[Response]]
Headers = tuple[tuple[bytes, bytes], ...]

CLIENT_GONE = 499
"""What the log says of a client that closed before its answer; nobody receives it."""

_ERROR = "chatcluster.error"
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of routes answers."""

    refusal: Callable[[errors.ChatError], Response]
    preflight: Callable[[], Response]
    """The answer to OPTIONS."""
    cors: Headers
    """On every answer."""


class Endpoint:
    """One path: makes an answer of whatever its handler returns or raises."""

    def __init__(self, path: str, dialect: Dialect, handle: Handler) -> None:
        """`path` is the template that metrics and logs show, so that no name of a user or room becomes a label."""
        self.path = path
        self.dialect = dialect
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["endpoint"] = self
        response = await self._answer(Request(scope, receive))
        response.raw_headers.extend(self.dialect.cors)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return self.dialect.preflight()
        try:
            return await self._handle(request)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        except errors.ChatError as exc:
            request.scope[_ERROR] = exc.code
            return self.dialect.refusal(exc)
        except Exception:  # noqa: BLE001 - the bottom of every request; it is logged in full
            _log.exception("request_failed", route=self.path)
            request.scope[_ERROR] = errors.ChatError.code
            return self.dialect.refusal(errors.ChatError("api: internal error"))


def by_method(handlers: Mapping[str, Handler]) -> Handler:
    """One handler of several, each for its method. Raises `refusals.WrongMethod` for others; HEAD is GET's."""
    known = {"HEAD": handlers["GET"], **handlers} if "GET" in handlers else dict(handlers)

    async def handle(request: Request) -> Response:
        handler = known.get(request.method)
        if handler is None:
            raise refusals.WrongMethod(list(known))
        return await handler(request)

    return handle


class Edge:
    """Counts and logs what passes through to an ASGI app."""

    def __init__(self, app: ASGIApp, client_of: Callable[[Request], str]) -> None:
        """`client_of` tells the address that a request comes from."""
        self._app = app
        self._client_of = client_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started, status = perf_counter(), CLIENT_GONE

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        telemetry.REQUESTS_IN_PROGRESS.inc()
        try:
            await self._app(scope, receive, watched)
        finally:
            telemetry.REQUESTS_IN_PROGRESS.dec()
            self._record(scope, status, perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope["endpoint"].path
        method = scope["method"] if scope["method"] in _METHODS else "other"  # clients may send anything
        telemetry.REQUESTS_TOTAL.labels(method, route, status).inc()
        telemetry.REQUEST_LATENCY_SECONDS.labels(method, route).observe(seconds)
        _log.info(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            error=scope.get(_ERROR),
            milliseconds=round(seconds * 1000, 1),
            client=self._client_of(Request(scope)),
        )
