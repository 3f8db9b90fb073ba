"""One client's socket, whatever it speaks: its states, its limits, its end.

Owns what websocket and TCP connections share, from the first byte to the last. Does not own bytes on the wire, which
are the transports' (websocket, tcp), nor what becomes of a command (membership, sessions, sends). There is no task and
no timer for each connection: events come from the transport, deadlines from one sweep, publications from the hub, which
writes to the transport itself.

The outbox has two parts. As long as a peer reads, what is written goes to the transport directly and the bound costs
nothing. When the transport's own buffer has filled up to `CONGESTED` bytes it calls `pause_writing`; from then until
`resume_writing` the connection keeps what is written itself, as references to bytes that all connections share, and is
dropped as slow when they pass the bound. (In the transport's buffer each small write would cost some 700 bytes more.)
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol, cast

from chatcluster.connect import disconnects, protocol
from chatcluster.connect.admission import Admission, Refusal
from chatcluster.connect.deadlines import NOWHERE, Deadlines
from chatcluster.connect.disconnects import Disconnect
from chatcluster.connect.gochat import Codec
from chatcluster.connect.membership import Membership
from chatcluster.connect.sends import Send, Sends
from chatcluster.connect.sessions import Sessions
from chatcluster.connect.settings import Limits
from chatcluster.core import rates, telemetry
from chatcluster.core.ids import RoomName
from chatcluster.core.proxies import Proxies
from chatcluster.v1 import logic_pb2

CONGESTED = 16 * 1024
"""Bytes in the transport's buffer, beyond the kernel's, from which on a connection holds back what is written."""
CLOSING_TIME = 5.0
"""Seconds that a peer gets to read its last frame and to close its side."""

NOBODY = logic_pb2.User()


class State(Enum):
    """What a connection waits for."""

    HANDSHAKE = auto()
    """That it becomes a connection of its protocol (websockets only)."""
    STRANGER = auto()
    """The client's first frame."""
    WAITING = auto()
    """Logic's word on whose session it is."""
    MEMBER = auto()
    """Nothing: it is served."""
    CLOSING = auto()
    """That the peer closes its side; nothing that it sends counts any more."""
    CLOSED = auto()


class Write(Protocol):
    """Takes bytes for the peer; never waits and never raises."""

    def __call__(self, data: bytes) -> None:
        """Send them, some time."""
        ...


@dataclass(frozen=True, slots=True)
class Host:
    """What all connections of a gateway share."""

    limits: Limits
    clock: Callable[[], float]
    admission: Admission
    deadlines: "Deadlines[Connection]"
    membership: Membership
    sessions: Sessions
    sends: Sends
    origins: Sequence[str]
    """Origin headers that websockets accept; none: any."""
    proxies: Proxies
    """Whose X-Forwarded-For is believed."""
    open: "set[Connection]" = field(default_factory=set)
    """Every connection that is not closed, refused ones included."""


