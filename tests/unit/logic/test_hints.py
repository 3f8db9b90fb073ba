import pytest

from chatcluster.core import errors
from chatcluster.core.rates import Rate, Table
from chatcluster.log.memory import MemoryLog
from chatcluster.logic import hints
from chatcluster.v1 import types_pb2 as pb
from support.domain import World, session_of


class Away(MemoryLog):
    """A log that cannot be reached."""

    async def push(self, ephemeral: pb.Ephemeral) -> bool:
        raise errors.Unavailable(f"cannot be reached for {ephemeral.room}")


def _told(world: World, room: str) -> list[pb.Ephemeral]:
    return [e.ephemeral for e in world.dispatched(room) if e.ephemeral and e.ephemeral.room == room]


async def test_a_room_is_told_who_is_typing(world: World) -> None:
    """By number and name."""
    user, session = await world.user("ann")
    await world.hints.typing(session, "room:7")

    (told,) = _told(world, "room:7")
    assert (told.room, told.typing.user.user_id, told.typing.user.user_name) == ("room:7", user, "ann")


@pytest.mark.parametrize("other", [1, 2])
async def test_both_users_of_a_conversation_are_told_in_their_inboxes(world: World, other: int) -> None:
    """Each once, also one who talks to themselves: no device has to have joined the conversation."""
    user, session = await world.user("ann")
    await world.user("bob")
    room = f"dm:{user}:{other}"
    await world.hints.typing(session, room)

    assert [each.conversation for each in _told(world, room)] == [""]
    for inbox in {f"user:{user}", f"user:{other}"}:
        (told,) = _told(world, inbox)
        assert (told.room, told.conversation, told.typing.user.user_id) == (inbox, room, user)


async def test_typing_needs_a_session_and_a_right(world: World) -> None:
    """Not for strangers, and not in conversations of others."""
    _, session = await world.user("ann")
    for failure, who, room in [
        (errors.SessionEnded, session_of("nobody"), "room:7"),
        (errors.Forbidden, session, "dm:8:9"),
        (errors.Invalid, session, "nowhere"),
    ]:
        with pytest.raises(failure):
            await world.hints.typing(who, room)


async def test_a_room_is_told_so_often(world: World) -> None:
    """What comes faster is dropped without a word; another room has a rate of its own, and time gives it back."""
    _, session = await world.user("ann")
    for _ in range(9):
        await world.hints.typing(session, "room:7")
    await world.hints.typing(session, "room:8")

    assert [len(_told(world, room)) for room in ("room:7", "room:8")] == [4, 1]
    world.clock.time += 0.5
    await world.hints.typing(session, "room:7")
    assert len(_told(world, "room:7")) == 5


async def test_a_hint_is_no_reason_to_fail(world: World) -> None:
    """Neither when dispatch is full nor when it is away."""
    _, session = await world.user("ann")
    world.fill("room:7")
    await world.hints.typing(session, "room:7")
    away = Away(world.server, now=world.clock, draw=lambda n: "0" * n)
    await hints.Hints(world.sessions, away, Table(Rate(2, 4), 10), world.clock).typing(session, "room:7")

    assert not _told(world, "room:7")
