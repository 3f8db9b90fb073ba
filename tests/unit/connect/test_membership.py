from dataclasses import dataclass, field
from datetime import UTC

import pytest

from chatcluster.connect import gochat
from chatcluster.connect.room import Codec
from chatcluster.core.ids import RoomName, UserId
from chatcluster.frames.disconnects import SESSION_ENDED, Disconnect
from chatcluster.v1 import logic_pb2
from support.gateway import Rig

CODEC = gochat.Codec("plain", bytes, 2**20, UTC)
ONE, TWO = RoomName("room:1"), RoomName("room:2")


@dataclass(eq=False)
class Member:
    """A connection that remembers how it was closed."""

    codec: Codec
    session: bytes = b""
    user: logic_pb2.User = field(default_factory=logic_pb2.User)
    room: RoomName | None = None
    rooms: set[RoomName] = field(default_factory=set)
    hears_inbox: bool = True
    closed: Disconnect | None = None

    def write(self, data: bytes) -> None:
        """Nobody reads it."""

    def close(self, disconnect: Disconnect) -> None:
        self.closed = disconnect


@pytest.fixture
def rig() -> Rig:
    """The parts of a gateway."""
    return Rig()


def admit(rig: Rig, user: int, session: bytes, room: RoomName | None) -> Member:
    """A new connection of that user."""
    member = Member(CODEC)
    assert rig.membership.admit(member, session, logic_pb2.User(id=user, name=f"user {user}"))
    rig.membership.move(member, room)
    return member


def rooms(rig: Rig, member: Member) -> set[str]:
    """Where the hub has it."""
    return {name for name in rig.hub.rooms if member in rig.hub.listeners(name)}


def test_member_hears_its_inbox_and_one_room(rig: Rig) -> None:
    """Moving leaves the room before; joining no room leaves only the inbox; leaving leaves nothing."""
    member = admit(rig, 5, b"s", ONE)
    at_first = rooms(rig, member)
    rig.membership.move(member, TWO)
    moved = rooms(rig, member)
    rig.membership.move(member, None)
    nowhere = rooms(rig, member)
    rig.membership.leave(member)
    rig.membership.leave(member)

    assert (at_first, moved, nowhere) == ({"user:5", "room:1"}, {"user:5", "room:2"}, {"user:5"})
    assert rig.hub.rooms == {}


def test_presence_follows(rig: Rig) -> None:
    """What is reported is who is in the room, not on how many connections."""
    first, second = admit(rig, 5, b"s", ONE), admit(rig, 5, b"t", ONE)
    both = rig.presence.take(rig.world.clock())
    rig.membership.leave(first)
    rig.world.clock.time += 1
    one = rig.presence.take(rig.world.clock())
    rig.membership.leave(second)
    rig.world.clock.time += 1
    none = rig.presence.take(rig.world.clock())

    assert [[(report.room, list(report.user_ids)) for report in reports] for reports in (both, one, none)] == [
        [("room:1", [5])],
        [("room:1", [5])],
        [("room:1", [])],
    ]


def test_sessions_are_found_by_user(rig: Rig) -> None:
    """Each once, however many connections it has; those of others not at all."""
    for user, session in [(5, b"s"), (5, b"s"), (5, b"t"), (6, b"u")]:
        admit(rig, user, session, None)

    assert sorted(rig.membership.sessions([UserId(5), UserId(7)])) == [b"s", b"t"]


def test_revoked_session_is_closed_everywhere(rig: Rig) -> None:
    """All its connections, and none of the user's other sessions."""
    first, second, other = admit(rig, 5, b"s", ONE), admit(rig, 5, b"s", None), admit(rig, 5, b"t", ONE)
    rig.membership.revoke(b"s", [UserId(5)])

    assert (first.closed, second.closed, other.closed) == (SESSION_ENDED, SESSION_ENDED, None)
