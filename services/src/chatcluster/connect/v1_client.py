"""v1's clients: what their requests make a gateway do, and their answers. See docs/protocol.md.

Owns the order of a client's requests, their bounds, and that each is answered once. Does not own how frames look
(frames, v1_requests, v1_codec), how a room is entered (joins) nor what becomes of a send (sends).
"""

import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chatcluster.connect import v1_codec, v1_requests
from chatcluster.connect.connection import Connection
from chatcluster.connect.joins import Join, Joins
from chatcluster.connect.logic import Logic, Opened
from chatcluster.connect.sends import Send, Sends
from chatcluster.connect.sessions import Credential
from chatcluster.core import errors, ids, rates, telemetry
from chatcluster.core.ids import RoomName
from chatcluster.frames import answers, disconnects, exchanges, parts, requests
from chatcluster.frames.disconnects import Disconnect
from chatcluster.v1 import logic_pb2, types_pb2 as pb

UNDER_WAY = 32
"""Requests of one connection that may wait for their answers, besides joins and sends, which have bounds of their own;
so many may also come before the answer to `auth`."""


@dataclass(frozen=True, slots=True)
class Services:
    """What all of them share."""

    logic: Logic
    sends: Sends
    joins: Joins
    spawn: Callable[[Coroutine[Any, Any, None], str], object]
    """Runs a coroutine under a name, beside whoever called."""
    now_ms: Callable[[], int]
    """The time, in milliseconds since 1970."""


