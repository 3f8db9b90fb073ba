"""The v1 routes of messages: publishing, history, members.

Owns what a request to them may hold. Does not own what a message may be (logic) nor how history looks (history).
"""

from starlette.requests import Request
from starlette.responses import Response

from chatcluster.api import asking, history, problems, shapes
from chatcluster.api.backend import Backend
from chatcluster.api.bodies import Bodies
from chatcluster.api.limits import Limits
from chatcluster.api.operations import Operation
from chatcluster.core import errors, ids
from chatcluster.frames import parts
from chatcluster.v1 import logic_pb2

_PUBLISHING = (errors.Conflict, errors.Expired, errors.RateLimited, errors.Forbidden)


class Messages:
    """The handlers."""

    def __init__(self, backend: Backend, bodies: Bodies, limits: Limits) -> None:
        self._backend = backend
        self._bodies = bodies
        self._limits = limits

    def operations(self) -> list[Operation]:
        """What is said of each."""
        return [*self._of_rooms(), *self._of_users()]

    def _of_rooms(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/v1/rooms/{room}/messages",
                handle=self.room_history,
                name="readRoom",
                group="messages",
                summary="Read a room on from a position, back from one, or its newest.",
                answers={200: shapes.History},
                refusals=(errors.Forbidden,),
                parameters=(asking.ROOM, *history.PARAMETERS),
            ),
            Operation(
                method="POST",
                path="/v1/rooms/{room}/messages",
                handle=self.publish_to_room,
                name="publishToRoom",
                group="messages",
                summary="Publish a text to a room. 200 when an earlier attempt with the same key had stored it.",
                answers={201: shapes.Stored, 200: shapes.Stored},
                refusals=(*_PUBLISHING, errors.NotFound),
                body=shapes.Draft,
                parameters=(asking.ROOM, asking.KEY),
            ),
            Operation(
                method="GET",
                path="/v1/rooms/{room}/members",
                handle=self.members,
                name="listMembers",
                group="messages",
                summary="Say who is in a room now.",
                answers={200: shapes.Members},
                refusals=(errors.Forbidden,),
                parameters=(asking.ROOM,),
            ),
        ]

    def _of_users(self) -> list[Operation]:
        return [
            Operation(
                method="POST",
                path="/v1/users/{user}/messages",
                handle=self.publish_to_user,
                name="publishToUser",
                group="messages",
                summary="Publish a text privately. 200 when an earlier attempt with the same key had stored it.",
                answers={201: shapes.Stored, 200: shapes.Stored},
                refusals=(*_PUBLISHING, errors.NotFound),
                body=shapes.Draft,
                parameters=(asking.USER, asking.KEY),
            ),
            Operation(
                method="GET",
                path="/v1/inbox",
                handle=self.inbox,
                name="readInbox",
                group="messages",
                summary="Read the private messages of the session's user in the same way as a room.",
                answers={200: shapes.History},
                parameters=history.PARAMETERS,
            ),
        ]

    async def publish_to_room(self, request: Request) -> Response:
        """Send a message to a room."""
        session = asking.session(request)
        return await self._publish(request, logic_pb2.PublishRequest(session=session, room=asking.room(request)))

    async def publish_to_user(self, request: Request) -> Response:
        """Send a private message."""
        session = asking.session(request)
        return await self._publish(request, logic_pb2.PublishRequest(session=session, user_id=asking.user(request)))

    async def room_history(self, request: Request) -> Response:
        """Read a room."""
        session = asking.session(request)
        read = history.asked(request.query_params, asking.room(request))
        return problems.answer(history.shown(await self._backend.history(session, read)))

    async def inbox(self, request: Request) -> Response:
        """Read the private messages of the session's user in the same way."""
        session = asking.session(request)
        read = history.asked(request.query_params, "")
        read.room = ids.inbox(ids.UserId((await self._backend.check(session)).user.id))
        return problems.answer(history.shown(await self._backend.history(session, read)))

    async def members(self, request: Request) -> Response:
        """Say who is in a room."""
        presence = await self._backend.presence(asking.session(request), asking.room(request))
        members = [parts.person(member) for member in presence.members]
        return problems.answer(shapes.Members(presence.room, presence.count, members))

    async def _publish(self, request: Request, draft: logic_pb2.PublishRequest) -> Response:
        """Answered with 201, or with 200 when an earlier attempt with the same id had stored it."""
        draft.message_id = asking.message_id(request)
        content = await asking.body(request, self._bodies, shapes.Draft)
        draft.text, draft.age_ms = content.text, int(content.age_ms)
        self._limits.take(draft.session)
        stored = await self._backend.publish(draft)
        place = stored.position
        answer = shapes.Stored(stored.room, place.epoch, place.offset, stored.time_ms, draft.message_id)
        return problems.answer(answer, 200 if stored.repeated else 201)
