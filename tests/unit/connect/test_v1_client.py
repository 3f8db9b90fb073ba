"""v1's requests over both transports, on logic in memory: docs/protocol.md, promise by promise."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatcluster.connect import disconnects
from chatcluster.connect.joins import PATIENCE
from chatcluster.connect.v1_client import UNDER_WAY
from chatcluster.core import errors
from chatcluster.core.rates import Rate
from chatcluster.v1 import connect_pb2, types_pb2 as pb
from support.domain import session_of
from support.eventually import eventually
from support.gateway import Rig, limits
from support.v1 import V1, member

TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "tcp"])
ROOM = "room:lobby"


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running."""
    async with Rig().running() as rig:
        yield rig


async def say(rig: Rig, *texts: str, room: str = ROOM) -> list[pb.Publication]:
    """Publish texts as somebody else, without dispatch."""
    for text in texts:
        await rig.world.post(room, text, f"id-of-{text}")
    return [entry.publication for entry in rig.world.dispatched(room) if entry.publication][-len(texts) :]


def dispatch(rig: Rig, *publications: pb.Publication) -> None:
    """Hand publications to the hub, as task would."""
    for publication in publications:
        shard = rig.hub.rooms[publication.room].shard if publication.room in rig.hub.rooms else 0  # type: ignore[index]
        epoch = publication.epoch.rpartition(".")[0]
        batch = connect_pb2.Batch(shard=shard, epoch=epoch, publications=[publication])
        rig.hub.deliver(batch, rig.world.clock())


def place(frame: dict[str, Any]) -> dict[str, Any]:
    """The position that a frame tells."""
    return {"epoch": frame["epoch"], "offset": frame["offset"]}


# -- whose connection it is


@TRANSPORTS
async def test_auth_tells_who_and_when(rig: Rig, transport: str) -> None:
    """The user, the end of the session, the time, and how often a sign of life is to be expected."""
    await rig.token("ann")
    answer = await V1(rig, transport).call("auth", token="ann")

    assert answer["user"] == {"id": 1, "name": "ann"}
    assert answer["time_ms"] == int(rig.world.clock() * 1000)
    assert answer["expires_ms"] == answer["time_ms"] + 86_400_000
    assert answer["ping_seconds"] == rig.host.limits.ping_interval


@TRANSPORTS
async def test_a_bad_token_is_told_and_closes(rig: Rig, transport: str) -> None:
    """With the code by which a client knows that it has to log in."""
    client = V1(rig, transport)
    answer = await client.call("auth", token="nobody's")

    assert (answer["type"], answer["code"]) == ("error", "session")
    assert client.code == disconnects.SESSION_ENDED.code


@TRANSPORTS
async def test_nothing_is_done_before_auth(rig: Rig, transport: str) -> None:
    """And whoever never says who they are is closed at the deadline."""
    client = V1(rig, transport)
    answer = await client.call("join", room=ROOM)
    rig.pass_time(rig.host.limits.auth_deadline + 3)

    assert answer["code"] == "session"
    assert rig.hub.rooms == {}
    assert client.code == disconnects.UNAUTHENTICATED.code


@TRANSPORTS
async def test_requests_may_follow_auth_at_once(rig: Rig, transport: str) -> None:
    """They wait for its answer, in their order, up to a bound."""
    await rig.token("ann")
    rig.logic.answering.clear()
    client = V1(rig, transport)
    auth = client.ask("auth", token="ann")
    pings = [client.ask("ping") for _ in range(UNDER_WAY + 1)]
    rig.logic.answering.set()
    await client.answer(auth)

    answers = [await client.answer(ping) for ping in pings]
    assert [answer["type"] for answer in answers] == ["ok"] * UNDER_WAY + ["error"]
    assert answers[-1]["code"] == "busy"


@TRANSPORTS
async def test_a_connection_is_one_user_s(rig: Rig, transport: str) -> None:
    """A second auth is refused, and nothing changes."""
    client = await member(rig, transport, "ann")
    await rig.token("bob")
    answer = await client.call("auth", token="bob")

    assert answer["code"] == "invalid"
    assert client.connection.user.name == "ann"


@TRANSPORTS
async def test_a_revoked_session_is_closed(rig: Rig, transport: str) -> None:
    """Although its connection hears nothing, not even its own inbox."""
    client = await member(rig, transport, "ann")
    await eventually(lambda: rig.logic.times("CheckSessions"))
    await rig.world.accounts.revoke(session_of("ann"))
    rig.sessions.registered([rig.inbox(1)])
    await eventually(lambda: client.code)

    assert client.code == disconnects.SESSION_ENDED.code


# -- rooms


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


# -- messages


@TRANSPORTS
async def test_send_is_answered_when_it_is_stored(rig: Rig, transport: str) -> None:
    """With its place; the same again is the same message, another text under its id is a conflict."""
    client = await member(rig, transport, "ann")
    stored, again, other = [
        await client.call("send", room=ROOM, message_id="m1", text=text) for text in ("hello", "hello", "bye")
    ]

    assert (stored["offset"], stored["repeated"], stored["message_id"]) == (1, False, "m1")
    assert (place(again), again["repeated"]) == (place(stored), True)
    assert (other["code"], other["stored"]) == ("conflict", "no")


@TRANSPORTS
async def test_a_private_message_reaches_both_inboxes_by_its_user(rig: Rig, transport: str) -> None:
    """It is stored in the conversation of the two."""
    await rig.token("zed")
    client = await member(rig, transport, "ann")
    stored = await client.call("send", user=1, message_id="m1", text="psst")
    nobody = await client.call("send", user=99, message_id="m2", text="psst")

    assert stored["room"] == "dm:1:2"
    assert (nobody["code"], nobody["stored"]) == ("not_found", "no")


