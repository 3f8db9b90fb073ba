"""The Python client on real sockets, against a model of a gateway that does what a test asks for."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from chatcluster.client import Client, failures, items
from chatcluster.client.events import Changed, Phase
from chatcluster.client.room import Room
from chatcluster.client.transport import SUBPROTOCOL
from chatcluster.core import errors
from support.eventually import eventually
from support.model_gateway import ModelGateway


class LiveModel:
    """The model behind a websocket; it has one connection at a time, and keeps its rooms between them."""

    def __init__(self) -> None:
        self.model = ModelGateway()
        self.url = ""
        self.connection: ServerConnection | None = None
        self.connections = 0
        self.heard: list[str] = []
        """The types of all requests."""
        self.silent = False
        """Requests are taken and not answered."""

    async def serve(self, connection: ServerConnection) -> None:
        """Serve a connection to its end."""
        self.connection, self.connections = connection, self.connections + 1
        try:
            async for text in connection:
                self.heard.append(json.loads(text)["type"])
                if not self.silent:
                    self.model.hear(str(text))
                    await self.flush()
        except ConnectionClosed:
            pass
        finally:
            self.model.disconnect()

    async def flush(self) -> None:
        """Send what the model has to say."""
        assert self.connection
        while self.model.said:
            await self.connection.send(self.model.said.pop(0))

    async def publish(self, text: str) -> None:
        """Somebody else says something in room 1."""
        self.model.publish("room:1", text, text)
        if self.connection:
            await self.flush()

    async def end(self, code: int = 1012, reason: str = "") -> None:
        """Close the connection."""
        assert self.connection
        await self.connection.close(code, reason)


@pytest.fixture
async def gateway() -> AsyncIterator[LiveModel]:
    """Yield a gateway that listens."""
    live = LiveModel()
    async with serve(live.serve, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL]) as server:
        live.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        yield live


async def texts(room: Room, count: int) -> list[str]:
    """Take so many items: texts of messages, names of anything else."""
    found: list[str] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            item = await anext(room)
            found.append(item.text if isinstance(item, items.Message) else type(item).__name__)
    return found


async def test_messages_are_sent_and_shown(gateway: LiveModel) -> None:
    """What is sent is stored where the receipt says, and comes back in the iteration."""
    async with Client.connect(gateway.url, token="good") as chat:
        room = await chat.join("room:1")
        receipts = [await room.send(text) for text in ("one", "two")]

        assert await texts(room, 2) == ["one", "two"]
        assert [receipt.position.offset for receipt in receipts] == [1, 2]
        assert room.position == receipts[1].position
        assert chat.user == items.User(1, "ada")
        assert await chat.ping() == 1


async def test_a_lost_connection_costs_nothing(gateway: LiveModel) -> None:
    """What was said meanwhile is shown once and in order, and the application is told of both changes."""
    changes: list[Changed] = []
    async with Client.connect(gateway.url, token="good", on_change=changes.append) as chat:
        room = await chat.join("room:1")
        await gateway.publish("before")
        await gateway.end()
        for text in ("one", "two", "three", "four", "five"):
            gateway.model.publish("room:1", text, text)

        assert await texts(room, 6) == ["before", "one", "two", "three", "four", "five"]

    assert [change.phase for change in changes] == [Phase.OPEN, Phase.AWAY, Phase.OPEN, Phase.OVER]


async def test_a_message_without_an_answer_is_sent_again_and_stored_once(gateway: LiveModel) -> None:
    """The answer is lost with the connection; the next one brings it."""
    async with Client.connect(gateway.url, token="good") as chat:
        room = await chat.join("room:1")
        gateway.silent = True
        sending = asyncio.create_task(room.send("hi", message_id="m1"))
        await eventually(lambda: "send" in gateway.heard)
        gateway.model.publish("room:1", "m1", "hi")
        gateway.model.said.clear()
        gateway.silent = False
        await gateway.end(1011)
        receipt = await asyncio.wait_for(sending, 20)

        assert receipt.repeated
        assert await texts(room, 1) == ["hi"]


async def test_a_stopping_gateway_is_left_when_it_says(gateway: LiveModel) -> None:
    """After `reconnect` the client changes over without waiting for the close."""
    async with Client.connect(gateway.url, token="good") as chat:
        room = await chat.join("room:1")
        gateway.model.speak(type="reconnect", after_ms=1)
        await gateway.flush()
        await eventually(lambda: gateway.connections == 2)
        await gateway.publish("after")

        assert await texts(room, 1) == ["after"]


async def test_what_the_store_lost_is_told(gateway: LiveModel) -> None:
    """A reset, and what takes the place of what was lost."""
    async with Client.connect(gateway.url, token="good") as chat:
        room = await chat.join("room:1")
        for text in ("one", "two"):
            await gateway.publish(text)

        assert await texts(room, 2) == ["one", "two"]

        gateway.model.forget_tail("room:1", 1)
        await gateway.publish("other")

        assert await texts(room, 3) == ["Reset", "NotRecovered", "other"]


@pytest.mark.parametrize("code", [4502, 4503])
async def test_a_close_that_forbids_it_ends_the_client(gateway: LiveModel, code: int) -> None:
    """The iteration raises what the code means, and so does every later call; nothing is tried again."""
    async with Client.connect(gateway.url, token="good") as chat:
        room = await chat.join("room:1")
        await gateway.end(code, "because")
        with pytest.raises((errors.SessionEnded, failures.Closed), match="because"):
            await texts(room, 1)
        with pytest.raises((errors.SessionEnded, failures.Closed)):
            await room.send("late")

    assert gateway.connections == 1


async def test_a_bad_token_is_told_at_once(gateway: LiveModel) -> None:
    """Entering the block raises, and leaves nothing behind."""
    with pytest.raises(errors.SessionEnded):
        async with Client.connect(gateway.url, token="bad"):
            pass


async def test_a_gateway_that_is_not_there_is_named() -> None:
    """The error says where nobody was, and comes in time."""
    with pytest.raises(errors.Unavailable, match="ws://127.0.0.1:1/ws"):
        async with Client.connect("ws://127.0.0.1:1/ws", token="good", within=0.3):
            pass


async def test_a_second_gateway_takes_over(gateway: LiveModel) -> None:
    """Of several addresses each is tried in turn."""
    async with Client.connect(["ws://127.0.0.1:1/ws", gateway.url], token="good") as chat:
        assert chat.is_connected


async def test_another_websocket_is_not_taken_for_a_gateway() -> None:
    """A server that does not speak the subprotocol is told apart from one that is away."""
    async with serve(lambda connection: connection.wait_closed(), "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        with pytest.raises(errors.Unavailable, match=str(SUBPROTOCOL)):
            async with Client.connect(url, token="good", within=0.5):
                pass


async def test_a_gateway_that_is_full_says_when_to_come_back() -> None:
    """A refused handshake is waited out for as long as it asks, and told with its text."""
    seen: list[float] = []

    async def refuse(connection: ServerConnection, request: Request) -> Response:
        seen.append(asyncio.get_running_loop().time())
        response = connection.respond(503, "full: try again later\n")
        response.headers["Retry-After"] = "1"
        return response

    async def nothing(connection: ServerConnection) -> None:
        raise AssertionError

    options = {"subprotocols": [Subprotocol(SUBPROTOCOL)]}
    async with serve(nothing, "127.0.0.1", 0, process_request=refuse, **options) as server:  # type: ignore[arg-type]
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        with pytest.raises(errors.Unavailable, match="full"):
            async with Client.connect(url, token="good", within=3):
                pass

    assert len(seen) > 1
    assert seen[1] - seen[0] >= 1


async def test_leaving_ends_the_iteration(gateway: LiveModel) -> None:
    """A loop over a room that is left ends by itself, also while it waits; the room can be joined again."""
    async with Client.connect(gateway.url, token="good") as chat:
        async with await chat.join("room:1") as room:
            waiting = asyncio.create_task(anext(room, None))
            await asyncio.sleep(0)
        assert await asyncio.wait_for(waiting, 5) is None
        assert (await chat.join("room:1")).name == "room:1"


async def test_closing_ends_iterations_and_calls(gateway: LiveModel) -> None:
    """A loop ends with the client's block; a call that waits is told that its outcome is unknown."""
    async with Client.connect(gateway.url, token="good") as chat:
        room = await chat.join("room:1")
        waiting = asyncio.create_task(anext(room, None))
        gateway.silent = True
        sending = asyncio.create_task(room.send("hi"))
        await eventually(lambda: "send" in gateway.heard)

    assert await waiting is None
    with pytest.raises(errors.OutcomeUnknown):
        await sending


async def test_an_application_that_takes_nothing_holds_up_nobody(gateway: LiveModel) -> None:
    """Beyond the bound a room leaves messages with the server and reads them later; other rooms go on."""
    async with Client.connect(gateway.url, token="good") as chat:
        slow = await chat.join("room:1", bound=4)
        other = await chat.join("room:2")
        for number in range(20):
            await gateway.publish(str(number))
        await other.send("hi")

        assert await texts(other, 1) == ["hi"]
        assert slow.track.waiting == 4
        assert await texts(slow, 20) == [str(number) for number in range(20)]
