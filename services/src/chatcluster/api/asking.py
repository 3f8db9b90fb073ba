"""What a v1 request says: its session, what stands in its path, its key and its body.

Owns how each is written. Does not own what a message, a room or an offset may be (logic, core.ids).

A room stands in a path by its full name (`room:7`, `dm:3:42`); without a kind it is an open room, so `7` is `room:7`,
the room that gochat's clients call 7.
"""

import re
from typing import TypeVar

import msgspec
from starlette.requests import Request

from chatcluster.api import refusals, tokens
from chatcluster.api.bodies import Bodies
from chatcluster.api.operations import Parameter
from chatcluster.core import errors, ids

_USER = re.compile(r"[0-9]{1,10}")
_JSON = re.compile(r"application/json *(;.*)?", re.IGNORECASE)

_T = TypeVar("_T")

ROOM = Parameter(
    "room",
    "path",
    {"type": "string", "format": "room"},
    "room:<1-64 of A-Z a-z 0-9 . _ ->, dm:<smaller user id>:<larger user id> or user:<user id>. "
    "A name without a kind is an open room: 7 is room:7.",
)
USER = Parameter("user", "path", {"type": "integer", "minimum": 1, "maximum": ids.MAX_INT}, "A user's id.")
KEY = Parameter(
    "Idempotency-Key",
    "header",
    {"type": "string", "pattern": "^[!-~]{1,128}$"},
    "Names the message: with the same key it is stored once, for ten minutes. Drawn if it is absent.",
)


def session(request: Request) -> bytes:
    """The session. Raises `refusals.NoToken` and `errors.SessionEnded`."""
    return tokens.bearer(request.headers.get("authorization"))


def room(request: Request) -> str:
    """The full name of the room in the path."""
    name: str = request.path_params["room"]
    return name if ":" in name else f"room:{name}"


def user(request: Request) -> int:
    """The user in the path. Raises `errors.NotFound` for what no user is called."""
    name: str = request.path_params["user"]
    number = int(name) if _USER.fullmatch(name) else 0
    if not 1 <= number <= ids.MAX_INT:
        raise errors.NotFound("there is no such user")
    return number


def message_id(request: Request) -> str:
    """The Idempotency-Key, or nothing: then one is drawn, and only api's own repetitions are safe."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise errors.Invalid("a request has one Idempotency-Key")
    return ids.check_message_id(keys[0]) if keys else ""


async def body(request: Request, bodies: Bodies, shape: type[_T]) -> _T:
    """The body. Raises `refusals.WrongMediaType`, what `Bodies.read` raises, and `errors.Invalid`."""
    if not _JSON.fullmatch(request.headers.get("content-type", "")):
        raise refusals.WrongMediaType
    return decoded(await bodies.read(request), shape)


def decoded(content: bytes, shape: type[_T]) -> _T:
    """A body as its type has it. Raises `errors.Invalid`, which never shows what is in the body."""
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise errors.Invalid(f"the body is not what is expected here: {exc}") from exc
