"""Why a gateway closes a connection: one named constant per cause.

Owns the codes, their texts and whether a client should come back. Does not own how a close looks on a wire: that is the
transports'. A code below 4000 is RFC 6455's and means what it means there; from 4000 to 4499 a client should reconnect,
from 4500 to 4999 it should not before something else has changed.

TCP has no close codes: there a client's own mistake is told by one last frame (gochat.refusal), the rest by the end of
the stream. The metric chat_disconnects_total counts by these codes on both.
"""

from dataclasses import dataclass

MAX_REASON_BYTES = 123
"""RFC 6455, section 5.5: a control frame carries 125 bytes, two of them the code."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """One cause."""

    code: int
    reason: str
    """Told to the client, at most 123 bytes of UTF-8."""
    silent: bool = False
    """The client is told nothing: nobody is there, nothing more would be read, or gochat's clients know it so (a
    websocket client then sees 1006)."""
    gochat: bool = False
    """Only clients of gochat's protocols meet it."""

    @property
    def reconnect(self) -> bool:
        """Whether the same client may simply try again."""
        return self.code in {1006, 1012, 1013} or 4000 <= self.code < 4500


LEFT = Disconnect(1000, "the client left", silent=True)
WRONG_PROTOCOL = Disconnect(1002, "not a valid frame")
VANISHED = Disconnect(1006, "the peer is gone", silent=True)
NOT_UTF8 = Disconnect(1007, "not UTF-8")
TOO_BIG = Disconnect(1009, "the frame is too big")
RESTART = Disconnect(1012, "this gateway stops; reconnect")
TRY_AGAIN = Disconnect(1013, "cannot serve you now; try again later")

SLOW = Disconnect(4000, "reads too slowly for its outbox", silent=True)
SILENT = Disconnect(4001, "no answer to a ping", silent=True)
UNFINISHED = Disconnect(4002, "the handshake was not finished in time", silent=True)

UNAUTHENTICATED = Disconnect(4500, "no authToken came in time")
BAD_SESSION = Disconnect(4501, "the session is not valid", silent=True, gochat=True)
SESSION_ENDED = Disconnect(4502, "the session has ended; log in again")
TOO_MANY = Disconnect(4503, "this user has too many connections")
TOO_FAST = Disconnect(4504, "too many frames")
BAD_FRAME = Disconnect(4505, "not a frame that this gateway understands")
BAD_ROOM = Disconnect(4506, "the roomId is out of range", gochat=True)

ALL = (
    LEFT, WRONG_PROTOCOL, VANISHED, NOT_UTF8, TOO_BIG, RESTART, TRY_AGAIN, SLOW, SILENT, UNFINISHED, UNAUTHENTICATED,
    BAD_SESSION, SESSION_ENDED, TOO_MANY, TOO_FAST, BAD_FRAME, BAD_ROOM,
)  # fmt: skip
