"""Publishing: from what a sender wants to say to a draft that the log can store.

Owns who may write where, what a text may be, and how late a retry may come. Does not own order, idempotency and rates
of rooms: they are decided by the log, in the step that stores.
"""

import asyncio
import hashlib
import re
from dataclasses import dataclass

from chatcluster.accounts import accounts
from chatcluster.core import errors, ids, telemetry
from chatcluster.core.ids import RoomName, UserId
from chatcluster.log import log
from chatcluster.logic import sessions
from chatcluster.v1 import logic_pb2, types_pb2 as pb

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Unicode's control characters but for newline and tab."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is accepted for publishing."""

    text_bytes: int = 4096
    """Bytes of a text in UTF-8; so much fits a gochat TCP frame however it is escaped."""
    retry_window: float = 480
    """Seconds after its first try at which a retry is refused. Less than the log remembers message ids, by what a
    request may take: a later retry could be stored a second time."""


class Publishing:
    """Publishes to rooms and to users."""

    def __init__(self, sessions: sessions.Sessions, accounts: accounts.Accounts, log: log.Log, bounds: Bounds) -> None:
        self._sessions = sessions
        self._accounts = accounts
        self._log = log
        self._bounds = bounds

    async def publish(self, request: logic_pb2.PublishRequest) -> logic_pb2.PublishResponse:
        """Store a message once; answered only when it is stored.

        Raises what the log raises (`Conflict`, `RateLimited`, `Busy`, `Unavailable`, `OutcomeUnknown`), and
        `SessionEnded`, `Invalid`, `Forbidden`, `NotFound` (no such recipient), `Expired`.
        """
        try:
            response = await self._publish(request)
        except errors.ChatError as exc:
            telemetry.PUBLICATIONS_TOTAL.labels(exc.code).inc()
            raise
        telemetry.PUBLICATIONS_TOTAL.labels("repeated" if response.repeated else "ok").inc()
        return response

    async def _publish(self, request: logic_pb2.PublishRequest) -> logic_pb2.PublishResponse:
        sender = await self._sessions.require(request.session)
        text = self._check(request)
        room, recipient = target(request, sender.user)
        message = pb.Message(
            id=request.message_id,
            from_user_id=sender.user,
            from_user_name=sender.name,
            text=request.text,
            gochat_room_id=request.gochat_room_id,
        )
        if recipient is not None:
            message.to_user_id, message.to_user_name = recipient, await self._name_of(recipient)
        digest = hashlib.blake2b(text, digest_size=8).digest()
        draft = log.Draft(room, sender.user, request.message_id, message.SerializeToString(), digest)
        stored = await self._store(draft, recipient)
        return logic_pb2.PublishResponse(
            room=room, position=stored.position, repeated=stored.repeated, time_ms=stored.time_ms
        )

    def _check(self, request: logic_pb2.PublishRequest) -> bytes:
        """The text's bytes, if the request can be accepted as far as it can be told without looking anywhere."""
        ids.check_message_id(request.message_id)
        text = check_text(request.text, self._bounds.text_bytes)
        if request.age_ms > self._bounds.retry_window * 1000:
            raise errors.Expired
        return text

    async def _name_of(self, recipient: UserId) -> str:
        name = await self._accounts.name_of(recipient)
        if name is None:
            raise errors.NotFound(f"there is no user {recipient}")
        return name

    async def _store(self, draft: log.Draft, recipient: UserId | None) -> log.Published:
        """Publish; a private message only while both inboxes have room, as their copies are never refused."""
        inboxes = {ids.inbox(draft.sender), ids.inbox(recipient)} if recipient is not None else set()
        full = await asyncio.gather(*(self._log.is_full(inbox) for inbox in inboxes))
        return await (self._log.look_up(draft) if any(full) else self._log.publish(draft))


def target(request: logic_pb2.PublishRequest, sender: UserId) -> tuple[RoomName, UserId | None]:
    """The room to publish to, and in a private conversation who the other is.

    Raises `Forbidden` for a conversation of others and for every inbox (only copies get there), `NotFound` for a number
    that no user can have, `Invalid` for what is no target.
    """
    match request.WhichOneof("target"):
        case "user_id":
            return _with(sender, request.user_id)
        case "room":
            parsed = ids.check_reader(request.room, sender)
            if parsed.kind == "user":
                raise errors.Forbidden("an inbox is written by private messages only: publish to its user")
            return RoomName(request.room), _other(parsed.users, sender)
        case _:
            raise errors.Invalid("a message needs a room or a user")


def _with(sender: UserId, number: int) -> tuple[RoomName, UserId]:
    if not 1 <= number <= ids.MAX_INT:
        raise errors.NotFound(f"there is no user {number}")
    recipient = UserId(number)
    return ids.conversation(sender, recipient), recipient


def _other(users: tuple[UserId, ...], sender: UserId) -> UserId | None:
    """Of the two users of a conversation the one who is not the sender (who may talk to themselves)."""
    return next((user for user in users if user != sender), sender) if users else None


def check_text(text: str, limit: int) -> bytes:
    """A text's bytes, 1 to `limit` of them, without control characters but newline and tab. Raises `errors.Invalid`."""
    encoded = text.encode()
    if not 1 <= len(encoded) <= limit:
        raise errors.Invalid(f"a text has 1 to {limit} bytes of UTF-8, this one has {len(encoded)}")
    if found := _CONTROL.search(text):
        raise errors.Invalid(f"a text has no control characters but newline and tab, this one has {found[0]!r}")
    return encoded
