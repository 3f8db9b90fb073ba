"""Who is in the rooms of this gateway, and telling logic.

Owns the gateway's own part of a room's presence, always as a whole: what is reported replaces what was reported. Does
not own the presence of a room over all gateways, nor telling it to the room: logic does. Only the one who just joined
is answered here, from the report's answer.

Bounds: a room is reported at most once in `INTERVAL`, `BATCH` rooms in a call, one call at a time; what waits is the
set of rooms that have somebody here.
"""

import asyncio
import heapq
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from chatcluster.connect.logic import Logic
from chatcluster.connect.room import Codec, Listener
from chatcluster.core import errors
from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.v1 import logic_pb2, types_pb2 as pb

INTERVAL = 1.0
"""Seconds between two reports of one room."""
BATCH = 200
MEMBERS = 200
"""At most so many are named in a report."""
IDS = 10_000
"""Up to so many users are listed by id."""
JITTER = 2.0
"""After another gateway died all report their rooms anew: spread over so many seconds."""
_NEVER = float("inf")


class Present(Listener, Protocol):
    """A connection that is in a room, or was."""

    user: logic_pb2.User


class _Room:
    __slots__ = ("asked", "due", "joined", "reported", "users")

    def __init__(self) -> None:
        self.users: dict[int, tuple[str, int]] = {}
        """By id: the name, and on how many connections."""
        self.joined: set[Present] = set()
        """Who is to be told who is here."""
        self.asked: set[Present] = set()
        """Those of them who were in the report that is under way, and so will be in its answer."""
        self.reported = -_NEVER
        self.due = _NEVER


class Presence:
    """Rooms, who is in them, and which of them are to be reported."""

    def __init__(self, random: random.Random) -> None:
        self._rooms: dict[RoomName, _Room] = {}
        self._due: list[tuple[float, RoomName]] = []
        self._number = 0
        self._random = random

    def enter(self, name: RoomName, connection: Present, now: float) -> None:
        """A connection joined."""
        room = self._rooms.setdefault(name, _Room())
        user = connection.user
        room.users[user.id] = user.name, room.users.get(user.id, ("", 0))[1] + 1
        room.joined.add(connection)
        self._schedule(name, room, now)

    def exit(self, name: RoomName, connection: Present, now: float) -> None:
        """A connection that had joined left."""
        room = self._rooms[name]
        room.joined.discard(connection)
        room.asked.discard(connection)
        user_name, connections = room.users.pop(connection.user.id)
        if connections > 1:
            room.users[connection.user.id] = user_name, connections - 1
        self._schedule(name, room, now)

    def restate(self, now: float, rooms: Sequence[RoomName] | None = None, *, jitter: float = 0.0) -> None:
        """Report these rooms (all of them by default) again, within so many seconds."""
        for name in self._rooms if rooms is None else rooms:
            if (room := self._rooms.get(name)) is not None:
                self._schedule(name, room, now + jitter * self._random.random())

    @property
    def is_idle(self) -> bool:
        """Whether everybody has left and logic knows."""
        return not self._rooms

    @property
    def next_due(self) -> float:
        """When `take` will next have something; infinite: not before something changes."""
        while self._due and self._room_due(*self._due[0]) is None:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else _NEVER

    def take(self, now: float) -> list[logic_pb2.GatewayPresence]:
        """At most `BATCH` reports that are due. To be followed by `answered` or `failed`."""
        reports: list[logic_pb2.GatewayPresence] = []
        while self._due and self._due[0][0] <= now and len(reports) < BATCH:
            due, name = heapq.heappop(self._due)
            if (room := self._room_due(due, name)) is not None:
                room.due, room.reported = _NEVER, now
                room.asked, room.joined = room.joined, set()
                reports.append(self._report(name, room))
        return reports

    def answered(
        self, reports: Sequence[logic_pb2.GatewayPresence], response: logic_pb2.ReportPresenceResponse, now: float
    ) -> None:
        """Tell those who joined who is in their room; rooms that logic put off are reported again."""
        for presence in response.rooms:
            if (room := self._rooms.get(RoomName(presence.room))) is not None:
                _greet(room, presence)
        self.restate(now + INTERVAL, [RoomName(name) for name in response.deferred])
        for report in reports:
            self._forget_if_empty(RoomName(report.room))

    def failed(self, reports: Sequence[logic_pb2.GatewayPresence], now: float) -> None:
        """Logic was not reached: report these rooms again in a while."""
        for report in reports:
            if (room := self._rooms.get(RoomName(report.room))) is not None:
                room.joined |= room.asked
        self.restate(now + INTERVAL, [RoomName(report.room) for report in reports], jitter=INTERVAL)

    def _schedule(self, name: RoomName, room: _Room, due: float) -> None:
        due = max(due, room.reported + INTERVAL)
        if due < room.due:
            room.due = due
            heapq.heappush(self._due, (due, name))

    def _room_due(self, due: float, name: RoomName) -> _Room | None:
        room = self._rooms.get(name)
        return room if room is not None and room.due == due else None

    def _report(self, name: RoomName, room: _Room) -> logic_pb2.GatewayPresence:
        self._number += 1
        ids = sorted(room.users)
        return logic_pb2.GatewayPresence(
            room=name,
            count=len(ids),
            user_ids=ids if len(ids) <= IDS else (),
            members=[pb.Member(user_id=user, user_name=room.users[user][0]) for user in ids[:MEMBERS]],
            number=self._number,
        )

    def _forget_if_empty(self, name: RoomName) -> None:
        room = self._rooms.get(name)
        if room is not None and not room.users and room.due == _NEVER:
            del self._rooms[name]


def _greet(room: _Room, presence: pb.RoomPresence) -> None:
    frames: dict[Codec, bytes] = {}
    for connection in room.asked:
        if connection.codec not in frames:
            frames[connection.codec] = connection.codec.encode(pb.Ephemeral(room=presence.room, members=presence))
        connection.write(frames[connection.codec])
    room.asked.clear()


class Reporter:
    """Makes the reports that are due, one call at a time."""

    def __init__(
        self,
        presence: Presence,
        logic: Logic,
        incarnation: Callable[[], Incarnation | None],
        clock: Callable[[], float],
    ) -> None:
        """`incarnation`: the gateway's, or None while it has no lease."""
        self._presence = presence
        self._logic = logic
        self._incarnation = incarnation
        self._clock = clock
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Look now: something has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Report for ever."""
        while True:
            await self._wait()
            if reports := self._presence.take(self._clock()):
                await self.report(reports)

    async def report(self, reports: Sequence[logic_pb2.GatewayPresence]) -> None:
        """Make one call; when it fails the rooms are due again."""
        try:
            response = await self._call(reports)
        except errors.ChatError:
            self._presence.failed(reports, self._clock())
        else:
            self._presence.answered(reports, response, self._clock())

    async def _call(self, reports: Sequence[logic_pb2.GatewayPresence]) -> logic_pb2.ReportPresenceResponse:
        incarnation = self._incarnation()
        if incarnation is None:
            raise errors.Unavailable("the gateway has no lease")
        return await self._logic.report_presence(
            logic_pb2.ReportPresenceRequest(incarnation=incarnation, rooms=reports)
        )

    async def _wait(self) -> None:
        delay = self._presence.next_due - self._clock()
        if delay <= 0:
            return
        self._changed.clear()
        try:
            async with asyncio.timeout(None if delay == _NEVER else delay):
                await self._changed.wait()
        except TimeoutError:
            pass
