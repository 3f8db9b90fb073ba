"""The HTTP server: uvicorn's, with the deadlines and bounds that it does not have.

Owns how long a client may take over a request's head and over reading its answer, how large a head may be, how many
requests may wait on one connection, and how many connections there are. Does not own bodies (bodies) nor what is
answered. It stands here because uvicorn bounds the pause between two requests only: a client that sends a byte a
minute, or never reads, would hold its connection for ever.

A read whose client has gone is given up: an api that is behind would else do nothing but answer those who lost patience
and ask anew. A write is carried out, for its client may have left on purpose.

A refusal at this level is plain text and closes the connection: there is no request yet whose form it could take.
"""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from chatcluster.core import telemetry

MAX_WAITING = 16
"""Requests that a client may send ahead of the answers on one connection."""
READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one client may cost. Times in seconds, sizes in bytes."""

    connections: int = 2_000
    """Open at once; the next is answered 503."""
    head_bytes: int = 16_384
    """Of a request's line and headers; 431 beyond it."""
    head_count: int = 100
    """Headers of a request; 431 beyond it."""
    head_timeout: float = 10.0
    """From the connection, or from the first byte after an answer, to the end of a request's head."""
    idle_timeout: float = 75.0
    """Between two requests; longer than the 60 s that proxies keep a connection for reuse, so that it is they who
    close it."""
    write_timeout: float = 30.0
    """That a client may leave an answer unread."""
    linger: float = 2.0
    """In which the rest of a body that nobody wanted is read and thrown away, so that its sender reads the answer and
    not only that the connection was reset (RFC 9112, section 9.6)."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: str
    reason: str
    """For chat_rejected_total."""

    def encode(self) -> bytes:
        head = f"HTTP/1.1 {self.status}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        more = "retry-after: 1\r\n" if self.status.startswith("503") else ""
        return f"{head}content-length: {len(self.status)}\r\n{more}connection: close\r\n\r\n{self.status}".encode()


_MALFORMED = _Refusal("400 Bad Request", "malformed_http")
_SLOW_HEAD = _Refusal("408 Request Timeout", "slow_head")
_BIG_HEAD = _Refusal("431 Request Header Fields Too Large", "big_head")
_TOO_MANY_WAITING = _Refusal("503 Service Unavailable", "requests_waiting")
_TOO_MANY_CONNECTIONS = _Refusal("503 Service Unavailable", "connections")


class _Refused(Exception):
    """Ends the parsing of what a client sent."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, bounds: Bounds, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._app = self.app
        self.app = cast("Any", self._serve)
        self._read: asyncio.Task[Any] | None = None
        """The read that is being answered."""
        self._gone = False
        self._bounds = bounds
        self._refusal = _MALFORMED
        self._in_head = True
        self._heads = 0
        self._head_bytes = 0
        self._partial_bytes = 0
        self._head_deadline = _Deadline(self._head_is_late)
        self._linger_deadline = _Deadline(self._give_up)
        self._write_deadline = _Deadline(self._give_up)

    # -- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Admit a client, or tell it that there are too many."""
        super().connection_made(transport)
        telemetry.CONNECTIONS.labels("http").inc()
        if len(self.connections) > self._bounds.connections:
            self._refuse(_TOO_MANY_CONNECTIONS)
        else:
            self._head_deadline.set(self._bounds.head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let all deadlines go, and a read that nobody waits for any more."""
        self._gone = True
        if self._read is not None:
            self._read.cancel()
        telemetry.CONNECTIONS.labels("http").dec()
        for deadline in (self._head_deadline, self._linger_deadline, self._write_deadline):
            deadline.clear()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] not in READS:
            await self._app(scope, receive, send)
        elif not self._gone:
            self._read = asyncio.current_task()
            try:
                await self._app(scope, receive, send)
            except asyncio.CancelledError:
                if not self._gone:
                    raise
                # It was this connection that cancelled it: there is nobody to tell, and nothing to undo.
            finally:
                self._read = None

    def data_received(self, data: bytes) -> None:
        """Parse what came, and see that a head which is not complete will be."""
        if self.transport.is_closing():
            return
        heads = self._heads
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._head_bytes and heads == self._heads:
            self._count_partial(len(data))
        if self._head_bytes or not self._answering():
            self._head_deadline.set(self._bounds.head_timeout)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._write_deadline.set(self._bounds.write_timeout)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._write_deadline.clear()

    # -- a request, as the parser meets its parts

    def on_message_begin(self) -> None:
        """A request begins."""
        if len(self.pipeline) >= MAX_WAITING:
            self._stop(_TOO_MANY_WAITING)
        super().on_message_begin()
        self._heads += 1
        self._head_bytes, self._partial_bytes = 1, 0

    def on_url(self, url: bytes) -> None:
        """A part of the request's line."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._count_head(len(name) + len(value) + 4)
        if len(self.headers) >= self._bounds.head_count:
            self._stop(_BIG_HEAD)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head, self._head_bytes = False, 0
        self._head_deadline.clear()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete."""
        self._in_head = True
        self._linger_deadline.clear()
        super().on_message_complete()

    # -- the answer

    def on_response_complete(self) -> None:
        """The answer is written: see that it leaves, and that the rest of the request comes."""
        super().on_response_complete()
        if self.transport.is_closing():
            if self.transport.get_write_buffer_size():
                self._write_deadline.set(self._bounds.write_timeout)
        elif not self._in_head:
            self._linger_deadline.set(self._bounds.linger)

    def timeout_keep_alive_handler(self) -> None:
        """The pause was too long; whoever has not even read the last answer is not waited for."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own text for everything
        """What uvicorn calls when the parser stopped, be it for us."""
        self._refuse(self._refusal)

    # -- refusals

    def _stop(self, refusal: _Refusal) -> None:
        self._refusal = refusal
        raise _Refused

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._bounds.head_bytes:
            self._stop(_BIG_HEAD)

    def _count_partial(self, size: int) -> None:
        """Count what came for a head that goes on: the parser keeps a header to itself until it is complete."""
        self._partial_bytes += size
        if self._partial_bytes > self._bounds.head_bytes:
            self._refuse(_BIG_HEAD)

    def _head_is_late(self) -> None:
        if self._head_bytes:
            self._refuse(_SLOW_HEAD)
        else:
            self.transport.close()  # nobody has asked for anything, as browsers do that connect ahead

    def _refuse(self, refusal: _Refusal) -> None:
        telemetry.REJECTED_TOTAL.labels(refusal.reason).inc()
        if self._answering() and self._in_head:
            # An earlier request is being worked on: it is answered, and then the connection is closed.
            self.cycle.keep_alive = False
            return
        if not self._answering() or not self.cycle.response_started:
            self.transport.write(refusal.encode())
        self.transport.close()

    def _answering(self) -> bool:
        """Whether a request's answer is still to come."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _give_up(self) -> None:
        self.transport.abort()


class _Deadline:
    """Calls something in time, unless it is cleared before; setting it again does not put it off."""

    __slots__ = ("_call", "_timer")

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._call)

    def clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """uvicorn, run and stopped by its owner instead of by signals."""

    def __init__(self, app: ASGIApp, bounds: Bounds, drain: float) -> None:
        """`drain`: seconds that requests in flight get after `stop`."""
        super().__init__(
            uvicorn.Config(
                cast("Any", app),
                http=cast("Any", functools.partial(Protocol, bounds)),
                ws="none",
                lifespan="off",
                interface="asgi3",
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_config=None,
                log_level="error",  # a peer's bad request is a metric and no line in a log
                timeout_keep_alive=cast("int", bounds.idle_timeout),
                timeout_graceful_shutdown=cast("int", drain),
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the program."""
        yield

    def stop(self) -> None:
        """Stop accepting, close what is idle, and let `serve` return when the rest is answered or out of time."""
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)
