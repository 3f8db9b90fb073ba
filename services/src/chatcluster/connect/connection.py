"""One client's socket, whatever it speaks: its states, its limits, its end.

Owns what all connections share, from the first byte to the last. Does not own bytes on the wire, which are the
transports' (websocket, tcp), nor what a client says and is told, which is its dialect's (gochat_client, v1_client).
There is no task and no timer for each connection: events come from the transport, deadlines from one sweep,
publications from the hub, which writes to the transport itself.

The outbox has two parts. As long as a peer reads, what is written goes to the transport directly and the bound costs
nothing. When the transport's own buffer has filled up to `CONGESTED` bytes it calls `pause_writing`; from then until
`resume_writing` the connection keeps what is written itself, as references to bytes that all connections share, and is
dropped as slow when they pass the bound. (In the transport's buffer each small write would cost some 700 bytes more.)
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol, cast

from chatcluster.connect import protocol
from chatcluster.connect.admission import Admission, Refusal
from chatcluster.connect.deadlines import NOWHERE, Deadlines
from chatcluster.connect.logic import Opened
from chatcluster.connect.membership import Membership
from chatcluster.connect.room import Codec
from chatcluster.connect.sessions import Credential, Sessions
from chatcluster.connect.settings import Limits
from chatcluster.core import rates, telemetry
from chatcluster.core.ids import RoomName
from chatcluster.core.proxies import Proxies
from chatcluster.frames import disconnects
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


Write = Callable[[bytes], None]
"""Takes bytes for the peer; never waits and never raises."""


class Dialect(Protocol):
    """What one client speaks: what its frames mean, and what it is told. One for each connection."""

    @property
    def codec(self) -> Codec:
        """How rooms speak to it."""
        ...

    @property
    def hears_inbox(self) -> bool:
        """Whether it hears its user's inbox from the start."""
        ...

    def take(self, payload: bytes) -> None:
        """A whole frame came. Raises `protocol.ProtocolError`."""
        ...

    def admitted(self, opened: Opened) -> None:
        """Its connection is now this user's."""
        ...

    def rejected(self) -> None:
        """What it showed is no session: to close."""
        ...

    def left(self) -> None:
        """Its connection serves it no more."""
        ...

    def warn(self, after: float) -> None:
        """The gateway will close the connection in so many seconds."""
        ...

    def last_words(self, disconnect: disconnects.Disconnect) -> bytes:
        """A frame that says why the connection ends, where the transport has no other way; empty for none."""
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
    origins: Sequence[str]
    """Origin headers that websockets accept; none: any."""
    proxies: Proxies
    """Whose X-Forwarded-For is believed."""
    open: "set[Connection]" = field(default_factory=set)
    """Every connection that is not closed, refused ones included."""


@dataclass(frozen=True, slots=True)
class Dialects:
    """What may be spoken over one transport."""

    gochat: "Callable[[Connection], Dialect]"
    """Of a client that does not say otherwise."""
    v1: "Callable[[Connection], Dialect]"