@TRANSPORTS
async def test_an_unknown_outcome_is_told_as_such(rig: Rig, transport: str) -> None:
    """After the gateway's own repetitions; what is known not to be stored says so."""
    client = await member(rig, transport, "ann")
    rig.logic.failure = errors.OutcomeUnknown()
    send = client.ask("send", room=ROOM, message_id="m1", text="hello")
    await eventually(lambda: rig.logic.times("Publish"))
    rig.world.clock.time += 31
    unknown = await client.answer(send)
    rig.logic.failure = errors.Busy("full", retry_after=2)
    busy = await client.call("send", room=ROOM, message_id="m2", text="hello")

    assert (unknown["code"], unknown["stored"]) == ("outcome_unknown", "unknown")
    assert (busy["code"], busy["stored"], busy["retry_after"]) == ("busy", "no", 2)


@TRANSPORTS
async def test_messages_have_a_rate(transport: str) -> None:
    """Over it they are refused, with the time to wait; the connection lives."""
    async with Rig(limits=limits(messages=Rate(1, 2))).running() as rig:
        client = await member(rig, transport, "ann")
        answers = [await client.call("send", room=ROOM, message_id=f"m{number}", text="x") for number in range(3)]

        assert [answer.get("code", "ok") for answer in answers] == ["ok", "ok", "rate_limited"]
        assert 0 < answers[-1]["retry_after"] <= 1
        assert client.code is None


@TRANSPORTS
async def test_history_is_read_both_ways(rig: Rig, transport: str) -> None:
    """Forward from a position, backward before one, the newest without any; `more` says whether to go on."""
    first, *_ = await say(rig, *"abcdefghij")
    client = await member(rig, transport, "ann")

    async def read(**asked: Any) -> tuple[str, bool]:
        answer = await client.call("history", room=ROOM, **asked)
        return "".join(publication["text"] for publication in answer["publications"]), answer["more"]

    def at(offset: int) -> dict[str, Any]:
        return {"epoch": first.epoch, "offset": offset}

    assert await read(limit=3) == ("hij", True)
    assert await read(before=at(8), limit=3) == ("efg", True)
    assert await read(before=at(4), limit=10) == ("abc", False)
    assert await read(since=at(2), limit=3) == ("cde", True)
    assert await read(since=at(7), limit=3) == ("hij", False)


# -- what is wrong


@TRANSPORTS
async def test_wrong_requests_are_answered(rig: Rig, transport: str) -> None:
    """Each with what is wrong, and the connection lives on."""
    client = await member(rig, transport, "ann")
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("join", {}),
        ("join", {"room": 7}),
        ("join", {"room": ROOM, "since": {"epoch": "x"}}),
        ("join", {"room": ROOM, "extra": 1}),
        ("send", {"message_id": "m", "text": "x"}),
        ("send", {"room": ROOM, "user": 2, "message_id": "m", "text": "x"}),
        ("send", {"room": ROOM, "message_id": "white space", "text": "x"}),
        ("send", {"room": ROOM, "message_id": "m", "text": ""}),
        ("history", {"room": ROOM, "limit": 1001}),
        ("auth", {"token": "a", "ticket": "b"}),
    ]
    answers = [await client.call(kind, **fields) for kind, fields in wrong]

    assert {answer["code"] for answer in answers} == {"invalid"}
    assert (await client.call("ping"))["type"] == "ok"


@TRANSPORTS
@pytest.mark.parametrize(
    "payload", [b"{}", b'{"type":"dance","id":1}', b'{"type":"ping"}', b'{"type":"ping","id":0}', b"[1]", b"null", b"x"]
)
async def test_what_is_no_request_closes(rig: Rig, transport: str, payload: bytes) -> None:
    """There is no id to answer to."""
    client = await member(rig, transport, "ann")
    client.send_payload(payload)

    assert client.code == disconnects.BAD_FRAME.code


@TRANSPORTS
async def test_a_flood_of_requests_is_refused_and_then_closed(transport: str) -> None:
    """Requests have a rate; whoever goes on regardless is closed."""
    async with Rig(limits=limits(requests=Rate(1, 5), controls=Rate(1, 3))).running() as rig:
        client = await member(rig, transport, "ann")
        for _ in range(20):
            if client.code is None:
                client.ask("ping")

        assert [frame["code"] for frame in client.pushes("error")] == ["rate_limited"] * 3
        assert client.code == disconnects.TOO_FAST.code


# -- the end


@TRANSPORTS
async def test_a_drain_is_announced(rig: Rig, transport: str) -> None:
    """A member is told when its connection will close, so that it can go before."""
    client = await member(rig, transport, "ann")
    client.connection.warn(1.25)
    client.connection.close(disconnects.RESTART)

    assert client.pushes("reconnect") == [{"type": "reconnect", "after_ms": 1250}]
    assert client.code == disconnects.RESTART.code


async def test_over_tcp_the_last_frame_says_why(rig: Rig) -> None:
    """And whether to come back."""
    client = await member(rig, "tcp", "ann")
    client.connection.close(disconnects.RESTART)

    assert client.frames()[-1] == {
        "type": "disconnect",
        "code": disconnects.RESTART.code,
        "reason": disconnects.RESTART.reason,
        "reconnect": True,
    }


async def test_gochat_s_clients_share_the_room(rig: Rig) -> None:
    """Both hear the same publication, each in its own words."""
    v1 = await member(rig, "websocket", "ann")
    await v1.call("join", room="room:1")
    old = await rig.member("websocket", await rig.token("bob"), 1)
    rig.deliver(1, "hello")

    assert [body["msg"] for body in old.shown(op=3)] == ["hello"]
    assert v1.texts("room:1") == ["hello"]
