"""People who chat: publishers by REST, members by gochat's websocket protocol, and a record of what each was told.

Every message's text is its own id, and its Idempotency-Key. A publisher repeats an unknown outcome with the same key
for `PATIENCE`; a refusal (429, 503: not stored) is final. A member whose connection ends reads on by epoch and offset
from where it stood when it connected, and connects again.
"""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from support.checker import Position, Reading, Record, Segment, Sent
from support.eventually import eventually

PATIENCE = 10.0
REFUSED = (429, 503)


@dataclass(frozen=True, slots=True)
class User:
    """An account and its session."""

    id: int
    name: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What a v1 request of this user carries."""
        return {"Authorization": f"Bearer {self.token}"}


class Lost(Exception):
    """A request without an answer: it may or may not have been received."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the api answered."""

    status: int
    body: Any

    def read(self) -> Any:
        """Return its body when it is a success. Raises `Lost` otherwise: what was asked can be asked again."""
        if self.status >= 400:
            raise Lost(f"{self.status}: {self.body}")
        return self.body


class Api:
    """The REST api, as a client sees it; on aiohttp, because a load that shares the machine has to be light."""

    def __init__(self, url: str) -> None:
        self._session = aiohttp.ClientSession(
            url, timeout=aiohttp.ClientTimeout(5), connector=aiohttp.TCPConnector(limit=200)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def get(self, path: str, user: User | None = None, **query: str | int) -> Answer:
        """GET as that user. Raises `Lost`."""
        return await self._call("GET", path, params=query, headers=user.headers if user else {})

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """POST a JSON body. Raises `Lost`."""
        return await self._call("POST", path, json=body, headers=headers)

    async def gochat(self, path: str, **body: Any) -> Any:
        """Call one of gochat's routes; its `data`. Raises AssertionError with gochat's message."""
        answer = (await self.post(path, body)).body
        assert answer["code"] == 0, answer["message"]
        return answer["data"]

    async def register(self, name: str) -> User:
        """Make an account."""
        token = await self.gochat("/user/register", userName=name, passWord="secret")
        who = await self.gochat("/user/checkAuth", authToken=token)
        return User(who["userId"], name, token)

    async def publish(self, user: User, path: str, text: str) -> Answer:
        """Send one message, once."""
        return await self.post(path, {"text": text}, **user.headers, **{"Idempotency-Key": text})

    async def read(self, user: User, path: str, after: Position) -> tuple[Position, bool, list[tuple[Position, str]]]:
        """Read a room (`/v1/rooms/...`) or the inbox from a position to its end: where it ends, recovered, entries."""
        recovered, entries = True, list[tuple[Position, str]]()
        while True:
            answer = (await self.get(path, user, epoch=after[0], since=after[1], limit=1000)).read()
            recovered &= answer["recovered"]
            found = [((p["epoch"], p["offset"]), p["text"]) for p in answer["publications"]]
            entries += found
            after = (answer["epoch"], found[-1][0][1] if found else answer["offset"])
            if not found or after[1] >= answer["offset"]:
                return (answer["epoch"], answer["offset"]), recovered, entries

    async def _call(self, method: str, path: str, **rest: Any) -> Answer:
        try:
            async with self._session.request(method, path, **rest) as answer:
                return Answer(answer.status, json.loads(await answer.read()))
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise Lost(str(exc)) from exc


@dataclass
class Member:
    """One connection of a user, in one room and in the user's inbox, that comes back when it is lost."""

    load: "Load"
    user: User
    room: int
    gateway: int
    position: Position = ("", 0)
    segments: dict[str, Segment] = field(default_factory=dict)
    connected: bool = False

    @property
    def name(self) -> str:
        """For reports."""
        return f"{self.user.name}@{self.gateway}"

    async def run(self) -> None:
        """Be connected, until cancelled."""
        while True:
            try:
                await self._connect()
            except (OSError, WebSocketException, TimeoutError):
                self.connected = False
                await self._read_on()
                self.gateway = (self.gateway + 1) % len(self.load.gateways)
                await asyncio.sleep(self.load.random.uniform(0.1, 0.5))

    async def _connect(self) -> None:
        self.position = await self.load.patiently(self._where)
        url = self.load.gateways[self.gateway]
        async with connect(url, compression=None, open_timeout=3, ping_interval=None, close_timeout=1) as socket:
            await socket.send(json.dumps({"authToken": self.user.token, "roomId": self.room}))
            for room in (f"room:{self.room}", f"user:{self.user.id}"):
                self.segments[room] = Segment(room, self.name)
            self.connected = True
            await self._listen(socket)

    async def _where(self) -> Position:
        path = f"/v1/rooms/room:{self.room}/messages"
        body = (await self.load.api.get(path, self.user, limit=1)).read()
        return body["epoch"], body["offset"]

    async def _listen(self, socket: ClientConnection) -> None:
        async for frame in socket:
            item = json.loads(frame)
            if item["op"] == 3:
                self.segments[f"room:{self.room}"].ids.append(item["msg"])
            elif item["op"] == 2:
                self.segments[f"user:{self.user.id}"].ids.append(item["msg"])

    async def _read_on(self) -> None:
        self.load.segments += self.segments.values()
        self.segments = {}
        path = f"/v1/rooms/room:{self.room}/messages"
        _, recovered, entries = await self.load.patiently(lambda: self.load.api.read(self.user, path, self.position))
        ids = [each for _, each in entries]
        self.load.readings.append(Reading(f"room:{self.room}", self.name, self.position, ids, recovered))


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
        self.oks: list[float] = []
        self.people: list[User] = []
        self.senders: list[User] = []
        self._background: set[asyncio.Task[None]] = set()
        self._publishing: set[asyncio.Task[None]] = set()

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
        sent = Sent(f"m{len(self.sent)}", room, at=loop.time())
        self.sent.append(sent)
        began, doubt = loop.time(), False
        while True:
            outcome = await self._attempt(sent, path)
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

    async def _attempt(self, sent: Sent, path: str) -> str:
        try:
            sender = self.senders[int(sent.id[1:]) % len(self.senders)]  # the same for every attempt
            answer = await self.api.publish(sender, path, sent.id)
        except Lost:
            return "unknown"
        if answer.status in {200, 201}:
            body = answer.body
            if sent.room.startswith("room:"):
                sent.position = (body["epoch"], body["offset"])
            return "ok"
        assert answer.status in {*REFUSED, 504}, answer
        return "refused" if answer.status in REFUSED else "unknown"

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

    def longest_refusal(self) -> float:
        """Seconds between two acknowledgements, at the longest."""
        times = sorted(self.oks)
        return max((b - a for a, b in itertools.pairwise(times)), default=0)

    # -- the end

    async def settle(self, within: float = 60) -> Record:
        """Wait until every connected member has its rooms' newest message; the record of the run."""
        history: dict[str, list[tuple[Position, str]]] = {}
        await self.patiently(lambda: self._read_everything(history))
        await eventually(lambda: self._up_to_date(history), within=within, every=0.2, what="all members up to date")
        for member in self.members:
            for segment in member.segments.values():
                segment.whole = bool(segment.ids)
            self.segments += member.segments.values()
        return Record(self.sent, self.segments, self.readings, history)

    async def _read_everything(self, history: dict[str, list[tuple[Position, str]]]) -> bool:
        """Read every room on from where `history` ends."""
        readers = {f"room:{member.room}": (self.people[0], f"room:{member.room}/messages") for member in self.members}
        for room, (user, path) in readers.items():
            await self._read_one(history.setdefault(room, []), user, f"/v1/rooms/{path}")
        for user in self.people:
            await self._read_one(history.setdefault(f"user:{user.id}", []), user, "/v1/inbox")
        return True

    async def _read_one(self, entries: list[tuple[Position, str]], user: User, path: str) -> None:
        after = entries[-1][0] if entries else ("", 0)
        entries += (await self.api.read(user, path, after))[2]

    async def _up_to_date(self, history: dict[str, list[tuple[Position, str]]]) -> bool:
        await self._read_everything(history)
        for member in self.members:
            for room, segment in member.segments.items():
                newest = history[room][-1][1] if history[room] else ""
                assert member.connected, f"{member.name} is not connected"
                assert not segment.ids or segment.ids[-1] == newest, (
                    f"{member.name} {room}: {segment.ids[-1:]} {newest}"
                )
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
        """Repeat a read until it works; reads are harmless."""
        while True:
            try:
                return await step()
            except Lost:
                await asyncio.sleep(0.2)

    def _spawn(self, coroutine: Any, group: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(coroutine)
        group.add(task)
        task.add_done_callback(group.discard)


_NOTHING = Segment("", "")
