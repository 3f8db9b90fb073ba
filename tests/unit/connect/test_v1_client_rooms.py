"""v1's rooms over both transports: joining from a position, leaving, and what is told when something is gone."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatcluster.connect.joins import PATIENCE
from chatcluster.core import errors
from support.eventually import eventually
from support.gateway import Rig, limits
from support.v1 import member
from support.v1_talk import ROOM, TRANSPORTS, dispatch, place, say


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running."""
    async with Rig().running() as rig:
        yield rig


@TRANSPORTS
async def test_join_without_a_position_begins_at_the_end(rig: Rig, transport: str) -> None:
    """What was said before is history; what comes after is pushed, with its place and its sender."""
    await say(rig, "before")
    client = await member(rig, transport, "ann")
    answer = await client.call("join", room=ROOM)
    dispatch(rig, *await say(rig, "after"))

    assert (answer["joined"], answer["recovered"], answer["publications"]) == (True, True, [])
    assert answer["offset"] == 1
    (push,) = client.pushes("publication")
    assert (push["room"], push["epoch"], push["offset"], push["text"]) == (ROOM, answer["epoch"], 2, "after")
    assert push["id"] == "id-of-after"


@TRANSPORTS
async def test_join_with_a_position_goes_on_from_there(rig: Rig, transport: str) -> None:
    """Nothing is missing and nothing comes twice, although dispatch repeats what history has told."""
    first, *_ = await say(rig, "one", "two", "three")
    client = await member(rig, transport, "ann")
    answer = await client.call("join", room=ROOM, since={"epoch": first.epoch, "offset": 1})
    dispatch(rig, *[entry.publication for entry in rig.world.dispatched(ROOM) if entry.publication])
    dispatch(rig, *await say(rig, "four"))

    assert (answer["recovered"], answer["joined"], answer["offset"]) == (True, True, 3)
    assert client.texts(ROOM) == ["two", "three", "four"]


@TRANSPORTS
async def test_what_is_said_while_a_client_reads_its_way_in(rig: Rig, transport: str) -> None:
    """Is in the answer, whether or not history had it when it was read."""
    first, *_ = await say(rig, "one", "two")
    neighbour = await member(rig, transport, "bob")
    await neighbour.call("join", room=ROOM)
    client = await member(rig, transport, "ann")
    rig.logic.answering.clear()
    join = client.ask("join", room=ROOM, since={"epoch": first.epoch, "offset": 1})
    await eventually(lambda: rig.logic.times("ReadHistory"))
    dispatch(rig, *await say(rig, "three"))
    rig.logic.answering.set()
    answer = await client.answer(join)
    dispatch(rig, *await say(rig, "four"))

    assert answer["offset"] == 3
    assert client.texts(ROOM) == ["two", "three", "four"]
    assert neighbour.texts(ROOM) == ["three", "four"]


@TRANSPORTS
async def test_a_long_absence_is_read_page_by_page(rig: Rig, transport: str) -> None:
    """Each answer fits a frame; the client goes on from the last of it until it has joined."""
    first, *_ = await say(rig, *(f"{number} " + "x" * 900 for number in range(250)))
    client = await member(rig, transport, "ann")
    since: dict[str, Any] = {"epoch": first.epoch, "offset": 0}
    answers: list[dict[str, Any]] = []
    while not answers or not answers[-1]["joined"]:
        answers.append(await client.call("join", room=ROOM, since=since))
        since = place(answers[-1]["publications"][-1])

    assert len(answers) > 1
    assert [text.split()[0] for text in client.texts(ROOM)] == [str(number) for number in range(250)]


@TRANSPORTS
async def test_what_is_gone_is_told(rig: Rig, transport: str) -> None:
    """A position of another life of the room is not recovered; everything from the beginning is new."""
    await say(rig, "one", "two")
    client = await member(rig, transport, "ann")
    answer = await client.call("join", room=ROOM, since={"epoch": "0000000000001.aaaaaaaa.00000001", "offset": 9})

    assert (answer["recovered"], answer["after"], answer["joined"]) == (False, 0, True)
    assert client.texts(ROOM) == ["one", "two"]


