"""gochat's clients: what their frames make a gateway do.

Owns the meaning of gochat's commands: authenticating is joining, a second join is a switch of rooms, and what does not
work is told in a private message from nobody. Does not own how frames look (protocol, gochat) nor what becomes of a
send (sends).
"""

import hashlib

from chatcluster.connect import gochat, protocol
from chatcluster.connect.connection import Connection
from chatcluster.connect.logic import Opened
from chatcluster.connect.sends import Send, Sends
from chatcluster.connect.sessions import Credential
from chatcluster.core import errors, telemetry
from chatcluster.core.ids import RoomName
from chatcluster.frames import disconnects
from chatcluster.frames.disconnects import Disconnect
from chatcluster.v1 import logic_pb2

TOLERATED = 2
"""TCP payloads on one connection that do not decode; the next one closes it, as in gochat."""


class GochatClient:
    """A client of gochat's, whatever carries its frames."""

    __slots__ = ("_connection", "_sends", "_wanted_room", "codec")

    hears_inbox = True

    def __init__(self, connection: Connection, codec: gochat.Codec, sends: Sends) -> None:
        self._connection = connection
        self.codec = codec
        self._sends = sends
        self._wanted_room: RoomName | None = None

    def take(self, payload: bytes) -> None:
        """See `Dialect`."""
        raise NotImplementedError

    def admitted(self, opened: Opened) -> None:  # noqa: ARG002 - gochat has no answer to a join
        """Be where the client last wanted to be."""
        self._connection.host.membership.move(self._connection, self._wanted_room)

    def rejected(self) -> None:
        """Without a word, as gochat's clients know it."""
        self._connection.close(disconnects.BAD_SESSION)

    def left(self) -> None:
        """Nothing to give up: a send outlives its connection."""

    def warn(self, after: float) -> None:
        """gochat has no word for it."""

    def last_words(self, disconnect: Disconnect) -> bytes:
        """Tell a client its own mistake; anything else is told by the end of the stream."""
        return b"" if disconnect.reconnect else self.codec.refuse(disconnect.reason, self._connection.user)

    def sent(self, send: Send, stored: logic_pb2.PublishResponse) -> None:
        """gochat's sender sees its message in the room."""

    def not_sent(self, send: Send, error: errors.ChatError) -> None:  # noqa: ARG002 - it has only one connection's
        """Tell the client; one whose session has ended is closed."""
        if isinstance(error, errors.SessionEnded):
            self._connection.close(disconnects.BAD_SESSION)
        elif isinstance(error, errors.OutcomeUnknown):
            self._refuse(f"perhaps not sent: {error}")
        else:
            self._refuse(f"not sent: {error}")

    def _obey(self, command: protocol.Join | protocol.Send) -> None:
        session = hashlib.sha256(command.token.encode()).digest()
        if isinstance(command, protocol.Send):
            self._send(session, command)
        elif self._connection.allow():
            self._join(session, command.room)

    def _join(self, session: bytes, room: RoomName | None) -> None:
        connection = self._connection
        if connection.is_member and session == connection.session:
            connection.host.membership.move(connection, room)
        else:
            self._authenticate(session, room)

    def _authenticate(self, session: bytes, room: RoomName | None) -> None:
        self._wanted_room = room
        self._connection.authenticate(Credential(session))

    def _send(self, session: bytes, command: protocol.Send) -> None:
        """Publish; a stranger who begins with that is asked for, as gochat publishes without a join before."""
        if self._connection.is_stranger:
            self._authenticate(session, None)
        if session != self._connection.wanted.digest:
            self._reject("token", "not sent: the authToken is not this connection's")
        elif self._connection.allow_message():
            self._reject("message_rate", "not sent: too many messages")
        elif not self._sends.submit(self, Send(session, command.room, command.text)):
            self._reject("sends_pending", "not sent: too many messages are waiting")

    def _reject(self, reason: str, text: str) -> None:
        telemetry.REJECTED_TOTAL.labels(reason).inc()
        if self._connection.allow():
            self._refuse(text)

    def _refuse(self, text: str) -> None:
        self._connection.write(self.codec.refuse(text, self._connection.user))


class GochatWebsocketClient(GochatClient):
    """Over websockets every frame is a join."""

    __slots__ = ()

    def take(self, payload: bytes) -> None:
        """See `Dialect`."""
        self._obey(protocol.read_websocket(payload))


class GochatTcpClient(GochatClient):
    """Over TCP a client joins and sends; two frames that do not decode are forgiven."""

    __slots__ = ("_malformed",)

    def __init__(self, connection: Connection, codec: gochat.Codec, sends: Sends) -> None:
        super().__init__(connection, codec, sends)
        self._malformed = 0

    def take(self, payload: bytes) -> None:
        """See `Dialect`."""
        try:
            command = protocol.read_tcp(payload)
        except protocol.Malformed:
            telemetry.REJECTED_TOTAL.labels("malformed").inc()
            self._malformed += 1
            if self._malformed > TOLERATED:
                raise
            return
        if command is not None:
            self._obey(command)
        else:
            self._connection.allow()