class Connection(asyncio.Protocol):
    """A connection's life. Subclasses move bytes: they call `begin` once, and give each frame to the dialect."""

    __slots__ = (
        "_address", "_controls", "_dialects", "_disconnect", "_held", "_held_bytes", "_messages", "_served", "_state",
        "codec", "dialect", "heard", "host", "room", "rooms", "session", "slot", "transport", "user", "wanted", "write",
    )  # fmt: skip

    def __init__(self, host: Host, dialects: Dialects) -> None:
        self.host = host
        self._dialects = dialects
        self.dialect = dialects.gochat(self)
        self.codec = self.dialect.codec
        self.write: Write = discard
        """The transport's own method while the peer reads, so that the hub's call is the only one."""
        self.slot = NOWHERE
        self.session = b""
        self.user = NOBODY
        self.room: RoomName | None = None
        self.rooms: set[RoomName] = set()
        self.wanted = Credential(b"")
        self.heard = False
        """Something came from the peer since this was last set to False."""
        self._address = ""
        self._state = State.HANDSHAKE
        self._served = False
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._disconnect: disconnects.Disconnect | None = None
        self._messages = self._controls = rates.FULL

    # -- what a transport of its own has to say

    @property
    def patience(self) -> float:
        """Seconds for the client's first frame, and again for logic's answer to it."""
        raise NotImplementedError

    def heartbeat(self) -> None:
        """Show the peer, or see, that the connection lives; to set the next deadline by `look_in`."""
        raise NotImplementedError

    def say_goodbye(self, disconnect: disconnects.Disconnect) -> None:
        """Tell the peer why, and close this side for writing."""
        raise NotImplementedError

    # -- what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new socket. Subclasses ask `arrive` whether it may stay."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.transport = transport
        transport.set_write_buffer_limits(high=CONGESTED)
        self.host.open.add(self)

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
        self._leave()
        self.host.deadlines.clear(self)
        self.host.open.discard(self)
        self.host.admission.leave()
        if self._address:
            self.host.admission.vacate(self._address)
        if self._served:
            disconnect = self._disconnect or (disconnects.VANISHED if exc else disconnects.LEFT)
            telemetry.CONNECTIONS.labels(self.codec.protocol).dec()
            telemetry.DISCONNECTS_TOTAL.labels(str(disconnect.code)).inc()

    # -- beginning and end

    def arrive(self) -> Refusal | None:
        """Count this connection; why it must not stay, or None. When there are far too many it is dropped at once."""
        refusal = self.host.admission.arrive(self.host.clock())
        if self.host.admission.overrun:
            telemetry.REJECTED_TOTAL.labels("overrun").inc()
            self.drop(disconnects.TRY_AGAIN)
        return refusal

    def occupy(self, address: Callable[[], str]) -> Refusal | None:
        """Count it for its address, if that matters; why it must not stay, or None."""
        if not self.host.admission.limits_addresses:
            return None
        found = address()
        refusal = self.host.admission.occupy(found)
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

    def warn(self, after: float) -> None:
        """Tell the client that the connection will be closed in so many seconds, if it is served."""
        if self.is_member:
            self.dialect.warn(after)

    def close(self, disconnect: disconnects.Disconnect) -> None:
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

    def end(self, disconnect: disconnects.Disconnect) -> None:
        """Serve it no more; the socket gets `CLOSING_TIME` until it is dropped."""
        self._disconnect = self._disconnect or disconnect
        self._state = State.CLOSING
        self.write = discard
        self._leave()
        self.look_in(CLOSING_TIME)

    def drop(self, disconnect: disconnects.Disconnect) -> None:
        """End the socket now, whatever it still has to send.

        The hub may be writing to this very connection: its rooms are left when the transport says that it is lost.
        """
        self._disconnect = self._disconnect or disconnect
        self._state = State.CLOSING
        self.write = discard
        self._held.clear()
        self.transport.abort()

    def _leave(self) -> None:
        self.dialect.left()
        self.host.membership.leave(self)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self.host.limits.outbox_bytes:
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
        self.host.deadlines.set(self, self.host.clock() + seconds)

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

    @property
    def hears_inbox(self) -> bool:
        """See `Dialect`."""
        return self.dialect.hears_inbox

    def speak(self, dialect: Dialect) -> None:
        """Go over to another dialect, before anything was said."""
        if self._served:
            telemetry.CONNECTIONS.labels(self.codec.protocol).dec()
            telemetry.CONNECTIONS.labels(dialect.codec.protocol).inc()
        self.dialect = dialect
        self.codec = dialect.codec

    def fail(self, error: protocol.ProtocolError) -> None:
        """Close because of a frame that is none."""
        telemetry.REJECTED_TOTAL.labels("frame").inc()
        self.close(error.disconnect)

    def allow(self) -> bool:
        """Count a frame that is no message; False, and the connection is closed, when there are too many of them."""
        later = self.host.limits.controls.take(self._controls, self.host.clock())
        if later is None:
            telemetry.REJECTED_TOTAL.labels("control_rate").inc()
            self.close(disconnects.TOO_FAST)
            return False
        self._controls = later
        return True

    def allow_message(self) -> float:
        """Count a message: 0, or the seconds until it may be sent (it was not counted then)."""
        rate, now = self.host.limits.messages, self.host.clock()
        later = rate.take(self._messages, now)
        if later is None:
            return rate.wait(self._messages, now)
        self._messages = later
        return 0.0

    @property
    def is_stranger(self) -> bool:
        """Whether it has shown nothing yet."""
        return self._state is State.STRANGER

    @property
    def is_member(self) -> bool:
        """Whether its user is known."""
        return self._state is State.MEMBER

    def authenticate(self, wanted: Credential) -> None:
        """Ask whose session that is. A member stays who and where it is until the answer."""
        self.wanted = wanted
        if self._state is not State.WAITING:
            self._state = State.WAITING
            self.look_in(self.patience)
            self.host.sessions.ask(self)

    def authenticated(self, opened: Opened) -> None:
        """Be this user."""
        if self.host.membership.admit(self, opened.session, opened.user):
            self._state = State.MEMBER
            self.look_in(self.host.limits.ping_interval)
            self.dialect.admitted(opened)
        else:
            telemetry.REJECTED_TOTAL.labels("connections_per_user").inc()
            self.close(disconnects.TOO_MANY)

    def rejected(self) -> None:
        """What was shown is no session."""
        self.dialect.rejected()


def discard(data: bytes) -> None:
    """Write nothing, when there is nobody to read it."""
