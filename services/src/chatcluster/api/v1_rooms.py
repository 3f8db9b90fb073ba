"""The v1 routes of what a user keeps of rooms: the list of open rooms, conversations, and how far each was read.

Owns what a request to them may hold. Does not own the lists nor the marks (logic).
"""

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from chatcluster.api import asking, history, problems, shapes
from chatcluster.api.backend import Backend
from chatcluster.api.bodies import Bodies
from chatcluster.api.operations import Operation
from chatcluster.core import errors
from chatcluster.frames import parts
from chatcluster.v1 import logic_pb2, types_pb2


class Rooms:
    """The handlers."""

    def __init__(self, backend: Backend, bodies: Bodies) -> None:
        self._backend = backend
        self._bodies = bodies

    def operations(self) -> list[Operation]:
        """What is said of each."""
        return [*self._of_lists(), *self._of_conversations(), *self._of_marks()]

    def _of_lists(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/v1/rooms",
                handle=self.rooms,
                name="listRooms",
                group="rooms",
                summary="List the open rooms that the user keeps, with what is unread in each.",
                answers={200: shapes.Rooms},
            ),
            Operation(
                method="PUT",
                path="/v1/rooms/{room}",
                handle=self.keep,
                name="keepRoom",
                group="rooms",
                summary="Put an open room on the user's list. What was said before counts as read.",
                answers={200: shapes.KeptRoom},
                refusals=(errors.TooManyRooms,),
                parameters=(asking.ROOM,),
            ),
            Operation(
                method="DELETE",
                path="/v1/rooms/{room}",
                handle=self.drop,
                name="dropRoom",
                group="rooms",
                summary="Take a room off the user's list.",
                answers={204: None},
                parameters=(asking.ROOM,),
            ),
        ]

    def _of_conversations(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/v1/conversations",
                handle=self.conversations,
                name="listConversations",
                group="rooms",
                summary="List the user's private conversations.",
                answers={200: shapes.Conversations},
            ),
        ]

    def _of_marks(self) -> list[Operation]:
        return [
            Operation(
                method="PUT",
                path="/v1/rooms/{room}/read",
                handle=self.mark,
                name="markRead",
                group="rooms",
                summary="Store how far the user has read a room, and tell the room. Never goes back.",
                answers={200: parts.Position},
                refusals=(errors.Forbidden,),
                body=shapes.Mark,
                parameters=(asking.ROOM,),
            ),
            Operation(
                method="GET",
                path="/v1/rooms/{room}/reads",
                handle=self.reads,
                name="listReads",
                group="rooms",
                summary="Say how far a room was read by those who marked it last.",
                answers={200: shapes.Reads},
                refusals=(errors.Forbidden,),
                parameters=(asking.ROOM,),
            ),
        ]

    async def rooms(self, request: Request) -> Response:
        """List the rooms that a user keeps."""
        kept = await self._backend.rooms(asking.session(request))
        return problems.answer(shapes.Rooms([_kept(room) for room in kept]))

    async def keep(self, request: Request) -> Response:
        """Put a room on the list."""
        return problems.answer(_kept(await self._backend.keep(asking.session(request), asking.room(request))))

    async def drop(self, request: Request) -> Response:
        """Take a room off the list."""
        await self._backend.drop(asking.session(request), asking.room(request))
        return problems.nothing()

    async def conversations(self, request: Request) -> Response:
        """List a user's private conversations."""
        found = await self._backend.conversations(asking.session(request))
        return problems.answer(shapes.Conversations([_conversation(conversation) for conversation in found]))

    async def mark(self, request: Request) -> Response:
        """Store how far a room was read; answered with what is stored now."""
        session, room = asking.session(request), asking.room(request)
        mark = await asking.body(request, self._bodies, shapes.Mark)
        position = types_pb2.Position(epoch=mark.epoch, offset=int(mark.offset))
        return problems.answer(parts.position(await self._backend.mark(session, room, position)))

    async def reads(self, request: Request) -> Response:
        """Say how far others have read a room."""
        room = asking.room(request)
        marks = await self._backend.marks(asking.session(request), room)
        found = [shapes.Read(parts.person(mark.user), mark.position.epoch, mark.position.offset) for mark in marks]
        return problems.answer(shapes.Reads(room, found))


def _kept(room: logic_pb2.KeptRoom) -> shapes.KeptRoom:
    place = room.position
    return shapes.KeptRoom(room.room, place.epoch, place.offset, parts.position(room.read), room.unread)


def _conversation(found: logic_pb2.Conversation) -> shapes.Conversation:
    return shapes.Conversation(
        found.room,
        parts.person(found.user),
        found.position.epoch,
        found.position.offset,
        found.unread,
        parts.position(found.read) if found.HasField("read") else UNSET,
        history.publication(found.last) if found.HasField("last") else UNSET,
    )
