import random
from collections.abc import AsyncIterator

import pytest

from chatcluster.connect.connection import CLOSING_TIME, CONGESTED
from chatcluster.core import errors
from chatcluster.core.ids import RoomName
from chatcluster.core.rates import Rate
from chatcluster.frames import disconnects
from support.ammunition import Ammunition
from support.domain import session_of
from support.eventually import eventually
from support.gateway import Client, Rig, limits

PROTOCOLS = pytest.mark.parametrize("protocol", ["websocket", "tcp"])
ROOM = RoomName("room:1")


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running."""
    async with Rig().running() as rig:
        yield rig


def told(client: Client, disconnect: disconnects.Disconnect) -> bool:
    """Whether a client was told this cause, in the way of its protocol."""
    if client.connection.codec.protocol == "gochat_websocket":
        return client.code == disconnect.code
    last = client.bodies()[-1:]
    return client.code == 1006 and (disconnect.reconnect or [body["msg"] for body in last] == [disconnect.reason])


@PROTOCOLS
async def test_the_transcript_of_a_visit(rig: Rig, protocol: str) -> None:
    """Both transports say the same: who joins hears who is here, then the room, and after a switch only the new one."""
    ann = await rig.member(protocol, await rig.token("ann"), 1)
    await eventually(lambda: ann.shown(op=5))
    rig.deliver(1, "hello", "<world>")
    ann.join("ann", 2)
    await eventually(lambda: rig.hub.rooms[RoomName("room:2")].joined)
    rig.deliver(2, "here")

    assert ann.shown(op=5)[0] == {"op": 5, "roomId": 1, "count": 1, "roomUserInfo": {"1": "ann"}}
    assert [(body["roomId"], body["msg"]) for body in ann.shown(op=3)] == [(1, "hello"), (1, "<world>"), (2, "here")]
    assert ROOM not in rig.hub.rooms
    assert ann.code is None


@PROTOCOLS
async def test_bad_token_is_closed_without_a_word(rig: Rig, protocol: str) -> None:
    """gochat's clients see a bad session as a socket that was just closed."""
    client = rig.client(protocol)
    client.join("no such token", 1)
    await eventually(lambda: client.transport.lost)

    assert client.code == 1006
    assert client.bodies() == []


@PROTOCOLS
async def test_logic_that_is_away_closes_nobody_before_the_deadline(rig: Rig, protocol: str) -> None:
    """A client that comes while logic is away waits; it is served when logic is back."""
    rig.logic.failure = errors.Unavailable()
    client = rig.client(protocol)
    client.join(await rig.token("ann"), 1)
    await eventually(lambda: rig.logic.times("CheckSession") > 1)
    rig.logic.failure = None
    await eventually(lambda: client.connection.session)

    assert client.connection.session == session_of("ann")
    assert client.code is None


@PROTOCOLS
async def test_logic_that_stays_away_is_told_at_the_deadline(rig: Rig, protocol: str) -> None:
    """A client whose session nobody could check is told to try again later, not that its session is bad."""
    rig.logic.failure = errors.Unavailable()
    client = rig.client(protocol)
    client.join("ann", 1)
    rig.pass_time(client.connection.patience + 2)

    assert told(client, disconnects.TRY_AGAIN)


@PROTOCOLS
async def test_stranger_is_closed_at_the_deadline(rig: Rig, protocol: str) -> None:
    """A client that never says who it is does not live forever."""
    client = rig.client(protocol)
    rig.pass_time(client.connection.patience - 1)
    before = client.code
    rig.pass_time(3)

    assert before is None
    assert told(client, disconnects.UNAUTHENTICATED)


@PROTOCOLS
async def test_last_wish_counts_while_logic_thinks(rig: Rig, protocol: str) -> None:
    """A client that changes its mind before it is authenticated is put where it last wanted to be."""
    await rig.token("ann")
    rig.logic.answering.clear()
    client = rig.client(protocol)
    client.join("nobody", 1)
    client.join("ann", 2)
    rig.logic.answering.set()
    await eventually(lambda: client.connection.room)

    assert client.connection.room == "room:2"
    assert client.connection.user.name == "ann"


