"""A gateway on real sockets, with clients that were written by others."""

import asyncio
import json
import socket
from contextlib import suppress

import pytest
import websockets
from prometheus_client import REGISTRY
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chatcluster.connect import drain, framing
from chatcluster.core.ids import RoomName
from chatcluster.core.rates import Rate
from chatcluster.frames import disconnects
from support import live_gateway
from support.eventually import eventually
from support.gateway import limits
from support.live_gateway import LiveGateway, bodies, frames


def disconnected(disconnect: disconnects.Disconnect) -> float:
    """How many connections ended so."""
    return REGISTRY.get_sample_value("chat_disconnects_total", {"code": str(disconnect.code)}) or 0


async def closed(client: ClientConnection) -> int | None:
    """The code with which the server closed."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(10):
            async for _ in client:
                pass
    return client.close_code


async def test_room_across_both_protocols() -> None:
    """A websocket and a TCP client in one room see each other, and the same publications in the same order."""
    async with live_gateway.running() as live, live.websocket() as ann, live.tcp() as (reader, writer):
        await live.member(ann, await live.token("ann"), 1)
        token = await live.token("bob")
        await live.join_tcp(writer, token, 1)
        send = {"authToken": token, "roomId": 1, "op": 3, "msg": "from tcp"}
        writer.write(framing.frame(json.dumps(send).encode()))
        await eventually(lambda: live.logic.times("Publish"))
        await live.publish(1, *(f"message {n}" for n in range(100)))
        seen = [body["msg"] for body in await bodies(ann, 3, 101)]
        heard = [body["msg"] for body in await frames(reader, 3, 101)]

        assert seen == heard == ["from tcp", *(f"message {n}" for n in range(100))]


async def test_private_message_reaches_all_devices_of_its_recipient() -> None:
    """Through the inbox, which every connection hears, in a room or in none; its sender is not shown an own copy."""
    async with live_gateway.running() as live, live.websocket() as ann, live.websocket() as bob, live.tcp() as tablet:
        await live.member(ann, await live.token("ann"), 1)
        bobs = await live.token("bob")
        await bob.send(json.dumps({"authToken": bobs, "roomId": -1}))
        await live.join_tcp(tablet[1], bobs, 2)
        await live.heard(RoomName("user:1"), 1)
        await live.heard(RoomName("user:2"), 2)
        await live.publish_private(1, 2, "for bob")
        await live.publish_private(2, 1, "for ann")
        at_ann, at_bob = await bodies(ann, 2, 1), await bodies(bob, 2, 1)
        at_tablet = await frames(tablet[0], 2, 1)

        assert [body["msg"] for body in at_ann] == ["for ann"]
        assert [body["msg"] for body in at_bob + at_tablet] == ["for bob", "for bob"]


async def test_library_clients_see_what_gochat_shows() -> None:
    """A bad token ends as 1006, an oversized message as 1009, a wrong path as 404."""
    async with live_gateway.running() as live:
        async with live.websocket() as client:
            await client.send(json.dumps({"authToken": "nobody", "roomId": 1}))
            bad = await closed(client)
        async with live.websocket() as client:
            await client.send("x" * 5000)
            big = await closed(client)
        with pytest.raises(InvalidStatus) as caught:
            await websockets.connect(live.uri.removesuffix("ws"), proxy=None)

    assert (bad, big, caught.value.response.status_code) == (1006, 1009, 404)


async def test_silent_websocket_is_dropped_and_a_living_one_stays() -> None:
    """With intervals made short: who answers pings lives on."""
    short = limits(ping_interval=0.4, ping_timeout=0.2)
    before = disconnected(disconnects.SILENT)
    async with live_gateway.running(short) as live, live.websocket() as ann:
        await live.member(ann, await live.token("ann"), 1)
        silent = socket.create_connection(("127.0.0.1", live.ports.websocket))
        silent.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            b"\x81\x9e\x00\x00\x00\x00" + b'{"authToken":"ann","roomId":2}'
        )
        await eventually(lambda: disconnected(disconnects.SILENT) == before + 1)
        await live.publish(1, "still here")
        silent.close()

        assert [body["msg"] for body in await bodies(ann, 3, 1)] == ["still here"]


async def test_reader_that_stops_is_cut_off_and_its_neighbours_miss_nothing() -> None:
    """The outbox is bounded: what it cannot hold ends the connection, and is counted."""
    before = REGISTRY.get_sample_value("chat_outbox_overflows_total") or 0
    tight = limits(outbox_bytes=65_536, send_buffer_bytes=16_384)
    async with live_gateway.running(tight) as live, live.websocket() as ann, live.tcp() as (_, writer):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await live.member(ann, await live.token("ann"), 1)
        await live.join_tcp(writer, await live.token("bob"), 1)
        seen: list[str] = []
        reading = asyncio.create_task(_read(ann, seen))
        sent = 0
        async with asyncio.timeout(30):
            while live.listeners(1) > 1:
                await live.publish(1, *(f"{number} {'x' * 1000}" for number in range(sent, sent + 10)))
                sent += 10
        await eventually(lambda: len(seen) == sent)
        reading.cancel()

        assert [text.split()[0] for text in seen] == [str(number) for number in range(sent)]
        assert (REGISTRY.get_sample_value("chat_outbox_overflows_total") or 0) == before + 1


async def _read(client: ClientConnection, seen: list[str]) -> None:
    async for frame in client:
        body = json.loads(frame)
        seen += [body["msg"]] if body["op"] == 3 else []


async def test_storm_is_refused_and_then_served() -> None:
    """Handshakes above the rate get 503 and are taken when they come again."""
    async with live_gateway.running(limits(connecting=Rate(5, 5))) as live:
        results = await asyncio.gather(*(_visit(live) for _ in range(20)))
        await eventually(lambda: _visit(live), what="a visit after the storm")

    assert sorted(set(results)) == [False, True]
    assert sum(results) <= 7


async def _visit(live: LiveGateway) -> bool:
    try:
        async with live.websocket():
            return True
    except InvalidStatus as refused:
        if refused.response.status_code != 503 or refused.response.headers["Retry-After"] != "1":
            raise
        return False


async def test_draining_gateway_sends_everybody_away_and_leaves_nothing() -> None:
    """Everyone is told 1012, the rooms are given up, the lease is released, nobody new is taken."""
    async with live_gateway.running() as live, live.websocket() as ann, live.tcp() as (reader, writer):
        await live.member(ann, await live.token("ann"), 1)
        await live.join_tcp(writer, await live.token("bob"), 1)
        draining = asyncio.create_task(drain.drain(live.gateway, 5.0))
        code = await closed(ann)
        async with asyncio.timeout(10):
            while await reader.read(1000):
                pass
        writer.close()
        await draining
        with pytest.raises(OSError, match=r".*"):
            await asyncio.open_connection("127.0.0.1", live.ports.tcp)
        leases = await live.world.presence.gateways()
        presence = await live.world.presence.room(RoomName("room:1"))
        unregistered = live.logic.times("UnregisterRooms")

    assert code == disconnects.RESTART.code
    assert leases == {}
    assert presence.count == 0
    assert unregistered >= 1
    assert not live.gateway.readiness.ready
