"""The synthetic user's connections: one to each gateway.

Owns which gateways are expected to show its messages, and when each showed one. Does not own where they are (the
directory port) nor what follows from a silence (client.blame).

A gateway is expected to show messages from when it first let the user into its room, until it is not among the
gateways any more; and one that never did, after a minute, for until then it may be starting.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress

from chatcluster.client import Client, items
from chatcluster.client.blame import Heard
from chatcluster.client.events import Changed, Phase
from chatcluster.client.items import Position
from chatcluster.client.room import Room
from chatcluster.core import errors
from chatcluster.synthetic.account import Account

CONNECT_WITHIN = 5.0
"""Seconds for a connection to stand, and as many for the room to be joined."""
ANSWER_WITHIN = 2.0
"""Seconds for a gateway to say that it is there."""
STARTING = 60.0
"""Seconds that a gateway has to start."""
_PAUSE = 1.0
"""Seconds between two attempts at a gateway."""


class Ears:
    """All connections. `follow` has to run beside."""

    def __init__(self, account: Account, room: str) -> None:
        self._account = account
        self._room = room
        self._ears: dict[str, _Ear] = {}
        self._expected: dict[str, Delivery] = {}
        self._since = _now()

    async def follow(self, changes: AsyncIterator[frozenset[str]]) -> None:
        """Have a connection to each gateway of the newest set, for ever."""
        async with asyncio.TaskGroup() as tasks:
            running: dict[str, asyncio.Task[None]] = {}
            async for addresses in changes:
                for address in addresses - running.keys():
                    ear = self._ears[address] = _Ear(address, self._account, self._room, self._shown)
                    running[address] = tasks.create_task(ear.run(), name=f"gateway {address}")
                for address in running.keys() - addresses:
                    running.pop(address).cancel()
                    del self._ears[address]

    @property
    def listening(self) -> frozenset[str]:
        """The gateways that are expected to show messages."""
        return frozenset(address for address, ear in self._ears.items() if ear.reached or _now() > ear.since + STARTING)

    @property
    def is_starting(self) -> bool:
        """Whether no gateway can be expected to show anything yet."""
        return not self.listening and _now() <= self._since + STARTING

    def expect(self, message_id: str) -> "Delivery":
        """A message is going to be sent; `forget` it in the end."""
        delivery = self._expected[message_id] = Delivery(self.listening)
        return delivery

    def forget(self, message_id: str) -> None:
        """Nobody waits for it any more."""
        del self._expected[message_id]

    async def heard(self, delivery: "Delivery") -> dict[str, Heard]:
        """What each gateway did about a message; one that has gone meanwhile did nothing wrong."""
        silent = delivery.missing & self._ears.keys()
        answers = await asyncio.gather(*(self._ears[address].answers() for address in silent))
        missing = {
            address: Heard.DEAF if answered else Heard.SILENT
            for address, answered in zip(silent, answers, strict=True)
            if address in self._ears
        }
        return {**dict.fromkeys(delivery.shown, Heard.SHOWN), **missing}

    def _shown(self, address: str, message_id: str) -> None:
        if delivery := self._expected.get(message_id):
            delivery.show(address)


class Delivery:
    """What has become of one message."""

    def __init__(self, gateways: Iterable[str]) -> None:
        self.began = _now()
        self.shown: dict[str, float] = {}
        """After how many seconds each gateway has shown it."""
        self.missing = set(gateways)
        """Those that have yet to show it."""
        self._all = asyncio.Event()
        self._look()

    def show(self, address: str) -> None:
        """A gateway has shown it."""
        if address in self.missing:
            self.missing.discard(address)
            self.shown[address] = _now() - self.began
            self._look()

    async def complete(self, within: float) -> None:
        """Wait until all gateways have shown it, for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._all.wait()

    def _look(self) -> None:
        if not self.missing:
            self._all.set()


class _Ear:
    """One gateway."""

    def __init__(self, address: str, account: Account, room: str, shown: Callable[[str, str], None]) -> None:
        self.since = _now()
        self.reached = False
        self._address = address
        self._account = account
        self._room = room
        self._shown = shown
        self._position: Position | None = None
        self._chat: Client | None = None

    async def run(self) -> None:
        """Be in the room there, for ever."""
        while True:
            with suppress(errors.ChatError, TimeoutError):  # what does not show shows in the rounds
                await self._listen(await self._account.token())
            await asyncio.sleep(_PAUSE)

    async def answers(self) -> bool:
        """Whether the gateway says that it is there."""
        if self._chat is None:
            return False
        with suppress(errors.ChatError, TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._chat.ping()
                return True
        return False

    async def _listen(self, token: str) -> None:
        """Hear the room as long as one connection lasts."""
        lost = asyncio.Event()

        def changed(change: Changed) -> None:
            if change.phase is not Phase.OPEN:
                lost.set()

        url = f"ws://{self._address}/ws"
        try:
            async with Client.connect(url, token=token, within=CONNECT_WITHIN, on_change=changed) as chat:
                lost.clear()
                async with asyncio.timeout(CONNECT_WITHIN):
                    room = await chat.join(self._room, since=self._position)
                self._chat, self.reached = chat, True
                await self._hear(room, lost)
        except errors.SessionEnded:
            self._account.ended(token)
        finally:
            self._chat = None

    async def _hear(self, room: Room, lost: asyncio.Event) -> None:
        reading, ending = asyncio.create_task(self._read(room)), asyncio.create_task(lost.wait())
        try:
            await asyncio.wait([reading, ending], return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            reading.cancel()
            ending.cancel()
            await asyncio.wait([reading, ending])

    async def _read(self, room: Room) -> None:
        async for item in room:
            self._position = room.position
            if isinstance(item, items.Message):
                self._shown(self._address, item.id)


def _now() -> float:
    return asyncio.get_running_loop().time()
