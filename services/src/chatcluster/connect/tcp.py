"""gochat's protocol over TCP: frames in, frames out.

Owns how bytes become commands on a plain TCP socket, and how a TCP client hears of its end. Does not own the life of a
connection (connection) nor frames and payloads themselves (framing, protocol). There is no reading deadline, as in
gochat: a peer that vanished is found by TCP_USER_TIMEOUT, which the heartbeat sets going.
"""

import asyncio

from chatcluster.connect import disconnects, gochat, protocol
from chatcluster.connect.admission import Refusal
from chatcluster.connect.connection import Connection, Host
from chatcluster.connect.disconnects import Disconnect
from chatcluster.connect.framing import Frames
from chatcluster.core import telemetry

TOLERATED = 2
"""Payloads on one connection that do not decode; the next one closes it, as in gochat."""


class TcpConnection(Connection):
    """A TCP client."""

    __slots__ = ("_frames", "_malformed")

    def __init__(self, host: Host, codec: gochat.Codec) -> None:
        super().__init__(host, codec)
        self._frames = Frames()
        self._malformed = 0

    @property
    def patience(self) -> float:
        """The general deadline."""
        return self._host.limits.auth_deadline

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new socket, or refuse it in a last frame."""
        super().connection_made(transport)
        refusal = self.arrive() or self.occupy(lambda: self.peer)
        if self.is_ending:
            return
        if refusal is None:
            self.begin()
        else:
            self._turn_away(refusal)

    def data_received(self, data: bytes) -> None:
        """Take what came, frame by frame."""
        try:
            for payload in self._frames.feed(data):
                if self.is_ending:
                    return
                self._payload(payload)
        except protocol.ProtocolError as exc:
            self.fail(exc)

    def heartbeat(self) -> None:
        """gochat's: nothing is expected in return but the kernel's acknowledgement."""
        self.write(gochat.HEARTBEAT)
        self.look_in(self._host.limits.ping_interval)

    def say_goodbye(self, disconnect: Disconnect) -> None:
        """Tell a client its own mistake; anything else is told by the end of the stream."""
        if not disconnect.reconnect:
            self.transport.write(self.codec.refuse(disconnect.reason, self.user))
        self.transport.write_eof()

    def _payload(self, payload: bytes) -> None:
        try:
            command = protocol.read_tcp(payload)
        except protocol.Malformed:
            telemetry.REJECTED_TOTAL.labels("malformed").inc()
            self._malformed += 1
            if self._malformed > TOLERATED:
                self.close(disconnects.BAD_FRAME)
            return
        if command is not None:
            self.obey(command)
        else:
            self.allow()

    def _turn_away(self, refusal: Refusal) -> None:
        telemetry.REJECTED_TOTAL.labels(refusal.reason).inc()
        self.transport.write(self.codec.refuse(f"refused; try again in {refusal.retry_after} s", self.user))
        self.transport.write_eof()
        self.end(disconnects.TRY_AGAIN)
