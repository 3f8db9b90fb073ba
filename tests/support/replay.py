"""gochat's own answers and frames, captured, and how they are replayed against a running ChatCluster."""

import asyncio
import contextlib
import json
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import websockets

from support.eventually import eventually

CAPTURE = json.loads((Path(__file__).parent / "gochat-capture.json").read_text())
ROOM = 1


@dataclass(frozen=True)
class Difference:
    """Where ChatCluster means to differ from what was captured; argued by this name in docs/gochat-differences.md."""

    name: str
    captured: str | None
    """The captured frame; None: nothing was captured where this comes."""
    pattern: str
    """What comes instead, or in addition."""


DIFFERENCES = (
    Difference("presence-is-told", None, r'\{"op":5,"roomId":1,"count":\d+,"roomUserInfo":\{[^}]*\}\}'),
    Difference("leaving-is-no-empty-frame", "", r'\{"op":5,"roomId":1,"count":\d+,"roomUserInfo":\{[^}]*\}\}'),
    Difference("logout-closes-sockets", None, r"closed 4502"),
)


def matches(captured: str, frame: str) -> bool:
    """Whether a frame is what was captured, or what is meant to come instead."""
    if frame == captured:
        return True
    return any(d.captured == captured and re.fullmatch(d.pattern, frame) for d in DIFFERENCES)


def unmet(captured: list[str], received: list[str]) -> list[str]:
    """What of the captured frames did not come in their order, and what came that nobody meant to."""
    expected, surprises = list(captured), []
    for frame in received:
        if expected and matches(expected[0], frame):
            expected.pop(0)
        elif not any(d.captured is None and re.fullmatch(d.pattern, frame) for d in DIFFERENCES):
            surprises.append(f"surprise: {frame}")
    return [f"missing: {frame}" for frame in expected] + surprises


@dataclass
class Client:
    """Somebody who receives: the frames so far, with everything that varies replaced."""

    received: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    async def satisfied(self) -> None:
        """Wait until all that was captured has come, and see that nothing else has."""

        def check() -> bool:
            assert unmet(self.expected, self.received) == []
            return True

        await eventually(check, what="captured frames")


@dataclass(frozen=True)
class Place:
    """Where an empty ChatCluster of two gateways is."""

    api: str
    websockets: tuple[str, str]
    """Of two gateways."""
    tcp: tuple[str, int]
    """Of the second one."""


