"""The v1 routes: messages with offsets, history, members.

Owns what a request to them may hold. Does not own what a message, a room or an offset may be (logic, core.ids), how
history looks (history) nor the form of a refusal (problems).

A room stands in a path by its full name (`room:7`, `dm:3:42`); without a kind it is an open room, so `7` is `room:7`,
the room that gochat's clients call 7.
"""

import re
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from chatcluster.api import history, problems, refusals, tokens
from chatcluster.api.backend import Backend
from chatcluster.api.bodies import Bodies
from chatcluster.api.edge import Dialect, Handler
from chatcluster.api.limits import Limits
from chatcluster.core import errors, ids
from chatcluster.v1 import logic_pb2

_USER = re.compile(r"[0-9]{1,10}")
_JSON = re.compile(r"application/json *(;.*)?", re.IGNORECASE)

DIALECT = Dialect(
    refusal=problems.refusal,
    preflight=lambda: Response(status_code=204, headers={"access-control-max-age": "7200"}),
    cors=(
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key"),
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-expose-headers", b"Retry-After"),
    ),
)


class Draft(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a message. A field that this version does not know is refused: ignoring it would be a lie."""

    text: str
    age_ms: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0
    """How long ago the sender first tried to send it, by its own clock."""


_draft = msgspec.json.Decoder(Draft)


class V1:
    """The handlers."""

    def __init__(self, backend: Backend, bodies: Bodies, limits: Limits) -> None:
        self._backend = backend
        self._bodies = bodies
        self._limits = limits

    def routes(self) -> dict[str, dict[str, Handler]]:
        """The handler of each path and method."""
        return {
            "/v1/rooms/{room}/messages": {"GET": self.room_history, "POST": self.publish_to_room},
            "/v1/rooms/{room}/members": {"GET": self.members},
            "/v1/users/{user}/messages": {"POST": self.publish_to_user},
            "/v1/inbox": {"GET": self.inbox},
        }

    async def publish_to_room(self, request: Request) -> Response:
        """Send a message to a room."""
        session = _session(request)
        return await self._publish(request, logic_pb2.PublishRequest(session=session, room=_room(request)))

    async def publish_to_user(self, request: Request) -> Response:
        """Send a private message."""
        session = _session(request)
        return await self._publish(request, logic_pb2.PublishRequest(session=session, user_id=_user(request)))

    async def room_history(self, request: Request) -> Response:
        """Read a room on from a position, or its newest."""
        session = _session(request)
        read = history.asked(request.query_params, _room(request))
        return problems.answer(history.shown(await self._backend.history(session, read)))

    async def inbox(self, request: Request) -> Response:
        """Read the private messages of the session's user in the same way."""
        session = _session(request)
        read = history.asked(request.query_params, "")
        read.room = ids.inbox(ids.UserId((await self._backend.user(session)).id))
        return problems.answer(history.shown(await self._backend.history(session, read)))

    async def members(self, request: Request) -> Response:
        """Say who is in a room."""
        presence = await self._backend.presence(_session(request), _room(request))
        members = [history.person(member.user_id, member.user_name) for member in presence.members]
        return problems.answer({"room": presence.room, "count": presence.count, "members": members})

    async def _publish(self, request: Request, draft: logic_pb2.PublishRequest) -> Response:
        """Answered with 201, or with 200 when an earlier attempt with the same id had stored it."""
        draft.message_id = _message_id(request)
        content = _decode(await self._body(request))
        draft.text, draft.age_ms = content.text, content.age_ms
        self._limits.take(draft.session)
        stored = await self._backend.publish(draft)
        answer = {
            "room": stored.room,
            "epoch": stored.position.epoch,
            "offset": stored.position.offset,
            "time_ms": stored.time_ms,
            "id": draft.message_id,
        }
        return problems.answer(answer, 200 if stored.repeated else 201)

    async def _body(self, request: Request) -> bytes:
        if not _JSON.fullmatch(request.headers.get("content-type", "")):
            raise refusals.WrongMediaType
        return await self._bodies.read(request)


def _session(request: Request) -> bytes:
    return tokens.bearer(request.headers.get("authorization"))


def _room(request: Request) -> str:
    name: str = request.path_params["room"]
    return name if ":" in name else f"room:{name}"


def _user(request: Request) -> int:
    name: str = request.path_params["user"]
    number = int(name) if _USER.fullmatch(name) else 0
    if not 1 <= number <= ids.MAX_INT:
        raise errors.NotFound("there is no such user")
    return number


def _message_id(request: Request) -> str:
    """The Idempotency-Key, or nothing: then one is drawn, and only api's own repetitions are safe."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise errors.Invalid("a request has one Idempotency-Key")
    return ids.check_message_id(keys[0]) if keys else ""


def _decode(body: bytes) -> Draft:
    try:
        return _draft.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise errors.Invalid(f"the body is not a message: {exc}") from exc