@PROTOCOLS
async def test_another_token_is_another_user(rig: Rig, protocol: str) -> None:
    """A member that shows another session becomes that session's user, and leaves everything of the first."""
    client = await rig.member(protocol, await rig.token("ann"), 1)
    client.join(await rig.token("bob"), 1)
    await eventually(lambda: client.connection.user.name == "bob")

    assert list(rig.hub.listeners(RoomName("user:1"))) == []
    assert list(rig.hub.listeners(RoomName("user:2"))) == [client.connection]
    assert list(rig.hub.listeners(ROOM)) == [client.connection]


@PROTOCOLS
async def test_user_has_a_bounded_number_of_connections(protocol: str) -> None:
    """The one too many is told so; the others live on, and one that leaves makes room."""
    async with Rig(limits=limits(per_user=2)).running() as rig:
        token = await rig.token("ann")
        first, second = [await rig.member(protocol, token, 1) for _ in range(2)]
        third = rig.client(protocol)
        third.join(token, 1)
        await eventually(lambda: third.code)
        first.transport.close()
        await eventually(lambda: first.connection.is_ending)
        fourth = await rig.member(protocol, token, 1)

        assert told(third, disconnects.TOO_MANY)
        assert second.code is None
        assert fourth.code is None


@PROTOCOLS
async def test_too_many_joins_close(rig: Rig, protocol: str) -> None:
    """A client that joins faster than the control rate is closed, and told why."""
    client = await rig.member(protocol, await rig.token("ann"), 1)
    for room in range(2, 40):
        if client.code is None:
            client.join("ann", room)

    assert told(client, disconnects.TOO_FAST)


@PROTOCOLS
async def test_slow_consumer_is_dropped(protocol: str) -> None:
    """A client that does not read is dropped when its outbox is over the bound; its neighbour misses nothing."""
    async with Rig(limits=limits(outbox_bytes=65_536)).running() as rig:
        slow = await rig.member(protocol, await rig.token("ann"), 1)
        reader = await rig.member(protocol, await rig.token("bob"), 1)
        slow.transport.is_stuck = True
        for offset in range(100):
            rig.deliver(1, "x" * 1000, offset=offset + 1)
        await eventually(lambda: slow.connection not in rig.host.open)

        assert slow.transport.unread < CONGESTED + 2000
        assert list(rig.hub.listeners(ROOM)) == [reader.connection]
        assert len(reader.shown(op=3)) == 100


@PROTOCOLS
async def test_reader_that_pauses_misses_nothing(rig: Rig, protocol: str) -> None:
    """What was held back while it did not read comes in its order when it does, and the same once more."""
    client = await rig.member(protocol, await rig.token("ann"), 1)
    for start in (0, 100):
        client.transport.is_stuck = True
        for offset in range(start, start + 100):
            rig.deliver(1, f"{offset}" + "x" * 1000, offset=offset + 1)
        waiting = client.transport.unread
        client.transport.read()

        assert waiting < CONGESTED + 2000
        assert len(client.shown(op=3)) == start + 100
    assert [body["msg"].rstrip("x") for body in client.shown(op=3)] == [str(number) for number in range(200)]


@PROTOCOLS
async def test_pause_without_a_write_is_no_end(rig: Rig, protocol: str) -> None:
    """A transport that fills up and empties before anything else is written goes on as if nothing had been."""
    client = await rig.member(protocol, await rig.token("ann"), 1)
    client.connection.pause_writing()
    client.connection.resume_writing()
    rig.deliver(1, "hello")

    assert [body["msg"] for body in client.shown(op=3)] == ["hello"]


