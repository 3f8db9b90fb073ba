"""v1's clients without a network, on a gateway's parts in memory: both transports in the same words.

What is said is held to the AsyncAPI document; a test may ask wrongly as long as the gateway does not do it.
"""

import itertools
import json
from typing import Any

from chatcluster.connect import framing
from chatcluster.connect.connection import Connection
from chatcluster.frames.exchanges import SUBPROTOCOL
from support.asyncapi import Conversation
from support.eventually import eventually
from support.gateway import Rig, TcpClient, WebsocketClient


class V1:
    """One client: what it asks, and all that it was told."""

    def __init__(self, rig: Rig, transport: str) -> None:
        self._client = (
            TcpClient(rig.host, rig.tcp)
            if transport == "tcp"
            else WebsocketClient(rig.host, rig.websocket, subprotocol=SUBPROTOCOL)
        )
        self._numbers = itertools.count(1)
        self._conversation = Conversation(careful=False)
        self._checked = 0

    @property
    def connection(self) -> Connection:
        """Its connection in the gateway."""
        return self._client.connection

    @property
    def code(self) -> int | None:
        """The code that it was closed with; over TCP that of the last frame."""
        if isinstance(self._client, TcpClient):
            last = self.pushes("disconnect")
            return last[-1]["code"] if last else self._client.code
        return self._client.code

    def frames(self) -> list[dict[str, Any]]:
        """All that came so far."""
        payloads = self._client.payloads()
        for payload in payloads[self._checked :]:
            self._conversation.told(payload)
        self._checked = len(payloads)
        return self._client.bodies()

    def pushes(self, kind: str) -> list[dict[str, Any]]:
        """The pushes of a type."""
        return [frame for frame in self.frames() if frame["type"] == kind]

    def texts(self, room: str) -> list[str]:
        """The texts of a room's publications, those in answers to joins first where they came first."""
        found: list[str] = []
        for frame in self.frames():
            if frame.get("room") == room:
                found += [p["text"] for p in ([frame] if "text" in frame else frame.get("publications", ()))]
        return found

    def ask(self, kind: str, **fields: Any) -> int:
        """Send a request without waiting; returns its id."""
        number = next(self._numbers)
        self.send_payload(json.dumps({"type": kind, "id": number, **fields}).encode())
        return number

    def send_payload(self, payload: bytes) -> None:
        """Send a frame that may be none."""
        self._conversation.asked(payload)
        self._client.send_payload(payload)

    async def answer(self, number: int) -> dict[str, Any]:
        """The answer to a request."""
        await eventually(lambda: self.answers(number), what=f"answer to {number} among {self.frames()}")
        (found,) = self.answers(number)
        return found

    def answers(self, number: int) -> list[dict[str, Any]]:
        """What came in answer to a request so far."""
        return [frame for frame in self.frames() if frame.get("id") == number and frame["type"] in {"ok", "error"}]

    async def call(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        return await self.answer(self.ask(kind, **fields))

    def vanish(self) -> None:
        """Lose the connection."""
        self._client.transport.vanish()

    def stop_reading(self) -> None:
        """Let what is written pile up."""
        self._client.transport.is_stuck = True


async def member(rig: Rig, transport: str, name: str) -> V1:
    """A client that has authenticated as a user, who is made if need be."""
    client = V1(rig, transport)
    if await rig.world.accounts.by_name(name) is None:
        await rig.token(name)
    answer = await client.call("auth", token=name)
    assert answer["type"] == "ok", answer
    return client


def frame_size(answer: dict[str, Any]) -> int:
    """Bytes of an answer in a TCP frame."""
    return len(json.dumps(answer, ensure_ascii=False).encode()) + framing.HEADER_BYTES
