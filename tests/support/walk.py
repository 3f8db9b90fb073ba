"""Users of the Python client who talk, come and go while the system is hurt, in an order drawn from a seed; at every
quiet point what each was shown has to be what is stored.

Owns the steps, and what holds when nothing is under way. Does not own what a client may show (shown). The text of every
message is its id, of which one part counts the messages of its sender up. Each user reaches each gateway by a wire
(proxy) of their own.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Self

from chatcluster.client import Client
from chatcluster.client.items import BEGINNING, Receipt
from chatcluster.client.room import Room
from support import proxy
from support.eventually import eventually
from support.proxy import Proxy
from support.rest import Api, Lost, User
from support.shown import Shown
from support.system import System

ROOMS = ("room:1", "room:2", "room:3")
NAMES = ("ann", "bob", "cyd")
CALM = ("talk",) * 6 + ("whisper",) * 4 + ("cut", "cut", "stall", "join", "leave", "leave", "hold", "kill")
"""The steps of a round, in any order."""
SETTLED = 120.0
"""Seconds until everything that is under way has come to its end: a client that lost one connection after another waits
30 s before the next."""


@dataclass
class Followed:
    """What somebody reads of a room; it may be left, and read on later."""

    path: str
    shown: Shown = field(default_factory=Shown)
    room: Room | None = None
    reading: asyncio.Task[None] | None = None
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared while the application takes nothing."""
    faults: list[AssertionError] = field(default_factory=list)

    def follow(self, room: Room) -> None:
        """Read what the room shows from now on."""
        self.room, self.reading = room, asyncio.create_task(self._read(room))
        self.flows.set()

    async def leave(self) -> None:
        """Read what waits, and no more; returns when that was done."""
        assert self.room
        assert self.reading
        self.flows.set()
        self.room.leave()
        await self.reading
        self.reading = None

    async def _read(self, room: Room) -> None:
        async for item in room:
            try:
                self.shown.add(item, room.track.joined_at)
            except AssertionError as fault:
                self.faults.append(fault)
            await self.flows.wait()


class Stored(NamedTuple):
    """All that a room holds."""

    epoch: str
    texts: dict[int, str]
    """By offset."""


class Person:
    """A user, with one client."""

    def __init__(self, user: User, chat: Client, wires: Sequence[Proxy]) -> None:
        self.user = user
        self.chat = chat
        self.wires = wires
        self.followed: dict[str, Followed] = {}
        self._count = 0

    def next_id(self) -> str:
        """The id, and text, of their next message."""
        self._count += 1
        return f"{self.user.name}-{self._count}"


