"""Websocket clients: RFC 6455 by websockets' own sans-I/O protocol, without a task for each connection.

Owns the handshake as far as it is ours (path, refusals, how much of it, which protocol is spoken), whole messages,
pings, and close frames. Does not own the life of a connection (connection), frames and handshakes themselves
(websockets), or what a message means (the dialects). No extension is negotiated, so no input grows by being
decompressed.
"""

import asyncio
import http
import logging
from collections.abc import Sequence

from websockets.exceptions import InvalidMessage
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from chatcluster.connect import protocol
from chatcluster.connect.admission import Refusal
from chatcluster.connect.connection import Connection, Dialects, Host, discard
from chatcluster.core import telemetry
from chatcluster.frames import disconnects, exchanges
from chatcluster.frames.disconnects import Disconnect

V1 = Subprotocol(exchanges.SUBPROTOCOL)
HEAD_BYTES = 16 * 1024
"""Of a handshake; a browser's with its cookies is well below."""
SLICE = 4096
"""Bytes that are parsed at once: what one read holds of tiny frames must not pass the rate before it is looked at."""
PING = b"\x89\x00"

_END_OF_HEAD = b"\r\n\r\n"
_NO_HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_HEAD_TOO_BIG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_DATA = {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}
_BY_CODE = {d.code: d for d in (disconnects.WRONG_PROTOCOL, disconnects.NOT_UTF8, disconnects.TOO_BIG)}
_log = logging.getLogger("websockets.server")


def accepted(origins: Sequence[str]) -> list[Origin | None] | None:
    """The Origin headers to accept, None for any. A client without that header is no browser and in no danger."""
    return [*map(Origin, origins), None] if origins else None


def choose(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """v1 for those who offer it; everybody else speaks gochat's protocol, which has no name."""
    return V1 if V1 in offered else None


def text_frame(payload: bytes) -> bytes:
    """A text frame from a server, RFC 6455, section 5.2."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class WebsocketConnection(Connection):
    """A websocket client."""

    __slots__ = ("_head", "_message", "_pinged", "_protocol", "_refusal")

    def __init__(self, host: Host, dialects: Dialects) -> None:
        super().__init__(host, dialects)
        self._protocol = ServerProtocol(
            origins=accepted(host.origins),
            select_subprotocol=choose,
            max_size=host.limits.frame_bytes,
            logger=_log,
        )
        self._head: bytearray | None = bytearray()
        """What has come of the handshake; None when it is done."""
        self._message: bytearray | None = None
        """What has come of a message in several frames."""
        self._refusal: Refusal | None = None
        self._pinged = False

    @property
    def patience(self) -> float:
        """gochat's page opens a websocket before anybody has logged in."""
        limits = self.host.limits
        return limits.auth_deadline if self._protocol.subprotocol == V1 else limits.gochat_auth_deadline

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new socket; one that is to be refused is told so in answer to its handshake."""
        super().connection_made(transport)
        self._refusal = self.arrive()
        if not self.is_ending:
            self.look_in(self.host.limits.auth_deadline)

    def data_received(self, data: bytes) -> None:
        """Take what came, slice by slice."""
        self.heard = True
        if self._head is not None and not self.is_ending:
            data = self._take_head(data)
        for start in range(0, len(data), SLICE):
            if self.is_ending:
                return
            self._feed(data[start : start + SLICE])

    def heartbeat(self) -> None:
        """Ping; then see whether anything has come since: a peer that talks is there, whether or not it answers."""
        limits = self.host.limits
        if not self._pinged:
            self._pinged, self.heard = True, False
            self.write(PING)
            self.look_in(limits.ping_timeout)
        elif self.heard:
            self._pinged = False
            self.look_in(max(0.0, limits.ping_interval - limits.ping_timeout))
        else:
            self.drop(disconnects.SILENT)

    def say_goodbye(self, disconnect: Disconnect) -> None:
        """Send a close frame and nothing more; the peer's own is not waited for, all that it still sends is ignored."""
        self._protocol.fail(disconnect.code, disconnect.reason)
        self._flush()

    # -- the handshake

    def _take_head(self, data: bytes) -> bytes:
        """Take what belongs to the handshake; returns what comes after it."""
        assert self._head is not None
        self._head += data
        end = self._head.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        if end >= len(_END_OF_HEAD):
            head, rest, self._head = bytes(self._head[:end]), bytes(self._head[end:]), None
            self._open(head)
            return rest
        if len(self._head) > HEAD_BYTES:
            self._turn_away(_HEAD_TOO_BIG)
        return b""

    def _open(self, head: bytes) -> None:
        # Exactly the head is given to the protocol, so that it has not seen a frame when the answer is made.
        self._protocol.receive_data(head)
        requests = self._protocol.events_received()
        if requests and isinstance(requests[0], Request):
            self._answer(requests[0])
        elif isinstance(self._protocol.handshake_exc, InvalidMessage):
            self._turn_away(_NO_HTTP)
        self._flush()

    def _answer(self, request: Request) -> None:
        response = self._refuse(request) or self._protocol.accept(request)
        self._protocol.send_response(response)
        if response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS:
            if self._protocol.subprotocol == V1:
                self._protocol.max_message_size = self.host.limits.v1_frame_bytes
                self.speak(self._dialects.v1(self))
            self.begin()
        else:
            telemetry.REJECTED_TOTAL.labels("handshake").inc()

    def _refuse(self, request: Request) -> Response | None:
        if request.path.partition("?")[0] != exchanges.PATH:
            return self._protocol.reject(http.HTTPStatus.NOT_FOUND, f"websockets are at {exchanges.PATH}\n")
        refusal = self._refusal or self.occupy(lambda: self._client_address(request))
        if refusal is None:
            return None
        telemetry.REJECTED_TOTAL.labels(refusal.reason).inc()
        response = self._protocol.reject(http.HTTPStatus.SERVICE_UNAVAILABLE, f"{refusal.reason}: try again later\n")
        response.headers["Retry-After"] = str(refusal.retry_after)
        return response

    def _client_address(self, request: Request) -> str:
        return self.host.proxies.client(self.peer, request.headers.get_all("X-Forwarded-For"))

    def _turn_away(self, response: bytes) -> None:
        telemetry.REJECTED_TOTAL.labels("handshake").inc()
        self.transport.write(response)
        self._half_close()

    # -- frames

    def _feed(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and not self.is_ending:
                self._frame(event)
        self._flush()

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in _DATA:
            if frame.opcode is not Opcode.CLOSE:
                self.allow()
            return
        payload = bytes(frame.data) if self._message is None else bytes(self._message + frame.data)
        if frame.fin:
            self._message = None
            self._take_message_whole(payload)
        elif self.allow():
            self._message = bytearray(payload)

    def _take_message_whole(self, payload: bytes) -> None:
        try:
            self.dialect.take(payload)
        except protocol.ProtocolError as exc:
            self.fail(exc)

    def _flush(self) -> None:
        """Send what the protocol has to say; its last word is empty and means that this side is done."""
        for data in self._protocol.data_to_send():
            if data:
                write = self.transport.write if self.write is discard else self.write  # pongs count for the outbox
                write(data)
            else:
                self._half_close()

    def _half_close(self) -> None:
        if not self.is_ending:
            self.end(self._cause())
        self.transport.write_eof()

    def _cause(self) -> Disconnect:
        sent = self._protocol.close_sent
        if sent is None or self._protocol.close_rcvd is not None:
            return disconnects.LEFT
        return _BY_CODE.get(sent.code, disconnects.WRONG_PROTOCOL)