class Connection(asyncio.Protocol):
    """A connection's life. Subclasses move bytes: they call `begin` once, and `obey` with what the client wants."""

    __slots__ = (
        "_address", "_controls", "_disconnect", "_held", "_held_bytes", "_host", "_messages", "_served", "_state",
        "_wanted_room", "codec", "heard", "room", "session", "slot", "transport", "user", "wanted", "write",
    )  # fmt: skip

    def __init__(self, host: Host, codec: Codec) -> None:
        self.codec = codec
        self.write: Write = discard
        """The transport's own method while the peer reads, so that the hub's call is the only one."""
        self.slot = NOWHERE
        self.session = b""
        self.user = NOBODY
        self.room: RoomName | None = None
        self.wanted = b""
        self.heard = False
        """Something came from the peer since this was last set to False."""
        self._wanted_room: RoomName | None = None
        self._address = ""
        self._host = host
        self._state = State.HANDSHAKE
        self._served = False
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._disconnect: Disconnect | None = None
        self._messages = self._controls = rates.FULL

    # -- what a transport of its own has to say

    @property
    def patience(self) -> float:
        """Seconds for the client's first frame, and again for logic's answer to it."""
        raise NotImplementedError

    def heartbeat(self) -> None:
        """Show the peer, or see, that the connection lives; to set the next deadline by `look_in`."""
        raise NotImplementedError

    def say_goodbye(self, disconnect: Disconnect) -> None:
        """Tell the peer why, and close this side for writing."""
        raise NotImplementedError

    # -- what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new socket. Subclasses ask `arrive` whether it may stay."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.transport = transport
        transport.set_write_buffer_limits(high=CONGESTED)
        self._host.open.add(self)

    def pause_writing(self) -> None:
        """Hold back what is written from now on: the peer reads more slowly than it is written to."""
        if not self.is_ending:
            self.write = self._hold

    def resume_writing(self) -> None:
        """Hand over what was held back: the peer has read."""
        if not self.is_ending:
            self._release()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._state = State.CLOSED
        self.write = discard
        self._host.membership.leave(self)
        self._host.deadlines.clear(self)
        self._host.open.discard(self)
        self._host.admission.leave()
        if self._address:
            self._host.admission.vacate(self._address)
        if self._served:
            disconnect = self._disconnect or (disconnects.VANISHED if exc else disconnects.LEFT)
            telemetry.CONNECTIONS.labels(self.codec.protocol).dec()
            telemetry.DISCONNECTS_TOTAL.labels(str(disconnect.code)).inc()

    # -- beginning and end

    def arrive(self) -> Refusal | None:
        """Count this connection; why it must not stay, or None. When there are far too many it is dropped at once."""
        refusal = self._host.admission.arrive(self._host.clock())
        if self._host.admission.overrun:
            telemetry.REJECTED_TOTAL.labels("overrun").inc()
            self.drop(disconnects.TRY_AGAIN)
        return refusal

    def occupy(self, address: Callable[[], str]) -> Refusal | None:
        """Count it for its address, if that matters; why it must not stay, or None."""
        if not self._host.admission.limits_addresses:
            return None
        found = address()
        refusal = self._host.admission.occupy(found)
        self._address = "" if refusal else found
        return refusal

    @property
    def peer(self) -> str:
        """The address at the other end of the socket; empty when it is gone already."""
        name = self.transport.get_extra_info("peername")
        return str(name[0]) if name else ""

    def begin(self) -> None:
        """It is a connection of its protocol now, and has `patience` for its first frame."""
        self._state = State.STRANGER
        self._served = True
        self.write = self.transport.write
        telemetry.CONNECTIONS.labels(self.codec.protocol).inc()
        telemetry.CONNECTIONS_ACCEPTED_TOTAL.labels(self.codec.protocol).inc()
        self.look_in(self.patience)

    @property
    def is_ending(self) -> bool:
        """Whether nothing that still comes from the peer counts."""
        return self._state in {State.CLOSING, State.CLOSED}

    @property
    def is_waiting(self) -> bool:
        """Whether it waits to be `authenticated`."""
        return self._state is State.WAITING

    def close(self, disconnect: Disconnect) -> None:
        """Leave every room at once and end the socket in order; after `CLOSING_TIME` in disorder. Idempotent."""
        if self.is_ending:
            return
        told = self._state is not State.HANDSHAKE and not disconnect.silent
        self._release()
        self.end(disconnect)
        if told:
            self.say_goodbye(disconnect)
        else:
            self.transport.close()

    def end(self, disconnect: Disconnect) -> None:
        """Serve it no more; the socket gets `CLOSING_TIME` until it is dropped."""
        self._disconnect = self._disconnect or disconnect
        self._state = State.CLOSING
        self.write = discard
        self._host.membership.leave(self)
        self.look_in(CLOSING_TIME)

    def drop(self, disconnect: Disconnect) -> None:
        """End the socket now, whatever it still has to send.

        The hub may be writing to this very connection: its rooms are left when the transport says that it is lost.
        """
        self._disconnect = self._disconnect or disconnect
        self._state = State.CLOSING
        self.write = discard
        self._held.clear()
        self.transport.abort()

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._host.limits.outbox_bytes:
            telemetry.OUTBOX_OVERFLOWS_TOTAL.inc()
            self.drop(disconnects.SLOW)

    def _release(self) -> None:
        if self.write == self._hold:
            data = b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
            self.write = self.transport.write  # which may fill up at once, and call pause_writing again
            self.write(data)

    # -- deadlines

    def look_in(self, seconds: float) -> None:
        """Have `expire` called in so many seconds, instead of at any time set before."""
        self._host.deadlines.set(self, self._host.clock() + seconds)

    def expire(self) -> None:
        """The deadline has passed."""
        match self._state:
            case State.HANDSHAKE:
                telemetry.REJECTED_TOTAL.labels("handshake").inc()
                self.drop(disconnects.UNFINISHED)
            case State.STRANGER:
                self.close(disconnects.UNAUTHENTICATED)
            case State.WAITING:
                self.close(disconnects.TRY_AGAIN)
            case State.MEMBER:
                self.heartbeat()
            case State.CLOSING:
                self.transport.abort()

    # -- what the client wants

    def fail(self, error: protocol.ProtocolError) -> None:
        """Close because of a frame that is none."""
        telemetry.REJECTED_TOTAL.labels("frame").inc()
        self.close(error.disconnect)

    def allow(self) -> bool:
        """Count a frame that is no message; False, and the connection is closed, when there are too many of them."""
        later = self._host.limits.controls.take(self._controls, self._host.clock())
        if later is None:
            telemetry.REJECTED_TOTAL.labels("control_rate").inc()
            self.close(disconnects.TOO_FAST)
            return False
        self._controls = later
        return True

    def obey(self, command: protocol.Join | protocol.Send) -> None:
        """Do what the client wants, or tell it why not."""
        session = hashlib.sha256(command.token.encode()).digest()
        if isinstance(command, protocol.Send):
            self._send(session, command)
        elif self.allow():
            self._join(session, command.room)

    def authenticated(self, user: logic_pb2.User) -> None:
        """Be this user, where the client last wanted to be."""
        if self._host.membership.admit(self, self.wanted, user, self._wanted_room):
            self._state = State.MEMBER
            self.look_in(self._host.limits.ping_interval)
        else:
            telemetry.REJECTED_TOTAL.labels("connections_per_user").inc()
            self.close(disconnects.TOO_MANY)

    def refuse(self, text: str) -> None:
        """Tell the client what was not done."""
        self.write(self.codec.refuse(text, self.user))

    def _join(self, session: bytes, room: RoomName | None) -> None:
        if self._state is State.MEMBER and session == self.session:
            self._host.membership.move(self, room)
        else:
            self._authenticate(session, room)

    def _authenticate(self, session: bytes, room: RoomName | None) -> None:
        """Ask whose session that is. A member stays who and where it is until the answer."""
        self.wanted, self._wanted_room = session, room
        if self._state is not State.WAITING:
            self._state = State.WAITING
            self.look_in(self.patience)
            self._host.sessions.ask(self)

    def _send(self, session: bytes, command: protocol.Send) -> None:
        """Publish; a stranger who begins with that is asked for, as gochat publishes without a join before."""
        if self._state is State.STRANGER:
            self._authenticate(session, None)
        if session != self.wanted:
            self._reject("token", "not sent: the authToken is not this connection's")
        elif not self._take_message():
            self._reject("message_rate", "not sent: too many messages")
        elif not self._host.sends.submit(self, Send(session, command.room, command.text)):
            self._reject("sends_pending", "not sent: too many messages are waiting")

    def _take_message(self) -> bool:
        later = self._host.limits.messages.take(self._messages, self._host.clock())
        if later is not None:
            self._messages = later
        return later is not None

    def _reject(self, reason: str, text: str) -> None:
        telemetry.REJECTED_TOTAL.labels(reason).inc()
        if self.allow():
            self.refuse(text)


def discard(data: bytes) -> None:
    """Write nothing, when there is nobody to read it."""
