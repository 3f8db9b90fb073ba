"""What api asks of logic.

Owns the deadline of each call, and the repetition of a publish whose outcome is unknown or whose backend is away for a
moment. Does not own the choice of an endpoint nor the repetitions of a single call (core.rpc), and no meaning: what the
calls do stands in logic.proto.

Every method raises the `errors.ChatError` that logic raised, or that stands for its absence.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import Message

from chatcluster.core import errors, telemetry
from chatcluster.v1 import logic_pb2, types_pb2

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


class Caller(Protocol):
    """What is needed of `rpc_pool.Pool`."""

    async def call(self, method: str, request: Message, *, timeout: float) -> Any:
        """Call a method of logic."""
        ...


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds, each within what a client and a proxy before api wait for an answer."""

    call: float = 5.0
    """For one call; it includes what core.rpc repeats."""
    password: float = 10.0
    """For login and register, which may wait for their turn to be hashed."""
    publish: float = 8.0
    """For a publish, with all repetitions while its outcome is unknown. It is then told as unknown."""
    blink: float = 3.0
    """For a publish that was surely not stored because logic or Redis was away, from when that was first found, however
    long it had waited before: as long as they take to restart."""


class Backend:
    """logic, seen from api."""

    def __init__(self, caller: Caller, deadlines: Deadlines, new_id: Callable[[], str]) -> None:
        """`new_id` draws a message id that nobody else draws."""
        self._caller = caller
        self._deadlines = deadlines
        self._new_id = new_id

    async def register(self, name: str, password: str, address: str) -> logic_pb2.RegisterResponse:
        """Create an account and its first session."""
        request = logic_pb2.RegisterRequest(name=name, password=password, address=address)
        response: logic_pb2.RegisterResponse = await self._caller.call(
            "Register", request, timeout=self._deadlines.password
        )
        return response

    async def login(self, name: str, password: str, address: str) -> logic_pb2.LoginResponse:
        """Open a session.

        Never raises `errors.OutcomeUnknown` but `errors.Unavailable`: a session that nobody has the token of does
        nothing, so a login may simply be tried again.
        """
        request = logic_pb2.LoginRequest(name=name, password=password, address=address)
        try:
            response: logic_pb2.LoginResponse = await self._caller.call(
                "Login", request, timeout=self._deadlines.password
            )
        except errors.OutcomeUnknown as exc:
            raise errors.Unavailable(str(exc)) from exc
        return response

    async def logout(self, session: bytes) -> None:
        """End a session."""
        await self._call("Logout", logic_pb2.LogoutRequest(session=session))

    async def check(self, session: bytes) -> logic_pb2.CheckSessionResponse:
        """Whose session it is, and when it ends. Raises `errors.SessionEnded`."""
        request = logic_pb2.CheckSessionRequest(session=session)
        response: logic_pb2.CheckSessionResponse = await self._call("CheckSession", request)
        return response

    async def sessions(self, session: bytes) -> Sequence[logic_pb2.OpenSession]:
        """The open sessions of the session's user."""
        request = logic_pb2.ListSessionsRequest(session=session)
        response: logic_pb2.ListSessionsResponse = await self._call("ListSessions", request)
        return response.sessions

    async def end_sessions(self, request: logic_pb2.EndSessionsRequest) -> int:
        """End sessions of a user; how many. Raises `errors.NotFound`."""
        response: logic_pb2.EndSessionsResponse = await self._call("EndSessions", request)
        return response.ended

    async def ticket(self, session: bytes) -> logic_pb2.IssueTicketResponse:
        """Draw a ticket for a session."""
        request = logic_pb2.IssueTicketRequest(session=session)
        response: logic_pb2.IssueTicketResponse = await self._call("IssueTicket", request)
        return response

    async def publish(self, request: logic_pb2.PublishRequest) -> logic_pb2.PublishResponse:
        """Publish; draws a message id into the request if it has none.

        While the outcome is unknown it is repeated with the same id until `Deadlines.publish`; while a backend is away,
        for `Deadlines.blink` and not beyond the former. Raises `errors.OutcomeUnknown` also when a repetition was
        refused: that says nothing of the attempts before it.
        """
        try:
            response = await self._publish(request)
        except errors.ChatError as exc:
            telemetry.SENDS_TOTAL.labels(exc.code).inc()
            raise
        telemetry.SENDS_TOTAL.labels("ok").inc()
        return response

    async def _publish(self, request: logic_pb2.PublishRequest) -> logic_pb2.PublishResponse:
        request.message_id = request.message_id or self._new_id()
        loop = asyncio.get_running_loop()
        started, age, pause = loop.time(), request.age_ms, _FIRST_PAUSE
        end = started + self._deadlines.publish
        blink: float | None = None
        failure: errors.ChatError | None = None
        while True:
            try:
                response: logic_pb2.PublishResponse = await self._caller.call(
                    "Publish", request, timeout=end - loop.time()
                )
            except errors.ChatError as exc:
                failure = _outcome(exc, failure)
            else:
                return response
            blink = blink or loop.time() + self._deadlines.blink
            if loop.time() + pause >= (min(blink, end) if isinstance(failure, errors.Unavailable) else end):
                raise failure
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(2 * pause, _LONGEST_PAUSE)
            request.age_ms = age + int((loop.time() - started) * 1000)

    async def history(self, session: bytes, read: logic_pb2.RoomRead) -> logic_pb2.RoomHistory:
        """Read one room. Raises also what logic said of this room alone."""
        request = logic_pb2.ReadHistoryRequest(session=session, reads=[read])
        response: logic_pb2.ReadHistoryResponse = await self._call("ReadHistory", request)
        history = response.rooms[0]
        if history.error:
            raise errors.by_code(history.error)
        return history

    async def presence(self, session: bytes, room: str) -> types_pb2.RoomPresence:
        """Who is in a room."""
        request = logic_pb2.GetRoomPresenceRequest(session=session, room=room)
        response: logic_pb2.GetRoomPresenceResponse = await self._call("GetRoomPresence", request)
        return response.presence

    async def push_presence(self, session: bytes, room: str, *, members: bool) -> None:
        """Have a room told who is in it, or how many. Raises `errors.NotFound` for the members of an empty room."""
        request = logic_pb2.PushRoomPresenceRequest(session=session, room=room, members=members)
        await self._call("PushRoomPresence", request)

    async def rooms(self, session: bytes) -> Sequence[logic_pb2.KeptRoom]:
        """The open rooms that a user keeps."""
        request = logic_pb2.ListRoomsRequest(session=session)
        response: logic_pb2.ListRoomsResponse = await self._call("ListRooms", request)
        return response.rooms

    async def keep(self, session: bytes, room: str) -> logic_pb2.KeptRoom:
        """Put a room on a user's list. Raises `errors.TooManyRooms`."""
        request = logic_pb2.KeepRoomRequest(session=session, room=room)
        response: logic_pb2.KeepRoomResponse = await self._call("KeepRoom", request)
        return response.room

    async def drop(self, session: bytes, room: str) -> None:
        """Take a room off a user's list."""
        await self._call("DropRoom", logic_pb2.DropRoomRequest(session=session, room=room))

    async def conversations(self, session: bytes) -> Sequence[logic_pb2.Conversation]:
        """A user's private conversations."""
        request = logic_pb2.ListConversationsRequest(session=session)
        response: logic_pb2.ListConversationsResponse = await self._call("ListConversations", request)
        return response.conversations

    async def mark(self, session: bytes, room: str, position: types_pb2.Position) -> types_pb2.Position:
        """Store how far a user has read a room; what is stored now."""
        request = logic_pb2.MarkReadRequest(session=session, room=room, position=position)
        response: logic_pb2.MarkReadResponse = await self._call("MarkRead", request)
        return response.position

    async def marks(self, session: bytes, room: str) -> Sequence[types_pb2.ReadMark]:
        """How far a room was read."""
        request = logic_pb2.GetReadMarksRequest(session=session, room=room)
        response: logic_pb2.GetReadMarksResponse = await self._call("GetReadMarks", request)
        return response.marks

    async def _call(self, method: str, request: Message) -> Any:
        return await self._caller.call(method, request, timeout=self._deadlines.call)


def _outcome(error: errors.ChatError, before: errors.ChatError | None) -> errors.ChatError:
    """What to raise if no other attempt is made; raises it when it is an answer, which no attempt would change.

    `before` is what this returned for the attempts before.
    """
    if isinstance(error, errors.OutcomeUnknown):
        return error
    if isinstance(before, errors.OutcomeUnknown):
        if not error.temporary:
            raise before from error
        return before
    if isinstance(error, errors.Unavailable):
        return error
    raise error