@TRANSPORTS
async def test_several_rooms_and_leaving_one(rig: Rig, transport: str) -> None:
    """Each is heard until it is left; the last one out takes the room with it."""
    client = await member(rig, transport, "ann")
    rooms = ["room:1", "room:2", "room:3"]
    for room in rooms:
        await client.call("join", room=room)
    left = await client.call("leave", room="room:2")
    for room in rooms:
        dispatch(rig, *await say(rig, f"in {room}", room=room))

    assert left["room"] == "room:2"
    assert [push["text"] for push in client.pushes("publication")] == ["in room:1", "in room:3"]
    assert set(rig.hub.rooms) == {"room:1", "room:3", "user:1"}


@TRANSPORTS
async def test_rooms_of_a_connection_are_bounded(transport: str) -> None:
    """The next one is refused; leaving one makes room, and joining one again is no new one."""
    async with Rig(limits=limits(rooms=2)).running() as rig:
        client = await member(rig, transport, "ann")
        answers = [await client.call("join", room=f"room:{number}") for number in (1, 2, 3, 1)]
        await client.call("leave", room="room:2")
        answers.append(await client.call("join", room="room:3"))

    assert [answer.get("code", "ok") for answer in answers] == ["ok", "ok", "too_many_rooms", "ok", "ok"]


@TRANSPORTS
async def test_rooms_of_others(rig: Rig, transport: str) -> None:
    """Inboxes and conversations are their users' own, and a name that is none is told."""
    client = await member(rig, transport, "ann")
    codes = {room: (await client.call("join", room=room)).get("code") for room in ("user:2", "dm:2:3", "lobby", "")}
    mine = await client.call("join", room="user:1")

    assert codes == {"user:2": "forbidden", "dm:2:3": "forbidden", "lobby": "invalid", "": "invalid"}
    assert mine["joined"]


@TRANSPORTS
async def test_a_room_that_cannot_be_read_is_told_in_time(rig: Rig, transport: str) -> None:
    """The join is given up, the connection lives, and a later join works."""
    client = await member(rig, transport, "ann")
    rig.logic.failure = errors.Unavailable()
    join = client.ask("join", room=ROOM, since={"epoch": "", "offset": 0})
    rig.pass_time(PATIENCE + 1)
    refused = await client.answer(join)
    rig.logic.failure = None

    assert (refused["code"], "retry_after" in refused) == ("unavailable", True)
    assert ROOM not in rig.hub.rooms
    assert (await client.call("join", room=ROOM))["joined"]


@TRANSPORTS
async def test_a_join_that_is_left_is_answered(rig: Rig, transport: str) -> None:
    """Every request has its answer, also one that another has overtaken."""
    client = await member(rig, transport, "ann")
    rig.logic.answering.clear()
    join, leave = client.ask("join", room=ROOM), client.ask("leave", room=ROOM)
    rig.logic.answering.set()

    assert (await client.answer(join))["code"] == "superseded"
    assert (await client.answer(leave))["type"] == "ok"
    await eventually(lambda: ROOM not in rig.hub.rooms)


@TRANSPORTS
async def test_a_connection_that_is_gone_leaves_nothing(rig: Rig, transport: str) -> None:
    """Neither in the hub nor in presence, whether its joins were done or under way."""
    client = await member(rig, transport, "ann")
    await client.call("join", room=ROOM)
    rig.logic.answering.clear()
    client.ask("join", room="room:2", since={"epoch": "", "offset": 0})
    client.vanish()
    rig.logic.answering.set()
    await eventually(lambda: not rig.host.open)
    rig.pass_time(2)
    await eventually(lambda: rig.presence.is_idle)

    assert rig.hub.rooms == {}


@TRANSPORTS
async def test_presence_is_pushed(rig: Rig, transport: str) -> None:
    """Whoever joins is told who is there; `members` answers the same."""
    client = await member(rig, transport, "ann")
    await client.call("join", room=ROOM)
    await eventually(lambda: client.pushes("presence"))
    asked = await client.call("members", room=ROOM)

    expected = {"room": ROOM, "count": 1, "members": [{"id": 1, "name": "ann"}]}
    assert client.pushes("presence")[-1] == {"type": "presence", **expected}
    assert {name: asked[name] for name in expected} == expected
