"""What is said on real websockets is held to the AsyncAPI document, whoever's client it is."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from chatcluster.client.client import Client
from chatcluster.frames.exchanges import SUBPROTOCOL
from support import asyncapi, live_gateway
from support.asyncapi import SEEN, Wrong

V1 = [Subprotocol(SUBPROTOCOL)]


async def test_the_python_client_is_watched() -> None:
    """Each of its requests, with its answer."""
    SEEN.clear()
    async with live_gateway.running() as live:
        token = await live.token("ann")
        async with Client.connect(live.uri, token=token) as chat:
            room = await chat.join("room:1")
            await room.send("hello", message_id="m")

    said = {"auth", "join", "send"}
    assert {name for name, count in SEEN.items() if count} >= said | {f"{name}Ok" for name in said}


async def test_a_wrong_frame_on_a_socket_is_caught() -> None:
    """Of a server that takes itself for a gateway, and of a client; what is meant to be wrong is not."""

    async def speak(socket: ServerConnection) -> None:
        for _ in range(2):
            await socket.send(json.dumps({"type": "ok", "id": json.loads(await socket.recv())["id"], "time": "late"}))
        await socket.close(1011)

    async with (
        serve(speak, "127.0.0.1", 0, subprotocols=V1, server_header=None) as server,
        connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", subprotocols=V1) as client,
    ):
        await client.send('{"type": "ping", "id": 1}')
        await client.recv()
        with pytest.raises(AssertionError, match="a gateway said"):
            asyncapi.verdict()
        await client.send('{"type": "ping", "id": 2, "loud": true}')
        with pytest.raises(AssertionError, match="a client said"):
            asyncapi.verdict()
        await client.recv()
        with pytest.raises(AssertionError, match="2 frames"):
            asyncapi.verdict()
        await client.wait_closed()
        with pytest.raises(AssertionError, match="closed with 1011"):
            asyncapi.verdict()


async def test_a_gateway_refuses_what_the_document_does_not_allow() -> None:
    """A test may ask wrongly when it says so."""
    async with live_gateway.running() as live, live.websocket(subprotocols=V1) as client:
        await client.send(json.dumps({"type": "auth", "id": 1, "token": await live.token("ann")}))
        await client.recv()
        await client.send(Wrong('{"type": "ping", "id": 2, "loud": true}'))
        assert json.loads(await client.recv())["code"] == "invalid"
        await client.send(Wrong("hello"))
        with pytest.raises(ConnectionClosed):
            await client.recv()

    assert client.close_code == 4505
