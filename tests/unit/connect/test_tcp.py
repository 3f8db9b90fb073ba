import json
from collections.abc import AsyncIterator

import pytest

from chatcluster.connect import framing
from chatcluster.connect.gochat_client import TOLERATED
from chatcluster.core import errors
from chatcluster.core.ids import RoomName
from chatcluster.core.rates import Rate
from chatcluster.frames import disconnects
from chatcluster.log import log
from chatcluster.v1 import types_pb2 as pb
from support.eventually import eventually
from support.gateway import Rig, TcpClient, limits

ROOM = RoomName("room:1")


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running."""
    async with Rig().running() as rig:
        yield rig


async def stored(rig: Rig) -> list[tuple[str, str]]:
    """What is in room 1: by whom, and what."""
    (history,) = await rig.world.log.history([log.Read(ROOM, limit=1000)])
    messages = [pb.Message.FromString(publication.body) for publication in history.publications]
    return [(message.from_user_name, message.text) for message in messages]


async def test_member_sends(rig: Rig) -> None:
    """Op 3 publishes as the session's user, whoever the client says that it is."""
    client = await rig.member("tcp", await rig.token("ann"), 1)
    client.send(authToken="ann", roomId=1, op=3, msg="hello", fromUserId=99, fromUserName="zoe")
    await eventually(lambda: rig.logic.times("Publish") and not rig.sends._chains)

    assert await stored(rig) == [("ann", "hello")]


async def test_sends_that_follow_the_join_at_once_are_published(rig: Rig) -> None:
    """gochat has no acknowledgement of a join to wait for; a client may even close right after."""
    await rig.token("ann")
    client = rig.client("tcp")
    client.join("ann", 1)
    client.send(authToken="ann", roomId=1, op=3, msg="one")
    client.send(authToken="ann", roomId=1, op=3, msg="two")
    client.transport.close()
    await eventually(lambda: rig.logic.times("Publish") == 2 and not rig.sends._chains)

    assert await stored(rig) == [("ann", "one"), ("ann", "two")]


async def test_sender_need_not_join(rig: Rig) -> None:
    """A client that only ever sends is served, as by gochat, and is in no room."""
    await rig.token("ann")
    client = rig.client("tcp")
    client.send(authToken="ann", roomId=1, op=3, msg="hello")
    await eventually(lambda: client.connection.session and not rig.sends._chains)
    rig.pass_time(20)

    assert await stored(rig) == [("ann", "hello")]
    assert client.connection.room is None
    assert client.code is None


async def test_foreign_token_sends_nothing(rig: Rig) -> None:
    """A connection sends as itself only; another's token, valid or not, is refused."""
    client = await rig.member("tcp", await rig.token("ann"), 1)
    client.send(authToken=await rig.token("bob"), roomId=1, op=3, msg="hello")

    assert client.shown(op=2)[0]["code"] == 1
    assert "authToken" in client.shown(op=2)[0]["msg"]
    assert rig.logic.times("Publish") == 0
    assert client.code is None


async def test_bad_token_of_a_sender_closes(rig: Rig) -> None:
    """Without a word, as after a join."""
    client = rig.client("tcp")
    client.send(authToken="nobody", roomId=1, op=3, msg="hello")
    await eventually(lambda: client.transport.lost)

    assert client.bodies() == []


async def test_sends_over_the_rate_are_refused() -> None:
    """The client is told which were not sent; the others are published in order."""
    async with Rig(limits=limits(messages=Rate(1, 5), controls=Rate(10, 100))).running() as rig:
        client = await rig.member("tcp", await rig.token("ann"), 1)
        for number in range(8):
            client.send(authToken="ann", roomId=1, op=3, msg=str(number))
        await eventually(lambda: not rig.sends._chains)

        assert [text for _, text in await stored(rig)] == ["0", "1", "2", "3", "4"]
        assert [body["msg"] for body in client.shown(op=2)] == ["not sent: too many messages"] * 3
        assert client.code is None


async def test_flood_closes(rig: Rig) -> None:
    """A client that goes on far beyond its rate is disconnected."""
    client = await rig.member("tcp", await rig.token("ann"), 1)
    for _ in range(100):
        if client.code is None:
            client.send(authToken="ann", roomId=1, op=3, msg="x")

    assert client.bodies()[-1]["msg"] == disconnects.TOO_FAST.reason


async def test_send_that_logic_does_not_take_is_told(rig: Rig) -> None:
    """A missing backend is told to the sender and closes nothing."""
    client = await rig.member("tcp", await rig.token("ann"), 1)
    rig.logic.failure = errors.Unavailable("no logic is connected")
    client.send(authToken="ann", roomId=1, op=3, msg="hello")
    await eventually(lambda: client.shown(op=2))

    assert client.shown(op=2)[0]["msg"] == "not sent: no logic is connected"
    assert client.code is None


async def test_two_malformed_payloads_are_tolerated(rig: Rig) -> None:
    """The third disconnects, as in gochat, and says why."""
    client = await rig.member("tcp", await rig.token("ann"), 1)
    for _ in range(TOLERATED):
        client.send_payload(b"{")
    tolerated = client.code
    client.send_payload(b"")

    assert tolerated is None
    assert client.bodies()[-1]["msg"] == disconnects.BAD_FRAME.reason
    assert client.transport.ended


@pytest.mark.parametrize("header", [b"v1\x00\x00", b"v1\x00\x03", b"v1\xff\xfe", b"GET / HTTP/1.1\r\n\r\n"])
async def test_broken_frame_disconnects(rig: Rig, header: bytes) -> None:
    """Frames before it count, it is told, and what follows it is not read."""
    client = await rig.member("tcp", await rig.token("ann"), 1)
    send = json.dumps({"authToken": "ann", "roomId": 1, "op": 3, "msg": "x"}).encode()
    client.connection.data_received(framing.frame(send) + header + framing.frame(send))
    client.connection.data_received(framing.frame(send))
    await eventually(lambda: not rig.sends._chains)

    assert client.bodies()[-1]["msg"] == disconnects.BAD_FRAME.reason
    assert await stored(rig) == [("ann", "x")]


async def test_ops_without_meaning_are_ignored(rig: Rig) -> None:
    """As in gochat; but there is a limit to how many in a second."""
    client = await rig.member("tcp", await rig.token("ann"), 1)
    for op in (2, 4, 5, 99):
        client.send(authToken="ann", roomId=1, op=op)
    ignored = client.code
    for _ in range(100):
        client.send(authToken="ann", roomId=1, op=2)

    assert ignored is None
    assert client.code == 1006


async def test_heartbeats_come_for_ever(rig: Rig) -> None:
    """Every ping interval, and nothing is expected in return."""
    client = await rig.member("tcp", await rig.token("ann"), 1)
    for _ in range(3):
        rig.pass_time(56)

    assert bytes(client.transport.written).count(b"ping msg") == 3
    assert client.code is None


async def test_address_over_its_limit_is_refused() -> None:
    """It is told to try again; others are not touched."""
    async with Rig(limits=limits(per_address=1)).running() as rig:
        first = TcpClient(rig.host, rig.tcp, "203.0.113.7")
        second = TcpClient(rig.host, rig.tcp, "203.0.113.7")
        other = TcpClient(rig.host, rig.tcp, "203.0.113.8")
        first.transport.close()
        await eventually(lambda: first.connection not in rig.host.open)
        again = TcpClient(rig.host, rig.tcp, "203.0.113.7")

        assert "try again" in second.bodies()[0]["msg"]
        assert (other.code, again.code) == (None, None)
