"""TCP clients: frames in, frames out.

Owns how bytes become frames on a plain TCP socket, which protocol a client speaks (its first frame says), and how it
hears of its end. Does not own the life of a connection (connection), frames themselves (framing), or what they mean
(the dialects). There is no reading deadline, as in gochat: a peer that vanished is found by TCP_USER_TIMEOUT, which
the heartbeat sets going.
"""

import asyncio

from chatcluster.connect import gochat, protocol, v1_requests
from chatcluster.connect.admission import Refusal
from chatcluster.connect.connection import Connection, Dialects, Host
from chatcluster.connect.framing import Frames
from chatcluster.core import telemetry
from chatcluster.frames import disconnects
from chatcluster.frames.disconnects import Disconnect


class TcpConnection(Connection):
    """A TCP client."""

    __slots__ = ("_frames", "_is_new")

    def __init__(self, host: Host, dialects: Dialects) -> None:
        super().__init__(host, dialects)
        self._frames = Frames()
        self._is_new = True

    @property
    def patience(self) -> float:
        """The general deadline."""
        return self.host.limits.auth_deadline

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
                self._choose(payload)
                self.dialect.take(payload)
        except protocol.ProtocolError as exc:
            self.fail(exc)

    def heartbeat(self) -> None:
        """gochat's: nothing is expected in return but the kernel's acknowledgement."""
        self.write(gochat.HEARTBEAT)
        self.look_in(self.host.limits.ping_interval)

    def say_goodbye(self, disconnect: Disconnect) -> None:
        """In the last frame that the client's protocol has for it, and by the end of the stream."""
        self.transport.write(self.dialect.last_words(disconnect))
        self.transport.write_eof()

    def _choose(self, payload: bytes) -> None:
        if self._is_new and v1_requests.is_request(payload):
            self.speak(self._dialects.v1(self))
        self._is_new = False

    def _turn_away(self, refusal: Refusal) -> None:
        telemetry.REJECTED_TOTAL.labels(refusal.reason).inc()
        text = f"refused; try again in {refusal.retry_after} s"
        self.transport.write(self.dialect.last_words(Disconnect(disconnects.TOO_MANY.code, text)))
        self.transport.write_eof()
        self.end(disconnects.TRY_AGAIN)
