"""Websocket clients by the thousand: one small protocol each, whose bytes are made by hand.

They join with their first bytes, answer pings, and keep what they were shown. One that does not read keeps nothing and
answers nothing.
"""

import asyncio
import json
import socket
import struct
from typing import Any, Self, cast
from urllib.parse import urlsplit

from websockets.frames import Frame, Opcode

from support.eventually import eventually

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_TEXT, _CLOSE, _PING = 0x81, 0x88, 0x89


def masked(payload: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    """A client's frame."""
    return Frame(opcode, payload).serialize(mask=True)


class Visitor(asyncio.Protocol):
    """A client."""

    def __init__(self, token: str, room: int) -> None:
        self._first = joining(token, room)
        self._buffer = b""
        self._handshake = False
        self.transport: asyncio.Transport | None = None
        self.bodies: list[dict[str, Any]] = []
        self.pings = 0
        self.closed: int | None = None
        """The code of a close frame; 1006 when the end came without one."""

    @property
    def texts(self) -> list[str]:
        """What was said in the room."""
        return [body["msg"] for body in self.bodies if body["op"] == 3]

    @property
    def present(self) -> bool:
        """Whether it was told who is in the room, so that it is in it."""
        return any(body["op"] == 5 for body in self.bodies)

    def leave(self) -> None:
        """Close without a word."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self.transport.write(self._first)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._handshake:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 101 "), head
            self._handshake, self._buffer = True, rest
        while self._take_frame():
            pass

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = self.closed or 1006

    def _take_frame(self) -> bool:
        if len(self._buffer) < 2:
            return False
        size, start = self._buffer[1], 2
        if size == 126:
            size, start = int.from_bytes(self._buffer[2:4], "big"), 4
        assert size < 127 or start == 4, "no frame of a gateway is that long"
        if len(self._buffer) < start + size:
            return False
        opcode, payload = self._buffer[0], self._buffer[start : start + size]
        self._buffer = self._buffer[start + size :]
        self._frame(opcode, payload)
        return True

    def _frame(self, opcode: int, payload: bytes) -> None:
        assert self.transport is not None
        if opcode == _PING:
            self.pings += 1
            self.transport.write(masked(payload, Opcode.PONG))
        elif opcode == _CLOSE:
            self.closed = struct.unpack("!H", payload[:2])[0]
            self.transport.close()
        else:
            assert opcode == _TEXT, opcode
            self.bodies.append(json.loads(payload))


class Crowd:
    """Clients of one gateway; all of them leave at the end of the block."""

    def __init__(self, url: str, token: str, room: int) -> None:
        self._place = _place(url)
        self._token = token
        self._room = room
        self._stuck: list[socket.socket] = []
        self.visitors: list[Visitor] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for stuck in self._stuck:
            stuck.close()
        for visitor in self.visitors:
            visitor.leave()
        await eventually(lambda: all(visitor.closed for visitor in self.visitors))

    async def visit(self, count: int, at_once: int = 100) -> None:
        """Connect and join so many more, a few at a time."""
        for start in range(0, count, at_once):
            await asyncio.gather(*(self._visit() for _ in range(min(at_once, count - start))))

    async def visit_without_reading(self, count: int) -> None:
        """Connect and join by sockets that nobody reads, with the least receive buffer that there is."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            stuck = socket.socket()
            self._stuck.append(stuck)
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            stuck.setblocking(False)
            await loop.sock_connect(stuck, self._place)
            await loop.sock_sendall(stuck, joining(self._token, self._room))

    async def _visit(self) -> None:
        visitor = Visitor(self._token, self._room)
        await asyncio.get_running_loop().create_connection(lambda: visitor, *self._place)
        self.visitors.append(visitor)


def joining(token: str, room: int) -> bytes:
    """A handshake and the first frame, in one piece."""
    return HANDSHAKE + masked(json.dumps({"authToken": token, "roomId": room}).encode())


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port
