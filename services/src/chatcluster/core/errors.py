"""What can go wrong, named after the condition and not after who noticed.

    ChatError
    ├── Invalid            the request is wrong as it stands
    ├── SessionEnded       the session is known to be bad: log in again
    ├── Forbidden          a valid session that may not do this
    ├── NotFound           no such user or room
    ├── NameTaken          an account of that name exists
    ├── WrongCredentials   no account has this name and password
    ├── Conflict           the message id was used with another text
    ├── Expired            a retry so late that it could no longer be told from a new message
    ├── TooManyRooms       the user keeps, or the connection has joined, as many rooms as one may
    ├── RateLimited        too fast; nothing was stored
    ├── Busy               full; nothing was stored
    │   └── Unavailable    a backend is away; nothing was stored
    ├── OutcomeUnknown     it may or may not have been stored: retry with the same message id
    └── Superseded         the caller lost what it acted for: a shard, a lease, an incarnation

Each has a stable `code` (for clients, metrics and the wire between programs) and `temporary` (the same request may
succeed later). Third-party exceptions stop at the adapter that met them, chained by `from`. How an error looks from
outside is decided at each edge: gRPC status in core.rpc, HTTP in api, disconnect codes in connect.
"""

from typing import ClassVar


class ChatError(Exception):
    """The root. `retry_after` is in seconds, where the thrower knows one.

    `lasting`: whoever failed was there and met an error of its own, so that repeating will hardly help. Known only
    where it was met; it does not go from program to program.
    """

    code: ClassVar[str] = "internal"
    temporary: ClassVar[bool] = False

    def __init__(self, message: str = "", *, retry_after: float | None = None, lasting: bool = False) -> None:
        super().__init__(message or (self.__doc__ or self.code).split("\n", 1)[0])
        self.retry_after = retry_after
        self.lasting = lasting


class Invalid(ChatError):
    """The request is wrong as it stands."""

    code = "invalid"


class SessionEnded(ChatError):
    """The session is unknown, revoked or over."""

    code = "session"


class Forbidden(ChatError):
    """This session may not do that."""

    code = "forbidden"


class NotFound(ChatError):
    """There is no such user or room."""

    code = "not_found"


class NameTaken(ChatError):
    """An account of that name exists."""

    code = "name_taken"


class WrongCredentials(ChatError):
    """No account has this name and password.

    Never says which of the two was wrong.
    """

    code = "wrong_credentials"


class Conflict(ChatError):
    """This message id was used with another text."""

    code = "conflict"


class Expired(ChatError):
    """The retry comes later than message ids are remembered."""

    code = "expired"


class TooManyRooms(ChatError):
    """The user keeps as many rooms as one may: drop another one first."""

    code = "too_many_rooms"


class RateLimited(ChatError):
    """Too many in too short a time; nothing was stored."""

    code = "rate_limited"
    temporary = True


class Busy(ChatError):
    """Full; nothing was stored."""

    code = "busy"
    temporary = True


class Unavailable(Busy):
    """A backend is away; nothing was stored."""

    code = "unavailable"


class OutcomeUnknown(ChatError):
    """It may or may not have been stored: retry with the same message id."""

    code = "outcome_unknown"
    temporary = True


class Superseded(ChatError):
    """Another owner, lease or incarnation has taken over."""

    code = "superseded"


def by_code(code: str) -> type[ChatError]:
    """The class with that code; `ChatError` for one that this version does not know."""
    return _BY_CODE.get(code, ChatError)


def _tree(root: type[ChatError]) -> list[type[ChatError]]:
    return [root] + [c for child in root.__subclasses__() for c in _tree(child)]


_BY_CODE = {cls.code: cls for cls in _tree(ChatError)}
