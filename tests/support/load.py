"""People who chat: publishers by REST, members by gochat's websocket protocol, and a record of what each was told.

Every message's text is its own id, and its Idempotency-Key. A publisher repeats an unknown outcome with the same key
for `PATIENCE`; a refusal (429, 503: not stored) is final. A member whose connection ends reads on by epoch and offset:
its room from the last message that it saw and whose place is known, its inbox from where that stood when it connected.
Then it connects again.
"""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from support.canaries import CANARY
from support.checker import Position, Reading, Record, Segment, Sent
from support.eventually import eventually
from support.rest import Api, Lost, User

PATIENCE = 10.0
REFUSED = (429, 503)


@dataclass
class Member:
    """One connection of a user, in one room and in the user's inbox, that comes back when it is lost."""

    load: "Load"
    user: User
    room: int
    gateway: int
    positions: dict[str, Position] = field(default_factory=dict)
    """Where its room and its inbox stood when it connected."""
    segments: dict[str, Segment] = field(default_factory=dict)
    connected: bool = False

    @property
    def name(self) -> str:
        """For reports."""
        return f"{self.user.name}@{self.gateway}"

    @property
    def paths(self) -> dict[str, str]:
        """What it listens to, and where that is read."""
        return {f"room:{self.room}": f"/v1/rooms/room:{self.room}/messages", f"user:{self.user.id}": "/v1/inbox"}

    async def run(self) -> None:
        """Be connected, until cancelled."""
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                await self._connect()
            self.connected = False
            await self._read_on()
            self.gateway = (self.gateway + 1) % len(self.load.gateways)
            await asyncio.sleep(self.load.random.uniform(0.1, 0.5))

    async def _connect(self) -> None:
        for room, path in self.paths.items():
            self.positions[room] = await self.load.patiently(partial(self.load.api.where, self.user, path))
        url = self.load.gateways[self.gateway]
        async with connect(url, compression=None, open_timeout=3, ping_interval=None, close_timeout=1) as socket:
            await socket.send(json.dumps({"authToken": self.user.token, "roomId": self.room}))
            self.segments = {room: Segment(room, self.name) for room in self.paths}
            self.connected = True
            await self._listen(socket)

    async def _listen(self, socket: ClientConnection) -> None:
        async for frame in socket:
            item = json.loads(frame)
            if item["op"] == 3:
                self.segments[f"room:{self.room}"].ids.append(item["msg"])
            elif item["op"] == 2:
                self.segments[f"user:{self.user.id}"].ids.append(item["msg"])

    async def _read_on(self) -> None:
        segments, self.segments = self.segments, {}
        self.load.segments += segments.values()
        for room, segment in segments.items():
            after = self.load.last_known(segment.ids) or self.positions[room]
            due = self.load.ends[room]
            read = partial(self.load.api.read, self.user, self.paths[room], after)
            end, recovered, entries = await self.load.patiently(read)
            ids, upto = [each for _, each in entries], max(due, end[1])
            self.load.readings.append(Reading(room, self.name, after, upto, ids, recovered))


