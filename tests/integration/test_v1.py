"""v1 over real gateways: what docs/protocol.md promises across processes and their deaths."""

import asyncio
import itertools
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from chatcluster.frames.exchanges import SUBPROTOCOL
from support.asyncapi import Conversation
from support.canaries import PASSWORD
from support.eventually import eventually
from support.system import System

ROOM = "room:lobby"


class Talk:
    """One client: requests, and all frames that came."""

    def __init__(self, send: Callable[[str], Any]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self.frames: list[dict[str, Any]] = []

    async def call(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Ask, and return the answer."""
        number = next(self._numbers)
        await self._send(json.dumps({"type": kind, "id": number, **fields}))
        await eventually(lambda: self._answers(number), what=f"answer to {kind}")
        return self._answers(number)[0]

    def _answers(self, number: int) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame.get("id") == number]

    def texts(self, room: str = ROOM) -> list[str]:
        """What was shown of a room, in its order."""
        shown: list[str] = []
        for frame in self.frames:
            if frame.get("room") == room:
                shown += [each["text"] for each in ([frame] if "text" in frame else frame.get("publications", ()))]
        return shown

    def position(self, room: str = ROOM) -> dict[str, Any]:
        """Where the client stands."""
        place: dict[str, Any] = {}
        for frame in self.frames:
            if frame.get("room") == room and "epoch" in frame:
                place = {"epoch": frame["epoch"], "offset": frame["offset"]}
        return place


@asynccontextmanager
async def websocket(url: str) -> AsyncIterator[Talk]:
    """A client over a websocket; frames go on coming until it is closed."""
    async with connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None) as socket:
        assert socket.subprotocol == SUBPROTOCOL
        talk = Talk(socket.send)
        reading = asyncio.create_task(_read(socket, talk))
        yield talk
        reading.cancel()


async def _read(socket: ClientConnection, talk: Talk) -> None:
    async for frame in socket:
        talk.frames.append(json.loads(frame))


class Tcp:
    """A client over TCP."""

    def __init__(self, host: str, port: int) -> None:
        self._place = host, port
        self._conversation = Conversation()

    async def __aenter__(self) -> Talk:
        self._reader, self._writer = await asyncio.open_connection(*self._place)
        self._talk = Talk(self._send)
        self._reading = asyncio.create_task(self._read())
        return self._talk

    async def __aexit__(self: Self, *_: object) -> None:
        self._reading.cancel()
        self._writer.close()

    async def _send(self, text: str) -> None:
        payload = text.encode()
        self._conversation.asked(payload)
        self._writer.write(struct.pack(">2sh", b"v1", len(payload) + 4) + payload)

    async def _read(self) -> None:
        while True:
            _, size = struct.unpack(">2sh", await self._reader.readexactly(4))
            payload = await self._reader.readexactly(size - 4)
            self._conversation.told(payload)
            if payload != b"ping msg":
                self._talk.frames.append(json.loads(payload))


@pytest.fixture
async def token(system: System) -> Callable[[str], Any]:
    """Return a function that registers a user and returns the session's token."""

    async def register(name: str) -> str:
        async with httpx.AsyncClient(base_url=system.api_url, trust_env=False, timeout=30) as client:
            answer = await client.post("/user/register", json={"userName": name, "passWord": PASSWORD})
            return str(answer.json()["data"])

    return register


async def test_two_gateways_and_both_transports(system: System, token: Callable[[str], Any]) -> None:
    """A room and a private message reach every client that should have them, once and in order."""
    ann, bob = await token("ann"), await token("bob")
    async with (
        websocket(system.websocket_url(0)) as one,
        websocket(system.websocket_url(1)) as two,
        Tcp("127.0.0.1", system.connect[1].ports["tcp"]) as three,
    ):
        for talk, shown in ((one, ann), (two, bob), (three, bob)):
            user = (await talk.call("auth", token=shown))["user"]
            assert (await talk.call("join", room=ROOM))["joined"]
            assert (await talk.call("join", room=f"user:{user['id']}"))["joined"]
        for number in range(20):
            assert (await one.call("send", room=ROOM, message_id=f"m{number}", text=str(number)))["type"] == "ok"
        assert (await one.call("send", user=2, message_id="p", text="psst"))["room"] == "dm:1:2"

        expected = [str(number) for number in range(20)]
        await eventually(lambda: one.texts() == two.texts() == three.texts() == expected)
        await eventually(lambda: one.texts("user:1") == two.texts("user:2") == three.texts("user:2") == ["psst"])


async def test_hints_reach_the_room(system: System, token: Callable[[str], Any]) -> None:
    """Typing and read positions, by way of logic and task, to clients of the other gateway."""
    ann, bob = await token("ann"), await token("bob")
    async with websocket(system.websocket_url(0)) as one, websocket(system.websocket_url(1)) as two:
        for talk, shown in ((one, ann), (two, bob)):
            await talk.call("auth", token=shown)
            await talk.call("join", room=ROOM)
        stored = await one.call("send", room=ROOM, message_id="m", text="hello")
        place = {"epoch": stored["epoch"], "offset": stored["offset"]}
        assert (await one.call("typing", room=ROOM))["type"] == "ok"
        assert (await one.call("read", room=ROOM, **place))["type"] == "ok"

        user = {"id": 1, "name": "ann"}
        await eventually(lambda: {"type": "typing", "room": ROOM, "user": user} in two.frames)
        await eventually(lambda: {"type": "read", "room": ROOM, "user": user, **place} in two.frames)


async def test_hints_of_a_conversation_reach_all_devices_of_both(system: System, token: Callable[[str], Any]) -> None:
    """Over their inboxes, on either gateway and transport; nobody has joined the conversation."""
    ann, bob = await token("ann"), await token("bob")
    async with (
        websocket(system.websocket_url(0)) as one,
        websocket(system.websocket_url(1)) as two,
        Tcp("127.0.0.1", system.connect[1].ports["tcp"]) as three,
    ):
        for talk, shown in ((one, ann), (two, bob), (three, ann)):
            user = (await talk.call("auth", token=shown))["user"]
            assert (await talk.call("join", room=f"user:{user['id']}"))["joined"]
        stored = await one.call("send", user=2, message_id="p", text="psst")
        place = {"epoch": stored["epoch"], "offset": stored["offset"]}
        assert (await two.call("typing", room="dm:1:2"))["type"] == "ok"
        assert (await two.call("read", room="dm:1:2", **place))["type"] == "ok"

        told = {"user": {"id": 2, "name": "bob"}, "conversation": "dm:1:2"}
        for talk, inbox in ((one, "user:1"), (two, "user:2"), (three, "user:1")):
            typing, read = {"type": "typing", "room": inbox, **told}, {"type": "read", "room": inbox, **told, **place}
            await eventually(partial(_has_heard, talk, typing, read), what=f"hints in {inbox}")


def _has_heard(talk: Talk, *frames: dict[str, Any]) -> bool:
    return all(frame in talk.frames for frame in frames)


async def test_a_client_of_a_gateway_that_dies_goes_on_at_another(system: System, token: Callable[[str], Any]) -> None:
    """With its position: what was said meanwhile comes first, and nothing comes twice."""
    ann, bob = await token("ann"), await token("bob")
    async with websocket(system.websocket_url(1)) as sender:
        await sender.call("auth", token=ann)
        async with websocket(system.websocket_url(0)) as before:
            await before.call("auth", token=bob)
            await before.call("join", room=ROOM)
            for number in range(5):
                await sender.call("send", room=ROOM, message_id=f"a{number}", text=f"a{number}")
            await eventually(lambda: len(before.texts()) == 5)
            await system.connect[0].kill()
        for number in range(5):
            await sender.call("send", room=ROOM, message_id=f"b{number}", text=f"b{number}")
        async with websocket(system.websocket_url(1)) as after:
            await after.call("auth", token=bob)
            answer = await after.call("join", room=ROOM, since=before.position())
            await sender.call("send", room=ROOM, message_id="c", text="c")
            await eventually(lambda: "c" in after.texts())

    assert answer["recovered"]
    assert before.texts() + after.texts() == [*(f"a{n}" for n in range(5)), *(f"b{n}" for n in range(5)), "c"]


async def test_a_drain_warns_and_closes_in_order(system: System, token: Callable[[str], Any]) -> None:
    """`reconnect` first, then the close code by which a client comes back."""
    shown = await token("ann")
    async with connect(system.websocket_url(0), subprotocols=[Subprotocol(SUBPROTOCOL)]) as socket:
        await socket.send(json.dumps({"type": "auth", "id": 1, "token": shown}))
        assert json.loads(await socket.recv())["type"] == "ok"
        stopping = asyncio.create_task(system.connect[0].stop())

        assert json.loads(await socket.recv())["type"] == "reconnect"
        await socket.wait_closed()

        assert socket.close_code == 1012
        assert await stopping == 0
