"""v1's requests over both transports, on logic in memory: docs/protocol.md, promise by promise."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatcluster.connect.v1_client import UNDER_WAY
from chatcluster.core import errors
from chatcluster.core.rates import Rate
from chatcluster.frames import disconnects
from support.domain import session_of
from support.eventually import eventually
from support.gateway import Rig, limits
from support.v1 import V1, member
from support.v1_talk import ROOM, TRANSPORTS, place, say


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running."""
    async with Rig().running() as rig:
        yield rig


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


@TRANSPORTS
async def test_typing_needs_a_join_but_in_conversations(rig: Rig, transport: str) -> None:
    """Those are heard over the inbox, without a join; a stranger's are not to be typed in."""
    client = await member(rig, transport, "ann")
    await rig.token("bob")
    answers = [await client.call("typing", room=room) for room in (ROOM, "dm:1:2", "dm:2:3")]

    assert [answer.get("code") for answer in answers] == ["not_joined", None, "forbidden"]


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
    assert [answer.get("stored") for answer in answers] == ["no" if kind == "send" else None for kind, _ in wrong]
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
