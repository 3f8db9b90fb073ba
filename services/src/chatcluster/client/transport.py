"""One websocket to a gateway, by the `websockets` library.

Owns the handshake's settings and how its ends look; no exception of the library leaves this module. Does not own what
is said (protocol).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets import exceptions
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from chatcluster.client import failures

SUBPROTOCOL = Subprotocol("chatcluster.v1.json")
OPEN_WITHIN = 10.0
"""Seconds for connection and handshake."""
WRITE_WITHIN = 30.0
"""Seconds that a gateway may take nothing before the connection is taken for dead."""
PING_EVERY = 20.0
"""Seconds; without an answer in as many more the connection is taken for dead."""
_CLOSE_WITHIN = 1.0
_LARGEST = 8 * 1024 * 1024
"""Bytes of a frame from a gateway: far above what a page of history takes, however it is escaped."""
_QUEUE = 64
"""Frames that are read ahead; then the socket is not read, and its window closes."""


class Unreachable(Exception):
    """There was no connection."""

    def __init__(self, reason: str, *, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.status = status
        """Of the HTTP answer, if there was one."""
        self.retry_after = retry_after
        """Seconds, where the gateway said so."""


class Ended(Exception):
    """The connection is over."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Socket:
    """An open connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> str | bytes:
        """The next frame. Raises `Ended`."""
        try:
            return await self._connection.recv()
        except exceptions.ConnectionClosed as exc:
            raise _ended(exc) from exc

    async def send(self, text: str) -> None:
        """Write a frame. Raises `Ended`, also when the gateway takes nothing."""
        try:
            async with asyncio.timeout(WRITE_WITHIN):
                await self._connection.send(text)
        except exceptions.ConnectionClosed as exc:
            raise _ended(exc) from exc
        except TimeoutError as exc:
            raise Ended(failures.LOST, "the gateway takes nothing") from exc


@asynccontextmanager
async def opened(url: str, origin: str | None = None) -> AsyncIterator[Socket]:
    """A connection as long as the block. Raises `Unreachable` with the reason in words."""
    try:
        connection = await connect(
            url,
            subprotocols=[SUBPROTOCOL],
            origin=Origin(origin) if origin else None,
            compression=None,
            open_timeout=OPEN_WITHIN,
            close_timeout=_CLOSE_WITHIN,
            ping_interval=PING_EVERY,
            ping_timeout=PING_EVERY,
            max_size=_LARGEST,
            max_queue=_QUEUE,
        )
    except exceptions.InvalidStatus as exc:
        raise _refused(exc) from exc
    except (OSError, TimeoutError, exceptions.WebSocketException, ValueError) as exc:
        raise Unreachable(f"{url}: {str(exc) or type(exc).__name__}") from exc
    async with connection:
        if connection.subprotocol != SUBPROTOCOL:
            raise Unreachable(f"{url} is a websocket, but does not speak {SUBPROTOCOL}")
        yield Socket(connection)


def _ended(exc: exceptions.ConnectionClosed) -> Ended:
    if exc.rcvd is None:
        return Ended(failures.LOST, "the connection was lost")
    return Ended(exc.rcvd.code, exc.rcvd.reason)


def _refused(exc: exceptions.InvalidStatus) -> Unreachable:
    answer = exc.response
    seconds = answer.headers.get("Retry-After", "")
    body = bytes(answer.body or b"").decode(errors="replace").strip()[:200]
    reason = f"the gateway refused the handshake ({answer.status_code} {body or answer.reason_phrase})"
    return Unreachable(reason, status=answer.status_code, retry_after=float(seconds) if seconds.isdecimal() else 0.0)
