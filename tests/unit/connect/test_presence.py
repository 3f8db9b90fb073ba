import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC

import pytest

from chatcluster.connect import gochat
from chatcluster.connect.logic import Logic
from chatcluster.connect.presence import BATCH, IDS, INTERVAL, MEMBERS, Presence, Reporter
from chatcluster.connect.room import Codec
from chatcluster.core import errors
from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.eventually import eventually
from support.gateway import INCARNATION, Rig

ROOM = RoomName("room:1")
CODEC = gochat.Codec("plain", bytes, 2**20, UTC)


@dataclass(eq=False)
class Connection:
    """A connection that remembers what it was told."""

    codec: Codec
    user: logic_pb2.User
    room: RoomName | None = ROOM
    told: list[bytes] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.told.append(data)


@pytest.fixture
def presence() -> Presence:
    """Nobody anywhere."""
    return Presence(random.Random(1))


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running."""
    async with Rig().running() as rig:
        yield rig


def connection(user: int) -> Connection:
    """A connection of that user."""
    return Connection(CODEC, logic_pb2.User(id=user, name=f"user {user}"))


def answer(*rooms: str, deferred: tuple[str, ...] = ()) -> logic_pb2.ReportPresenceResponse:
    """What logic says of these rooms."""
    found = [pb.RoomPresence(room=room, count=1, members=[pb.Member(user_id=9, user_name="zoe")]) for room in rooms]
    return logic_pb2.ReportPresenceResponse(rooms=found, deferred=deferred)


def test_changes_within_a_second_are_one_report(presence: Presence) -> None:
    """The first is told at once, what follows within a second together; with rising numbers."""
    presence.enter(ROOM, connection(1), 0.0)
    first = presence.take(0.0)
    for user in (2, 3, 4):
        presence.enter(ROOM, connection(user), 0.1 * user)
    early = presence.take(0.9)
    second = presence.take(INTERVAL)

    assert [list(report.user_ids) for report in first] == [[1]]
    assert early == []
    assert [list(report.user_ids) for report in second] == [[1, 2, 3, 4]]
    assert second[0].number > first[0].number


def test_joiner_is_told_who_is_here(presence: Presence) -> None:
    """Directly, once, from the answer to the report that it was in; one who joined later waits for the next answer."""
    early, late = connection(1), connection(2)
    presence.enter(ROOM, early, 0.0)
    reports = presence.take(0.0)
    presence.enter(ROOM, late, 0.1)
    presence.answered(reports, answer("room:1"), 0.2)
    told_first = len(early.told), len(late.told)
    presence.answered(presence.take(1.0), answer("room:1"), 1.1)

    assert told_first == (1, 0)
    assert (len(early.told), len(late.told)) == (1, 1)
    assert b'"roomUserInfo":{"9":"zoe"}' in late.told[0]


def test_who_has_left_is_not_told(presence: Presence) -> None:
    """An answer for a room that a connection has left meanwhile is not shown to it."""
    gone = connection(1)
    presence.enter(ROOM, gone, 0.0)
    reports = presence.take(0.0)
    presence.exit(ROOM, gone, 0.1)
    presence.answered(reports, answer("room:1"), 0.2)

    assert gone.told == []


def test_report_that_failed_is_repeated(presence: Presence) -> None:
    """As it then stands; and the joiner still waits for its answer."""
    joiner = connection(1)
    presence.enter(ROOM, joiner, 0.0)
    presence.failed(presence.take(0.0), 0.5)
    soon = presence.take(1.0)
    again = presence.take(3.0)
    presence.answered(again, answer("room:1"), 3.1)

    assert soon == []
    assert [list(report.user_ids) for report in again] == [[1]]
    assert len(joiner.told) == 1


def test_deferred_room_is_reported_again(presence: Presence) -> None:
    """Logic tells a room once a second at most, and asks for another report instead."""
    presence.enter(ROOM, connection(1), 0.0)
    presence.answered(presence.take(0.0), answer("room:1", deferred=("room:1", "room:unknown")), 0.1)

    assert [report.room for report in presence.take(1.2)] == ["room:1"]


def test_empty_room_is_reported_and_forgotten(presence: Presence) -> None:
    """Nothing is kept of a room in which nobody is, once logic knows."""
    last = connection(1)
    presence.enter(ROOM, last, 0.0)
    presence.answered(presence.take(0.0), answer("room:1"), 0.1)
    presence.exit(ROOM, last, 0.2)
    before = presence.is_idle
    reports = presence.take(1.0)
    presence.answered(reports, answer("room:1"), 1.1)

    assert not before
    assert [report.count for report in reports] == [0]
    assert presence.is_idle
    assert presence.next_due == float("inf")


def test_all_rooms_are_restated_spread_over_time(presence: Presence) -> None:
    """When another gateway died, every room is told anew, but not all in one moment."""
    for number in range(100):
        presence.enter(RoomName(f"room:{number}"), connection(1), 0.0)
    presence.take(0.0)
    presence.restate(10.0, jitter=2.0)
    half = len(presence.take(11.0))
    rest = len(presence.take(12.0))

    assert 20 < half < 80
    assert half + rest == 100


def test_reports_are_bounded(presence: Presence) -> None:
    """So many rooms in a call, so many names in a room, and beyond 10,000 users only their number."""
    for number in range(BATCH + 10):
        presence.enter(RoomName(f"room:{number}"), connection(1), 0.0)
    for user in range(2, IDS + 2):
        presence.enter(RoomName("room:large"), connection(user), 0.0)
    first, second = presence.take(0.0), presence.take(0.0)
    (large,) = (report for report in [*first, *second] if report.room == "room:large")
    presence.enter(RoomName("room:large"), connection(IDS + 2), 0.0)
    (larger,) = presence.take(1.0)

    assert (len(first), len(second)) == (BATCH, 11)
    assert (large.count, len(large.user_ids), len(large.members)) == (IDS, IDS, MEMBERS)
    assert (larger.count, len(larger.user_ids)) == (IDS + 1, 0)


async def test_reporter_waits_for_a_lease(rig: Rig) -> None:
    """Without one nothing is reported, since it would count for nobody; with one it is."""
    held: list[Incarnation] = []
    presence, clock = rig.presence, rig.world.clock
    reporter = Reporter(presence, Logic(rig.logic), lambda: held[0] if held else None, clock)
    presence.enter(ROOM, connection(1), clock())
    await reporter.report(presence.take(clock()))
    without = rig.logic.times("ReportPresence")
    held.append(INCARNATION)
    clock.time += 3
    await reporter.report(presence.take(clock()))

    assert without == 0
    assert rig.logic.times("ReportPresence") == 1


async def test_reporter_survives_logic(rig: Rig) -> None:
    """What could not be told while logic was away is told when it is back."""
    rig.logic.failure = errors.OutcomeUnknown()
    rig.presence.enter(ROOM, connection(1), rig.world.clock())
    rig.reporter.wake()
    await eventually(lambda: rig.logic.times("ReportPresence"))
    rig.logic.failure = None
    rig.pass_time(3)

    await eventually(lambda: rig.presence.next_due == float("inf") and rig.logic.times("ReportPresence") > 1)
    assert (await rig.world.presence.room(ROOM)).count == 1