class Walk:
    """A system, the people in it, and all that was stored. To be used as an async context."""

    def __init__(self, system: System, seed: int) -> None:
        self.people: list[Person] = []
        self.receipts: list[Receipt] = []
        self.losses = 0
        """How often the store lost something."""
        self.log: list[str] = []
        """The steps that were taken."""
        self._system = system
        self._draw = random.Random(seed)
        self._api = Api(system.api_url)
        self._stack = AsyncExitStack()
        self._doing: set[asyncio.Task[None]] = set()
        self._hurting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._api)
        for name in NAMES:
            user = await self._api.register(name)
            wires = [await self._stack.enter_async_context(proxy.running(each.ports["websocket"]))
                     for each in self._system.connect]  # fmt: skip
            urls = [f"ws://{wire.address}/ws" for wire in wires]
            chat = await self._stack.enter_async_context(Client.connect(urls, token=user.token))
            self.people.append(Person(user, chat, wires))
        for person in self.people:
            person.followed["inbox"] = inbox = Followed("/v1/inbox")
            inbox.follow(await person.chat.inbox(since=BEGINNING))
        await self._system.redis.rewrite()  # what was done so far is never lost
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._doing:
            task.cancel()
        await self._stack.aclose()

    async def round(self, *more: str) -> None:
        """Take all steps of a round and these, in any order and without waiting for their ends; then come to rest."""
        for step in self._draw.sample(steps := [*CALM, *more], len(steps)):
            person = self._draw.choice(self.people)
            self.log.append(f"{step} {person.user.name}")
            self._begin(getattr(self, f"_{step}")(person))
            await asyncio.sleep(self._draw.uniform(0, 0.3))
        await self.rest()

    def report(self) -> str:
        """What was done, and who is connected."""
        there = [person.user.name for person in self.people if person.chat.is_connected]
        return f"{', '.join(self.log)}; connected: {there}"

    async def rest(self) -> None:
        """Let everything come to its end, with a last word everywhere that shows whether one before it is missing; then
        all has to hold.
        """
        async with asyncio.timeout(SETTLED):
            while self._doing:
                await self._doing.pop()
            for person in self.people:
                for followed in person.followed.values():
                    followed.flows.set()
                for room in ROOMS:
                    await self._say(person, 1, partial(person.chat.send, {"room": room}))
                await self._say(person, 1, partial(person.chat.send_to, person.user.id))
        await eventually(self._is_over, within=SETTLED, every=0.2, what="what is shown is what is stored")
        assert not self._faults, self._faults[0]

    # -- the steps

    async def _talk(self, person: Person) -> None:
        room = self._draw.choice(ROOMS)
        await self._say(person, self._draw.randint(1, 5), partial(person.chat.send, {"room": room}))

    async def _whisper(self, person: Person) -> None:
        other = self._draw.choice(self.people).user
        await self._say(person, self._draw.randint(1, 4), partial(person.chat.send_to, other.id))

    async def _say(self, person: Person, count: int, send: Callable[..., Awaitable[Receipt]]) -> None:
        await asyncio.gather(*(self._send(person.next_id(), send) for _ in range(count)))

    async def _send(self, message_id: str, send: Callable[..., Awaitable[Receipt]]) -> None:
        self.receipts.append(await send(message_id, message_id=message_id))

    async def _cut(self, person: Person) -> None:
        """Have a user away while another speaks to all whom the user hears."""
        for wire in person.wires:
            wire.cut()
        other = self._draw.choice([each for each in self.people if each is not person])
        for name in [*person.followed]:
            target = {"user": person.user.id} if name == "inbox" else {"room": name}
            await self._say(other, self._draw.randint(1, 3), partial(other.chat.send, target))
        await asyncio.sleep(self._draw.uniform(0, 2))
        for wire in person.wires:
            wire.heal()

    async def _stall(self, person: Person) -> None:
        wire = self._draw.choice(person.wires)
        wire.stall()
        await asyncio.sleep(self._draw.uniform(0, 2))
        wire.heal()

    async def _join(self, person: Person) -> None:
        for name in ROOMS:
            if name not in person.followed:
                followed = person.followed[name] = Followed(f"/v1/rooms/{name}/messages")
                since = self._draw.choice([None, BEGINNING])
                followed.follow(await person.chat.join(name, since=since, bound=self._draw.choice([4, 1000])))

    async def _leave(self, person: Person) -> None:
        """Leave a room, and go on in it later."""
        name = self._draw.choice(["inbox", *ROOMS])
        followed = person.followed.get(name)
        if followed is None or followed.room is None or followed.reading is None:
            return
        await followed.leave()
        await asyncio.sleep(self._draw.uniform(0, 2))
        followed.follow(await person.chat.join(followed.room.name, since=followed.room.position))

    async def _hold(self, person: Person) -> None:
        """Let an application take nothing; the end of the round lets it go on."""
        self._draw.choice([*person.followed.values()]).flows.clear()

    async def _kill(self, _: Person) -> None:
        """SIGKILL of a gateway."""
        async with self._hurting:
            gateway = self._draw.choice(self._system.connect)
            await gateway.kill()
            await asyncio.sleep(self._draw.uniform(0, 1))
            await gateway.start()

    async def _roll_back(self, _: Person) -> None:
        """Have Redis come back without the end of what people said meanwhile."""
        async with self._hurting:
            redis = self._system.redis
            before = redis.written()
            await asyncio.gather(*(say(each) for each in self.people for say in (self._talk, self._whisper)))
            self._begin(self._talk(self._draw.choice(self.people)))
            await redis.kill()
            redis.cut_tail(before, self._draw.uniform(0, 0.8))
            await redis.start()
            self.losses += 1
            await redis.rewrite()

    # -- what has to hold

    @property
    def _faults(self) -> list[str]:
        followed = [(person, *each) for person in self.people for each in person.followed.items()]
        return [f"{person.user.name} in {name}: {fault}" for person, name, each in followed for fault in each.faults]

    async def _is_over(self) -> bool:
        """Whether all holds, or a client has shown what can never be put right."""
        try:
            if not self._faults:
                await self._hold_all()
        except Lost:  # reading is put off, as it may be while the system recovers
            return False
        return True

    async def _hold_all(self) -> None:
        await self._shown_is_stored()
        stored = {room: await self._stored(room) for room in ROOMS}
        for one, other in _pairs(self.people):
            private = f"dm:{one.user.id}:{other.user.id}"
            stored[private] = await self._stored(private, one)
            for person in {one, other}:
                await self._is_copied(stored[private], person)
        for room, found in stored.items():
            _check_order(room, [*found.texts.values()])
        for receipt in self.receipts:
            self._check_receipt(receipt, stored[receipt.room])

    async def _shown_is_stored(self) -> None:
        for person in self.people:
            for name, followed in person.followed.items():
                where = f"{person.user.name} in {name}"
                assert followed.room, f"{where}: not joined"
                assert followed.reading, f"{where}: left"
                assert not followed.reading.done(), f"{where}: over, {followed.room.track.error}"
                found = (await self._read(followed.path, person)).texts
                followed.shown.check(found, min(found, default=1), followed.room.track.joined_at)
                texts = list(followed.shown.told.values())
                assert len(texts) == len(set(texts)), f"{where}: a message twice, {texts}"
                if not self.losses:
                    assert len(followed.shown.log) == len(texts), f"{where}: told of a loss, and there was none"

    async def _is_copied(self, stored: Stored, person: Person) -> None:
        private = [*stored.texts.values()]
        copies = [text for text in (await self._read("/v1/inbox", person)).texts.values() if text in private]
        assert copies == private, f"{person.user.name}: {copies} of {private}"

    def _check_receipt(self, receipt: Receipt, stored: Stored) -> None:
        if receipt.message_id in stored.texts.values():
            assert stored.texts[receipt.position.offset] == receipt.message_id, f"{receipt} is elsewhere"
        else:
            assert self.losses, f"{receipt} is lost"
            assert receipt.position.epoch < stored.epoch, f"{receipt} is lost, and no new epoch tells of it"

    @property
    def tellings(self) -> int:
        """How many rooms were told that something is gone."""
        everything = [each.shown for person in self.people for each in person.followed.values()]
        return sum(len(shown.log) > len(shown.seen) for shown in everything)

    async def _stored(self, room: str, person: Person | None = None) -> Stored:
        return await self._read(f"/v1/rooms/{room}/messages", person or self.people[0])

    async def _read(self, path: str, person: Person) -> Stored:
        (epoch, _), _, entries = await self._api.read(person.user, path, BEGINNING)
        return Stored(epoch, {offset: text for (_, offset), text in entries})

    def _begin(self, step: Awaitable[None]) -> None:
        self._doing.add(asyncio.ensure_future(step))


def _pairs(people: Sequence[Person]) -> list[tuple[Person, Person]]:
    """Everybody with everybody, themselves too; the smaller id first, as in a conversation's name."""
    return [(one, other) for one in people for other in people if one.user.id <= other.user.id]


def _check_order(room: str, texts: Sequence[str]) -> None:
    """Each message once, and each sender's in the order of sending."""
    for name in NAMES:
        numbers = [int(text.rpartition("-")[2]) for text in texts if text.startswith(f"{name}-")]
        assert all(a < b for a, b in itertools.pairwise(numbers)), f"{name} in {room}: {numbers}"
