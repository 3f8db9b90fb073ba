"""The Python client against a whole system that is hurt while it talks."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from chatcluster.client import Client, items
from chatcluster.client.rest import Rest
from chatcluster.client.room import Room
from support.eventually import eventually
from support.system import System

MESSAGES = 40
ROOT = Path(__file__).parent.parent.parent


@dataclass
class Reader:
    """What somebody is shown of a room."""

    room: Room
    shown: list[items.Message] = field(default_factory=list)
    notices: list[items.Item] = field(default_factory=list)

    async def read(self) -> None:
        """Take whatever comes, until the room is left."""
        async for item in self.room:
            if isinstance(item, items.Message):
                self.shown.append(item)
            else:
                self.notices.append(item)

    def has(self, count: int) -> bool:
        """Whether so many messages were shown."""
        return len(self.shown) >= count

    @property
    def texts(self) -> list[str]:
        """What was shown."""
        return [message.text for message in self.shown]


async def _token(system: System, name: str) -> str:
    async with Rest(system.api_url) as rest:
        return (await rest.register(name, "secret")).token


def _gateways(system: System) -> list[str]:
    return [system.websocket_url(0), system.websocket_url(1)]


async def _hurt(system: System) -> None:
    """Kill what a conversation goes through, one after another, and bring it back."""
    for process in (system.connect[0], system.task[0], system.connect[1], system.logic[0]):
        await process.kill()
        await process.start()
    await system.redis.restart()
    await system.connect[0].restart()


async def test_a_conversation_survives_everybody_it_goes_through(system: System) -> None:
    """Gateways, task, logic and Redis go and come back while two users talk: every message is shown once, in the
    order of the room, where its sender was told, and nobody was told that anything is gone.
    """
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(Client.connect(urls, token=await _token(system, name)))
            for name, urls in (("ann", _gateways(system)), ("bob", _gateways(system)[::-1]))
        ]
        readers = [Reader(await chat.join("room:1")) for chat in clients]
        private = Reader(await clients[1].inbox())
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        for reader in (*readers, private):
            tasks.create_task(reader.read())
        hurting = tasks.create_task(_hurt(system))
        receipts = await asyncio.gather(
            *(_talk(chat, reader.room, clients[1].user.id) for chat, reader in zip(clients, readers, strict=True))
        )
        await hurting
        stored = list((await readers[0].room.history(limit=1000)).messages)
        for reader in readers:
            await eventually(partial(reader.has, len(stored)), within=60)
        await eventually(partial(private.has, MESSAGES), within=60)
        for reader in (*readers, private):
            reader.room.leave()

    assert len(stored) == 2 * MESSAGES
    for reader in readers:
        assert reader.shown == stored
        assert reader.notices == []
    for chat, sent in zip(clients, receipts, strict=True):
        mine = [(message.id, message.position) for message in stored if message.sender == chat.user]
        assert mine == [(receipt.message_id, receipt.position) for receipt in sent]
    assert [text for text in private.texts if text.startswith("ann")] == [f"ann {n}" for n in range(MESSAGES)]
    assert private.notices == []


async def _talk(chat: Client, room: Room, other: int) -> list[items.Receipt]:
    """Send messages to the room, and one's own name's as often to a person; returns the room's receipts."""
    receipts = []
    for number in range(MESSAGES):
        receipts.append(await room.send(f"{number}"))
        if chat.user.id != other:
            await chat.send_to(other, f"{chat.user.name} {number}")
    return receipts


async def test_the_example_bot_answers(system: System) -> None:
    """The program of README, as it stands: it logs in, finds the gateways, and answers each ping once."""
    api = system.api[0]
    api.environ = {**api.environ, "CHATCLUSTER_API_WEBSOCKET_URL": ",".join(_gateways(system))}
    await api.restart()
    await _token(system, "pong")
    environ = {**os.environ, "CHATCLUSTER_CLI_API": system.api_url, "BOT_PASSWORD": "secret"}
    command = (sys.executable, "-P", str(ROOT / "examples" / "bot.py"), "pong")
    async with Client.connect(_gateways(system), token=await _token(system, "ann")) as chat:
        bot = await asyncio.create_subprocess_exec(*command, env=environ)
        try:
            room = await chat.join("room:1")
            await eventually(lambda: _is_there(room), within=60)
            await room.send("!ping")
            async with asyncio.timeout(30):
                found = [await anext(room), await anext(room)]
        finally:
            bot.terminate()
            await bot.wait()

    assert [item.text for item in found if isinstance(item, items.Message)] == ["!ping", "pong, ann"]


async def _is_there(room: Room) -> bool:
    return (await room.members()).count == 2