class V1Client:
    """A client of this product's own protocol."""

    __slots__ = ("_connection", "_early", "_expected", "_requests", "_services", "_under_way", "codec")

    hears_inbox = False

    def __init__(self, connection: Connection, codec: v1_codec.Codec, services: Services) -> None:
        self._connection = connection
        self.codec = codec
        self._services = services
        self._expected = 0
        """The `auth` that waits for its answer; 0: none."""
        self._early: list[requests.AnyRequest] = []
        """What came after it, and waits too."""
        self._requests = rates.FULL
        self._under_way = 0

    # -- as a dialect

    def take(self, payload: bytes) -> None:
        """See `Dialect`."""
        try:
            request = v1_requests.read(payload)
        except v1_requests.Refused as refused:
            if self._connection.allow():
                self._refuse(refused.request, refused.error, is_send=refused.is_send)
            return
        if self._connection.is_waiting and not isinstance(request, requests.Auth):
            self._wait(request)
        else:
            self._handle(request)

    def admitted(self, opened: Opened) -> None:
        """Answer `auth`, and do what has waited for it."""
        ping = self._connection.host.limits.ping_interval
        user, now = parts.person(opened.user), self._services.now_ms()
        self._answer(answers.Authenticated(self._expected, user, opened.expires_ms, now, ping))
        early, self._early = self._early, []
        for request in early:
            self._handle(request)

    def rejected(self) -> None:
        """Answer, and close: nothing else can come of this connection."""
        self._refuse(self._expected, errors.SessionEnded())
        self._connection.close(disconnects.SESSION_ENDED)

    def left(self) -> None:
        """Wait for no answers."""
        self._services.joins.forget(self)

    def warn(self, after: float) -> None:
        """Let the client choose its moment."""
        self._connection.write(self.codec.reconnect(after))

    def last_words(self, disconnect: Disconnect) -> bytes:
        """Whatever the reason."""
        return self.codec.disconnect(disconnect)

    # -- as a sender

    def sent(self, send: Send, stored: logic_pb2.PublishResponse) -> None:
        """Answer `send`."""
        self._answer(
            answers.Sent(
                id=send.request,
                room=stored.room,
                epoch=stored.position.epoch,
                offset=stored.position.offset,
                time_ms=stored.time_ms,
                message_id=send.message_id,
                repeated=stored.repeated,
            )
        )

    def not_sent(self, send: Send, error: errors.ChatError) -> None:
        """Answer `send` with what is known."""
        self._refuse(send.request, error, is_send=True)
        if isinstance(error, errors.SessionEnded):
            self._connection.close(disconnects.SESSION_ENDED)

    # -- as a joiner

    @property
    def member(self) -> Connection:
        """See `Joiner`."""
        return self._connection

    def page(self, publications: Iterable[pb.Publication]) -> v1_codec.Page:
        """See `Joiner`."""
        return self.codec.page(publications)

    def joined(
        self, join: Join, stands: pb.Position, history: logic_pb2.RoomHistory, page: v1_codec.Page, *, hears: bool
    ) -> None:
        """Answer `join`."""
        self._answer(
            answers.Joined(
                id=join.request,
                room=join.room,
                epoch=stands.epoch,
                offset=stands.offset,
                recovered=history.recovered,
                after=history.after,
                publications=page.publications,
                joined=hears,
            )
        )

    def not_joined(self, join: Join, error: errors.ChatError) -> None:
        """Answer `join`."""
        self._refuse(join.request, error)

    # -- requests

    def _wait(self, request: requests.AnyRequest) -> None:
        if len(self._early) < UNDER_WAY:
            self._early.append(request)
        else:
            error = errors.Busy("too many requests before the answer to auth")
            self._refuse(request.id, error, is_send=isinstance(request, requests.Send))

    def _handle(self, request: requests.AnyRequest) -> None:
        """Do a request as far as can be done at once; whatever is wrong with it is its answer."""
        if self._connection.is_ending:
            return
        try:
            if not self._connection.is_member and not isinstance(request, requests.Auth):
                raise errors.SessionEnded("auth comes first")
            if isinstance(request, requests.Send):
                self._send(request)
            else:
                self._take_turn()
                _HANDLERS[type(request)](self, request)
        except errors.ChatError as exc:
            telemetry.REJECTED_TOTAL.labels(exc.code).inc()
            if self._connection.allow():
                self._refuse(request.id, exc, is_send=isinstance(request, requests.Send))

    def _take_turn(self) -> None:
        rate, now = self._connection.host.limits.requests, self._connection.host.clock()
        later = rate.take(self._requests, now)
        if later is None:
            raise errors.RateLimited("too many requests", retry_after=rate.wait(self._requests, now))
        self._requests = later

    def _auth(self, request: requests.Auth) -> None:
        if not self._connection.is_stranger:
            raise errors.Invalid("this connection is somebody's already")
        self._expected = request.id
        shown = request.token if request.ticket is None else request.ticket
        digest = hashlib.sha256((shown or "").encode(errors="surrogatepass")).digest()
        self._connection.authenticate(Credential(digest, is_ticket=request.ticket is not None))

    def _join(self, request: requests.Join) -> None:
        room = v1_requests.readable(request, self._connection.user.id)
        rooms = self._connection.rooms
        if room not in rooms and len(rooms) + self._services.joins.count(self) >= self._connection.host.limits.rooms:
            raise errors.TooManyRooms("this connection has joined as many rooms as it may: leave one")
        self._services.joins.begin(self, request.id, room, request.since.to_message() if request.since else None)

    def _leave(self, request: requests.Leave) -> None:
        room = RoomName(request.room)
        self._services.joins.cancel(self, room)
        if room in self._connection.rooms:
            self._connection.host.membership.part(self._connection, room)
        self._answer(answers.Left(request.id, room))

    def _send(self, request: requests.Send) -> None:
        if wait := self._connection.allow_message():
            raise errors.RateLimited("too many messages", retry_after=wait)
        ids.check_message_id(request.message_id)
        target = RoomName(request.room) if request.room is not None else int(request.user or 0)
        send = Send(
            self._connection.session, target, request.text, request.message_id, request.age_ms, request=request.id
        )
        if not self._services.sends.submit(self, send):
            raise errors.Busy("too many messages are waiting")

    def _history(self, request: requests.History) -> None:
        room = v1_requests.readable(request, self._connection.user.id)
        read = logic_pb2.RoomRead(room=room, limit=request.limit)
        if request.since is not None:
            read.since.CopyFrom(request.since.to_message())
        if request.before is not None:
            read.before.CopyFrom(request.before.to_message())
        self._ask(request.id, self._read(request.id, read))

    async def _read(self, request: int, read: logic_pb2.RoomRead) -> answers.Page:
        (history,) = await self._services.logic.history(self._connection.session, [read])
        if history.error:
            raise errors.by_code(history.error)
        # The page is the end that the reader is coming from: forward the first ones, backward the last ones.
        found, backward = history.publications, not read.HasField("since")
        page = self.codec.page(reversed(found) if backward else found)
        return answers.Page(
            id=request,
            room=read.room,
            epoch=history.position.epoch,
            offset=history.position.offset,
            recovered=history.recovered,
            after=history.after + (len(found) - len(page.publications) if backward else 0),
            publications=page.publications[::-1] if backward else page.publications,
            more=history.more or not page.is_whole,
        )

    def _members(self, request: requests.Members) -> None:
        room = v1_requests.readable(request, self._connection.user.id)

        async def ask() -> answers.Present:
            found = await self._services.logic.presence(self._connection.session, room)
            return answers.Present(request.id, found.room, found.count, [parts.person(each) for each in found.members])

        self._ask(request.id, ask())

    def _typing(self, request: requests.Typing) -> None:
        room = v1_requests.readable(request, self._connection.user.id)
        if room not in self._connection.rooms and ids.parse_room(room).kind != "dm":
            raise exchanges.NotJoined

        async def push() -> answers.Noted:
            await self._services.logic.push_typing(self._connection.session, room)
            return answers.Noted(request.id)

        self._ask(request.id, push())

    def _read_mark(self, request: requests.Read) -> None:
        room = v1_requests.readable(request, self._connection.user.id)
        position = pb.Position(epoch=request.epoch, offset=request.offset)

        async def mark() -> answers.Marked:
            await self._services.logic.mark_read(self._connection.session, room, position)
            return answers.Marked(request.id, room)

        self._ask(request.id, mark())

    def _ping(self, request: requests.Ping) -> None:
        self._answer(answers.Pong(request.id, self._services.now_ms()))

    def _ask(self, request: int, question: Coroutine[Any, Any, answers.Answer]) -> None:
        """Answer when logic has."""
        if self._under_way >= UNDER_WAY:
            question.close()
            raise errors.Busy("too many requests are under way")
        self._under_way += 1
        self._services.spawn(self._answer_later(request, question), "request")

    async def _answer_later(self, request: int, question: Awaitable[answers.Answer]) -> None:
        try:
            self._answer(await question)
        except errors.SessionEnded as exc:
            self._refuse(request, exc)
            self._connection.close(disconnects.SESSION_ENDED)
        except errors.ChatError as exc:
            self._refuse(request, exc)
        finally:
            self._under_way -= 1

    def _answer(self, answer: answers.Answer) -> None:
        self._connection.write(self.codec.answer(answer))

    def _refuse(self, request: int, error: errors.ChatError, *, is_send: bool = False) -> None:
        self._connection.write(self.codec.refuse(request, error, is_send=is_send))


_HANDLERS: Mapping[type[requests.AnyRequest], Callable[[V1Client, Any], None]] = {
    requests.Auth: V1Client._auth,  # noqa: SLF001 - the class's own table
    requests.Join: V1Client._join,  # noqa: SLF001
    requests.Leave: V1Client._leave,  # noqa: SLF001
    requests.History: V1Client._history,  # noqa: SLF001
    requests.Members: V1Client._members,  # noqa: SLF001
    requests.Typing: V1Client._typing,  # noqa: SLF001
    requests.Read: V1Client._read_mark,  # noqa: SLF001
    requests.Ping: V1Client._ping,  # noqa: SLF001
}