class Load:
    """Everybody who chats in one run, and what they were told."""

    def __init__(self, api: str, gateways: Sequence[str], seed: int) -> None:
        self.api = Api(api)
        self.gateways = gateways
        self.random = random.Random(seed)
        self.members: list[Member] = []
        self.sent: list[Sent] = []
        self.segments: list[Segment] = []
        self.readings: list[Reading] = []
        self.history: dict[str, list[tuple[Position, str]]] = {}
        self.oks: list[float] = []
        self.places: dict[str, Position] = {}
        """Where messages to rooms stand, as their senders were told."""
        self.ends: Counter[str] = Counter()
        """The last offset of each room, as senders were told; to be cleared when Redis lost something."""
        self.people: list[User] = []
        self.senders: list[User] = []
        self._background: set[asyncio.Task[None]] = set()
        self._publishing: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        """Answers that nobody should ever get."""

    # -- setting the scene

    async def populate(self, *, rooms: int, members: int, people: int) -> None:
        """Register people and senders, connect members to rooms 1..n, and wait until all of them hear their rooms."""
        self.people = [await self.api.register(f"member-{number}") for number in range(people)]
        self.senders = [await self.api.register(f"sender-{number}") for number in range(4)]
        await self.join(rooms=rooms, members=members)

    async def join(self, *, rooms: int, members: int) -> None:
        """Connect so many more members to each of the rooms 1..n, and wait until everybody hears their room."""
        for number in range(rooms * members):
            room, user = 1 + number % rooms, self.people[number % len(self.people)]
            member = Member(self, user, room, number % len(self.gateways))
            self.members.append(member)
            self._spawn(member.run(), self._background)
        await eventually(lambda: all(m.connected for m in self.members), within=60, what="all members connected")
        await eventually(self._all_hear, within=60, every=0.5, what="all members hear their rooms")

    async def _all_hear(self) -> bool:
        for room in sorted({m.room for m in self.members if not m.segments.get(f"room:{m.room}", _NOTHING).ids}):
            await self.publish(f"room:{room}", f"/v1/rooms/room:{room}/messages")
        for user in {m.user.id for m in self.members if not m.segments.get(f"user:{m.user.id}", _NOTHING).ids}:
            await self.publish(f"user:{user}", f"/v1/users/{user}/messages")
        await asyncio.sleep(0.3)
        return all(len(s.ids) > 0 for m in self.members for s in m.segments.values())

    # -- publishing

    async def publish(self, room: str, path: str) -> Sent:
        """Send one message and see it through."""
        loop = asyncio.get_running_loop()
        sent = Sent(f"{CANARY}-{len(self.sent)}", room, at=loop.time())
        self.sent.append(sent)
        began, doubt = loop.time(), False
        while True:
            tried = loop.time()
            outcome, why = await self._attempt(sent, path)
            if why:
                sent.attempts.append((tried, loop.time(), why))
            if outcome == "ok" or (outcome == "refused" and not doubt):
                sent.result = outcome
                break
            doubt |= outcome == "unknown"
            if loop.time() - began > PATIENCE:
                break
            await asyncio.sleep(0.2)
        sent.seconds = loop.time() - began
        if sent.result == "ok":
            self.oks.append(loop.time())
        return sent

    async def _attempt(self, sent: Sent, path: str) -> tuple[str, str]:
        """What became of it, and why if not well."""
        try:
            sender = self.senders[int(sent.id.rpartition("-")[2]) % len(self.senders)]  # the same for every attempt
            answer = await self.api.publish(sender, path, sent.id)
        except Lost as exc:
            return "unknown", str(exc)
        if answer.status in {200, 201}:
            if sent.room.startswith("room:"):
                sent.position = self.places[sent.id] = (answer.body["epoch"], answer.body["offset"])
                self.ends[sent.room] = max(self.ends[sent.room], sent.position[1])
            return "ok", ""
        assert answer.status in {*REFUSED, 504}, answer
        return "refused" if answer.status in REFUSED else "unknown", answer.problem

    @property
    def in_flight(self) -> int:
        """How many messages are being sent."""
        return len(self._publishing)

    def last_known(self, ids: Sequence[str]) -> Position | None:
        """The place of the last of these messages of which a sender was told one."""
        return next((self.places[each] for each in reversed(ids) if each in self.places), None)

    async def run(self, seconds: float, rate: float, *, private: float = 0.1) -> None:
        """Send `rate` messages a second to random rooms, a part of them to people, and see all of them through."""
        end = asyncio.get_running_loop().time() + seconds
        await self._chat(rate, private, lambda due: due >= end)

    @asynccontextmanager
    async def chatting(self, rate: float, *, private: float = 0.1) -> AsyncIterator[None]:
        """Send as long as the block, and then see all of it through."""
        is_over = asyncio.Event()
        chat = asyncio.create_task(self._chat(rate, private, lambda _: is_over.is_set()))
        try:
            yield
        finally:
            is_over.set()
            await chat

    async def _chat(self, rate: float, private: float, is_over: Callable[[float], bool]) -> None:
        loop = asyncio.get_running_loop()
        rooms = sorted({member.room for member in self.members})
        due = loop.time()
        while not is_over(due := due + 1 / rate):
            await asyncio.sleep(max(0, due - loop.time()))
            if self.random.random() < private:
                user = self.random.choice(self.people).id
                target = (f"user:{user}", f"/v1/users/{user}/messages")
            else:
                room = self.random.choice(rooms)
                target = (f"room:{room}", f"/v1/rooms/room:{room}/messages")
            self._spawn(self.publish(*target), self._publishing)
        while self._publishing:
            await asyncio.wait(self._publishing)
        assert not self._failures, self._failures[0]

    def longest_refusal(self) -> float:
        """Seconds between two acknowledgements, at the longest."""
        times = sorted(self.oks)
        return max((b - a for a, b in itertools.pairwise(times)), default=0)

    # -- the end

    async def settle(self, within: float = 60) -> Record:
        """Wait until every member is connected and has its rooms' newest message; the record of the run."""
        await eventually(lambda: all(member.connected for member in self.members), within=within)
        await eventually(self._all_hear, within=within, every=0.5, what="all members hear their rooms")
        await self.patiently(self._read_everything)
        await eventually(self._up_to_date, within=within, every=0.2, what="all members up to date")
        return self.record()

    def record(self) -> Record:
        """What is known so far; of history, what was read while settling."""
        lasting = [segment for member in self.members for segment in member.segments.values()]
        for segment in lasting:
            segment.whole = True
        return Record(self.sent, [*self.segments, *lasting], self.readings, self.history)

    async def _read_everything(self) -> bool:
        """Read every room on from where `history` ends."""
        readers = {f"room:{member.room}": (self.people[0], f"room:{member.room}/messages") for member in self.members}
        for room, (user, path) in readers.items():
            await self._read_one(room, user, f"/v1/rooms/{path}")
        for user in self.people:
            await self._read_one(f"user:{user.id}", user, "/v1/inbox")
        return True

    async def _read_one(self, room: str, user: User, path: str) -> None:
        entries = self.history.setdefault(room, [])
        entries += (await self.api.read(user, path, entries[-1][0] if entries else ("", 0)))[2]

    async def _up_to_date(self) -> bool:
        await self._read_everything()
        for member in self.members:
            for room, segment in member.segments.items():
                newest = self.history[room][-1][1] if self.history[room] else ""
                assert member.connected, f"{member.name} is not connected"
                assert segment.ids[-1:] == [newest], f"{member.name} {room}: {segment.ids[-1:]} {newest}"
        return True

    async def shown(self, room: int) -> set[int]:
        """Return who is shown as a member of a room."""

        async def look() -> Any:
            return (await self.api.get(f"/v1/rooms/room:{room}/members", self.people[0])).read()

        return {member["id"] for member in (await self.patiently(look))["members"]}

    async def close(self) -> None:
        """Everybody leaves."""
        for task in [*self._background, *self._publishing]:
            task.cancel()
        await asyncio.gather(*self._background, *self._publishing, return_exceptions=True)
        await self.api.close()

    async def patiently(self, step: Callable[[], Awaitable[Any]]) -> Any:
        """Repeat a read until it works; reads are harmless. After about a second each, as Retry-After asks for."""
        while True:
            try:
                return await step()
            except Lost:
                await asyncio.sleep(self.random.uniform(0.5, 1.5))

    def _spawn(self, coroutine: Any, group: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(coroutine)
        group.add(task)
        task.add_done_callback(partial(self._ended, group))

    def _ended(self, group: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
        group.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            self._failures.append(failure)


_NOTHING = Segment("", "")
