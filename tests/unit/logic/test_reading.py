from collections.abc import Sequence

import pytest

from chatcluster.core import errors
from chatcluster.core.ids import RoomName
from chatcluster.log import log
from chatcluster.logic import reading
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.domain import ANSWER_BYTES, World, session_of


def _read(room: str, limit: int = 100, since: pb.Position | None = None) -> logic_pb2.RoomRead:
    return logic_pb2.RoomRead(room=room, limit=limit, since=since)


async def test_history_is_read_on(world: World) -> None:
    """After a position comes what was published since."""
    _, session = await world.user("ann")
    for number in range(3):
        await world.post("room:7", "text", f"m-{number}")
    (newest,) = await world.reading.read(session, [_read("room:7")])
    since = pb.Position(epoch=newest.position.epoch, offset=1)
    (later,) = await world.reading.read(session, [_read("room:7", since=since)])

    assert [publication.offset for publication in newest.publications] == [1, 2, 3]
    assert [publication.offset for publication in later.publications] == [2, 3]
    assert later.recovered


async def test_a_position_at_the_very_start_is_one(world: World) -> None:
    """Offset 0 in no epoch is where a reader stands who has nothing, and not the wish for the newest."""
    _, session = await world.user("ann")
    for number in range(3):
        await world.post("room:7", "text", f"m-{number}")
    (found,) = await world.reading.read(session, [_read("room:7", 2, pb.Position())])

    assert [publication.offset for publication in found.publications] == [1, 2]


async def test_history_is_read_back(world: World) -> None:
    """Before a position comes what was published until then; on and back at once is no read."""
    _, session = await world.user("ann")
    for number in range(3):
        await world.post("room:7", "text", f"m-{number}")
    (newest,) = await world.reading.read(session, [_read("room:7", 0)])
    third = pb.Position(epoch=newest.position.epoch, offset=3)
    back = logic_pb2.RoomRead(room="room:7", limit=1, before=third)
    both = logic_pb2.RoomRead(room="room:7", limit=1, before=third, since=third)
    page, refused = await world.reading.read(session, [back, both])

    assert [publication.offset for publication in page.publications] == [2]
    assert (page.more, page.recovered) == (True, True)
    assert refused.error == "invalid"


async def test_each_room_is_refused_by_itself(world: World) -> None:
    """A room that the user may not read carries its error; the others are read, in the order asked for."""
    user, session = await world.user("ann")
    await world.post("room:7", "text", "m-1")
    reads = [_read("dm:8:9"), _read("room:7"), _read("nowhere"), _read(f"user:{user}"), _read("room:7", 1001)]
    found = await world.reading.read(session, reads)

    assert [history.room for history in found] == [read.room for read in reads]
    assert [history.error for history in found] == ["forbidden", "", "invalid", "", "invalid"]
    assert len(found[1].publications) == 1


async def test_a_gateway_reads_every_room(world: World) -> None:
    """An empty session is a gateway's."""
    (found,) = await world.reading.read(b"", [_read("dm:8:9")])

    assert not found.error


async def test_without_a_session_nothing_is_read(world: World) -> None:
    """A session that has ended reads nothing, not even open rooms."""
    with pytest.raises(errors.SessionEnded):
        await world.reading.read(session_of("nobody"), [_read("room:7")])


async def test_at_most_two_hundred_rooms(world: World) -> None:
    """One more is refused as a whole."""
    reads = [_read(f"room:{number}") for number in range(1, 202)]

    assert len(await world.reading.read(b"", reads[:200])) == 200
    with pytest.raises(errors.Invalid):
        await world.reading.read(b"", reads)


async def test_an_answer_has_a_bound(world: World) -> None:
    """Beyond it rooms say where they stand: a reader on a position reads on, one without is told to come again."""
    rooms = [f"room:{number}" for number in range(1, 31)]
    for room in rooms:
        await world.post(room, "x" * 4096, "m-1")
    reads = [_read(room, since=None if number == 29 else pb.Position()) for number, room in enumerate(rooms)]
    await world.post(rooms[28], "x", "m-2")
    (there,) = await world.reading.read(b"", [_read(rooms[28], 0)])
    reads[28] = logic_pb2.RoomRead(room=rooms[28], limit=100, before=there.position)
    found = await world.reading.read(b"", reads)
    size = sum(history.ByteSize() for history in found)

    assert ANSWER_BYTES <= size < ANSWER_BYTES + 4500 + 30 * 100
    assert found[0].publications
    assert not any(history.publications for history in found[-5:])
    assert all(history.position.offset and history.recovered for history in found)
    assert [history.more for history in found] == [not history.publications for history in found]
    assert [history.error for history in found] == [""] * 28 + ["busy"] * 2


async def test_an_empty_room_is_not_busy(world: World) -> None:
    """Nothing to show is not something left out, and who asks for the position only gets it."""
    await world.post("room:8", "text", "m-1")
    found = await world.reading.read(b"", [_read("room:7"), _read("room:8", 0)])

    assert [history.error for history in found] == ["", ""]


async def test_over_the_bound_nothing_is_even_fetched() -> None:
    """Once one step has filled the answer, the next asks for positions only."""
    asked: list[int] = []

    async def step(reads: Sequence[log.Read]) -> list[logic_pb2.RoomHistory]:
        asked.extend(read.limit for read in reads)
        return [logic_pb2.RoomHistory(room=read.room, error="x" * 100) for read in reads]

    reads = [log.Read(RoomName(f"room:{number}"), limit=5) for number in range(reading.ROOMS_AT_ONCE + 3)]
    found = await reading.within(200, reads, step, lambda history: history)

    assert [history.room for history in found] == [read.room for read in reads]
    assert asked == [5] * reading.ROOMS_AT_ONCE + [0] * 3