class Replay:
    """The replay's state: whose tokens and numbers stand for the captured ones, and who is connected."""

    def __init__(self, place: Place, rest: httpx.AsyncClient, tasks: asyncio.TaskGroup) -> None:
        self.clients = {name: Client() for name in ("A", "B", "tcp B")}
        self.answers = 0
        """Captured answers that were met."""
        self._place = place
        self._rest = rest
        self._tasks = tasks
        self._ours: dict[str, str] = {}
        """Captured token or user number -> ours."""
        self._sockets: dict[str, websockets.ClientConnection] = {}
        self._tcp: asyncio.StreamWriter | None = None

    # -- REST

    async def request(self, captured: dict[str, Any]) -> None:
        """Send a captured request and compare the answer byte for byte, but for what varies."""
        asked = captured["request"]
        self.answers += 1
        response = await self._rest.request(asked["method"], asked["path"], content=self._as_ours(asked["body"]))
        self._learn(captured["body"], response)
        assert response.status_code == captured["status"]
        assert response.headers["content-type"] == captured["content_type"]
        assert response.headers["access-control-allow-origin"] == captured["cors"]
        assert response.text == self._as_ours(captured["body"]), asked

    def _learn(self, captured: str, response: httpx.Response) -> None:
        """Remember which token or number of ours stands where the capture has its own."""
        data = json.loads(captured)["data"]
        ours = response.json()["data"]
        if isinstance(data, str) and data.startswith("TOKEN_"):
            assert re.fullmatch(r"[A-Za-z0-9_-]{43}=", ours), response.text
            self._ours[data] = ours
        elif isinstance(data, dict):
            self._ours[str(data["userId"])] = str(ours["userId"])

    def _as_ours(self, captured: str) -> str:
        return re.sub(r"\b(TOKEN_\w+|2\d{3})\b(?!-)", lambda found: self._ours.get(found[0], found[0]), captured)

    # -- frames

    async def connect(self, name: str, token: str, gateway: int) -> None:
        """Connect a websocket client and let it join the room."""
        socket = await websockets.connect(self._place.websockets[gateway], compression=None)
        await socket.send(json.dumps({"authToken": self._ours[token], "roomId": ROOM}))
        self._sockets[name] = socket
        self._tasks.create_task(self._listen(socket, self.clients[name]))

    async def present(self, name: str, count: int) -> None:
        """Wait until the last thing that a client was told of the room is that so many are in it.

        Changes are told once a second at most: what is undone within that second is not told at all.
        """
        client = self.clients[name]

        def told() -> bool:
            last = [frame for frame in client.received if '"roomUserInfo"' in frame][-1:]
            return last != [] and json.loads(last[0])["count"] == count

        await eventually(told, what=f"{count} in the room for {name}")

    async def close(self, name: str) -> None:
        """Close a client's connection."""
        if name == "tcp B":
            assert self._tcp is not None
            self._tcp.close()
        else:
            await self._sockets[name].close()

    async def step(self, entry: dict[str, Any]) -> None:
        """Do what was done, or expect what was received."""
        event = entry.get("event", "")
        if event.startswith("/"):
            await self._repeat(event)
        elif event == "B closes":
            await self.close("B")
        elif event == "tcp B joins room 1 with op 6":
            await self._join_by_tcp()
        elif event == "tcp B sends op 3":
            self._send_by_tcp(op=3, msg="from tcp", fromUserId=int(self._ours["2413"]), fromUserName="bob")
        elif "frame" in entry:
            self.clients[entry["to"]].expected.append(self._shown(entry["frame"]))
            await self.clients[entry["to"]].satisfied()
        elif "frames" in entry:
            await self._expect_by_tcp(entry["frames"])
        else:
            await self._refused(entry)

    async def _repeat(self, event: str) -> None:
        path, _, body = event.partition(" ")
        found = [one for one in CAPTURE["rest"] if (one["request"]["path"], one["request"]["body"]) == (path, body)]
        if found and path != "/user/checkAuth":
            await self.request(found[0])
        else:  # its answer was not captured, or depends on when it was asked
            await self._rest.post(path, content=self._as_ours(body))

    async def _refused(self, entry: dict[str, Any]) -> None:
        """C: a bad token, and the end without a close frame."""
        if "event" in entry:
            assert entry["event"] == "C sends bad token"
            return
        async with websockets.connect(self._place.websockets[0], compression=None) as socket:
            await socket.send(json.dumps({"authToken": "bad", "roomId": ROOM}))
            await socket.wait_closed()
        assert [socket.close_code] == entry["closed"]

    async def _listen(self, socket: websockets.ClientConnection, client: Client) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in socket:
                assert isinstance(message, str), "captured as text frames"
                client.received.append(self._shown(message))
        if socket.close_code != 1000:
            client.received.append(f"closed {socket.close_code}")

    async def _join_by_tcp(self) -> None:
        reader, self._tcp = await asyncio.open_connection(*self._place.tcp)
        self._tasks.create_task(self._listen_by_tcp(reader))
        self._send_by_tcp(op=6)
        await self.present("tcp B", 2)
        await self.present("A", 2)

    def _send_by_tcp(self, **fields: object) -> None:
        assert self._tcp is not None
        payload = json.dumps({"authToken": self._ours["TOKEN_B"], "roomId": ROOM, **fields}).encode()
        self._tcp.write(struct.pack(">2sh", b"v1", len(payload) + 4) + payload)

    async def _listen_by_tcp(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                version, length = struct.unpack(">2sh", await reader.readexactly(4))
                assert version == b"v1"
                payload = await reader.readexactly(length - 4)
                self.clients["tcp B"].received.append(self._shown(payload.decode()))

    async def _expect_by_tcp(self, frames: list[dict[str, Any]]) -> None:
        for frame in frames:
            assert bytes.fromhex(frame["header_hex"]) == struct.pack(">2sh", b"v1", frame["length"])
            payload = frame["payload"].replace("cap16844b", "bob").replace("cap16844", "alice")
            self.clients["tcp B"].expected.append(self._shown(payload))
        await self.clients["tcp B"].satisfied()
        await self.close("tcp B")

    def _shown(self, frame: str) -> str:
        """A frame with our numbers for the captured ones, and without the time."""
        return re.sub(r'(?<="createTime":")\d{4}(-\d\d){2} \d\d(:\d\d){2}(?=")', "TIME", self._as_ours(frame))


async def replay(place: Place) -> None:
    """Replay all of it: every answer to the byte, every frame at every client, on two gateways and by TCP.

    Raises AssertionError where something is neither as captured nor one of `DIFFERENCES`.
    """
    async with httpx.AsyncClient(base_url=place.api, trust_env=False) as rest, asyncio.TaskGroup() as tasks:
        await _replay(Replay(place, rest, tasks))


async def _replay(replay: Replay) -> None:
    rest, frames = CAPTURE["rest"], CAPTURE["frames"]
    first_push = next(n for n, one in enumerate(rest) if one["request"]["path"] == "/push/pushRoom")
    for captured in rest[:first_push]:
        await replay.request(captured)
    await replay.connect("A", "TOKEN_A", gateway=0)
    await replay.connect("B", "TOKEN_B", gateway=1)
    await replay.present("A", 2)
    await replay.present("B", 2)
    for entry in frames:
        await replay.step(entry)
    await replay.request(rest[-1])
    await eventually(lambda: replay.clients["A"].received[-1] == "closed 4502")
    for client in replay.clients.values():
        await client.satisfied()
    assert replay.answers == len(rest)
