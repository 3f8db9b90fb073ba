"""What can go wrong for a client, beside what core.errors names, and what the end of a connection means.

    errors.ChatError
    ├── Closed          this client is over; `disconnect` is the close code
    ├── NotJoined       typing in a room that was not joined
    ├── NotTheApi       something else answers at the api's address
    ├── Unavailable
    │   └── NobodyThere     no api was reached
    └── OutcomeUnknown
        └── NoAnswer        the api did not answer

Owns these, how a refusal becomes an error, and the client's side of the table in docs/disconnects.md: come back, or do
not. Does not own how long to wait (backoff). Pure.
"""

from chatcluster.client import frames
from chatcluster.core import errors

LEFT = 1000
"""The close code of a connection that this side had enough of."""
LOST = 1006
"""The close code of a connection that ended without one."""
_FINAL = {1002, 1003, 1007, 1008, 1009, 1010}
"""What RFC 6455 has for a peer that does not speak the protocol: it would not on the next connection either."""
_BAD_SESSION = {4501, 4502}


class Closed(errors.ChatError):
    """This client is closed."""

    code = "closed"

    def __init__(self, message: str = "", *, disconnect: int = LEFT) -> None:
        super().__init__(message)
        self.disconnect = disconnect
        """The close code (docs/disconnects.md)."""


class NotJoined(errors.ChatError):
    """This connection has not joined that room."""

    code = "not_joined"


class NotTheApi(errors.ChatError):
    """Something else answers at the api's address."""

    code = "not_the_api"


class NobodyThere(errors.Unavailable):
    """There is no api at its address, or none that answered a question; nothing was stored."""


class NoAnswer(errors.OutcomeUnknown):
    """The api did not answer: what it was told may or may not have been done."""


def of_refusal(refusal: frames.Refusal) -> errors.ChatError:
    """The error that an application gets."""
    kind = NotJoined if refusal.code == NotJoined.code else errors.by_code(refusal.code)
    return kind(refusal.detail, retry_after=refusal.retry_after)


def comes_back(code: int) -> bool:
    """Whether the same client may simply connect again after this close code."""
    return code not in _FINAL and not 4500 <= code <= 4999


def of_close(code: int, reason: str) -> errors.ChatError:
    """What an application is told when coming back would not help."""
    if code in _BAD_SESSION:
        return errors.SessionEnded(reason)
    return Closed(f"the gateway closed the connection ({code} {reason}): see docs/disconnects.md", disconnect=code)