@PROTOCOLS
async def test_what_was_held_back_comes_before_the_end(rig: Rig, protocol: str) -> None:
    """A slow reader that is told to go elsewhere gets what was written to it first."""
    client = await rig.member(protocol, await rig.token("ann"), 1)
    client.connection.pause_writing()
    rig.deliver(1, "hello")
    client.connection.close(disconnects.RESTART)

    assert [body["msg"] for body in client.shown(op=3)] == ["hello"]
    assert told(client, disconnects.RESTART)


@PROTOCOLS
async def test_close_leaves_at_once_and_waits_for_the_peer(rig: Rig, protocol: str) -> None:
    """A connection that is being closed hears nothing more, and is dropped if its peer does not end it."""
    client = await rig.member(protocol, await rig.token("ann"), 1)
    client.connection.close(disconnects.RESTART)
    rooms = dict(rig.hub.rooms)
    client.connection.close(disconnects.SESSION_ENDED)
    rig.pass_time(CLOSING_TIME + 2)
    await eventually(lambda: client.transport.lost)

    assert rooms == {}
    assert told(client, disconnects.RESTART)


@PROTOCOLS
async def test_peer_that_leaves_is_forgotten(rig: Rig, protocol: str) -> None:
    """Whatever ends a connection, hub, presence, deadlines and admission know it no more."""
    client = await rig.member(protocol, await rig.token("ann"), 1)
    client.transport.vanish()
    await eventually(lambda: not rig.host.open)
    rig.pass_time(2)
    await eventually(lambda: rig.presence.is_idle)

    assert rig.hub.rooms == {}
    assert rig.host.deadlines.sweep(rig.world.clock() + 1e6) == []


@PROTOCOLS
async def test_revoked_session_is_closed(rig: Rig, protocol: str) -> None:
    """A session that ends while its inbox is not registered is noticed when it is registered again."""
    client = await rig.member(protocol, await rig.token("ann"), 1)
    await eventually(lambda: rig.logic.times("CheckSessions"))
    await rig.world.accounts.revoke(session_of("ann"))
    rig.sessions.registered([RoomName("user:1")])
    await eventually(lambda: client.code)

    assert told(client, disconnects.SESSION_ENDED)


async def test_connections_over_the_limit_are_refused() -> None:
    """Beyond the limit a TCP client is told to try again, far beyond it is dropped, and each that leaves makes room."""
    async with Rig(limits=limits(connections=2, connecting=Rate(1000, 1000))).running() as rig:
        kept = [rig.client("tcp") for _ in range(2)]
        refused = rig.client("tcp")
        more = [rig.client("tcp") for _ in range(300)]
        kept[0].transport.close()
        for client in (refused, *more):
            client.transport.close()
        await eventually(lambda: len(rig.host.open) == 1)
        again = rig.client("tcp")

        assert refused.bodies()[-1]["code"] == 1
        assert "try again in 10 s" in refused.bodies()[-1]["msg"]
        assert more[-1].bodies() == []
        assert kept[1].code is None
        assert again.code is None


@PROTOCOLS
async def test_random_frames_end_a_connection_at_worst(protocol: str) -> None:
    """Whatever a member sends, nothing is raised: it is served, told, or closed; and then forgotten."""
    unlimited = limits(controls=Rate(1e6, 10**6), messages=Rate(1e6, 10**6), per_user=10_000)
    async with Rig(limits=unlimited).running() as rig:
        token = await rig.token("ann")
        ammunition = Ammunition(random.SystemRandom().randrange(10**6), token)
        client = await rig.member(protocol, token, 1)
        for _ in range(300):
            if client.connection.is_ending:
                client.transport.close()
                client = await rig.member(protocol, token, 1)
            shot = ammunition.websocket() if protocol == "websocket" else ammunition.tcp()
            client.connection.data_received(shot.data)
        client.transport.close()
        await eventually(lambda: not rig.host.open)

    assert rig.hub.rooms == {}
