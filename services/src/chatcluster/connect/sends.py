"""What clients publish through their connection.

Owns the order and the persistence of sends: those of one connection go one after the other, and one whose outcome is
unknown is repeated with its own message id before the next is begun. Does not own rates (connection) nor what may be
published (logic).

A send outlives its connection: a client may send and close, and what it sent before closing is published.

Bounds: `PENDING` sends of one connection and `PENDING_BYTES` of text in all wait; the next is refused as busy. A send
is given up `PATIENCE` seconds after its first try.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from chatcluster.connect.logic import Logic
from chatcluster.core import errors, telemetry
from chatcluster.core.ids import RoomName
from chatcluster.v1 import logic_pb2

PENDING = 32
PENDING_BYTES = 32 * 1024 * 1024
PATIENCE = 30.0
RETRY = (0.1, 0.5)
"""Seconds until a send of unknown outcome is repeated, drawn between the two."""


class Sender(Protocol):
    """A client that sends. Both are told to it also when its connection is gone."""

    def sent(self, send: "Send", stored: logic_pb2.PublishResponse) -> None:
        """It is stored."""
        ...

    def not_sent(self, send: "Send", error: errors.ChatError) -> None:
        """It is not stored, or after `errors.OutcomeUnknown` perhaps."""
        ...


@dataclass(frozen=True, slots=True)
class Send:
    """One message on its way, to a room or to a user."""

    session: bytes
    target: RoomName | int
    text: str
    message_id: str = ""
    """The client's own; empty: one is drawn."""
    age_ms: int = 0
    """Since the client first tried."""
    request: int = 0
    """By which the client knows it."""


class Sends:
    """All sends of a gateway."""

    def __init__(
        self,
        logic: Logic,
        new_id: Callable[[], str],
        clock: Callable[[], float],
        random: random.Random,
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
    ) -> None:
        """`spawn` runs a coroutine under a name, beside whoever called; there is one for each connection that sends."""
        self._logic = logic
        self._new_id = new_id
        self._clock = clock
        self._random = random
        self._spawn = spawn
        self._chains: dict[Sender, deque[Send]] = {}
        self._bytes = 0

    def submit(self, sender: Sender, send: Send) -> bool:
        """Publish after what this connection sent before; False, and nothing, when too much waits."""
        chain = self._chains.get(sender)
        if self._bytes + len(send.text) > PENDING_BYTES or (chain is not None and len(chain) >= PENDING):
            telemetry.SENDS_TOTAL.labels(errors.Busy.code).inc()
            return False
        self._bytes += len(send.text)
        if chain is not None:
            chain.append(send)
        else:
            self._chains[sender] = chain = deque([send])
            self._spawn(self._publish_all(sender, chain), "sends")
        return True

    async def _publish_all(self, sender: Sender, chain: deque[Send]) -> None:
        try:
            while chain:
                await self._publish(sender, chain[0])
                self._bytes -= len(chain.popleft().text)
        finally:
            self._bytes -= sum(len(send.text) for send in chain)
            del self._chains[sender]

    async def _publish(self, sender: Sender, send: Send) -> None:
        try:
            stored = await self._publish_once(send)
        except errors.ChatError as exc:
            telemetry.SENDS_TOTAL.labels(exc.code).inc()
            sender.not_sent(send, exc)
        else:
            telemetry.SENDS_TOTAL.labels("ok").inc()
            sender.sent(send, stored)

    async def _publish_once(self, send: Send) -> logic_pb2.PublishResponse:
        """Publish, and repeat as long as nobody knows whether it was stored. Raises what logic raised in the end."""
        message_id, first = send.message_id or self._new_id(), self._clock()
        unknown: errors.OutcomeUnknown | None = None
        while True:
            age = self._clock() - first
            try:
                return await self._logic.publish(_request(send, message_id, age))
            except errors.OutcomeUnknown as exc:
                unknown = exc
            except errors.ChatError as exc:
                # A repetition that was turned away for the moment says nothing about the attempt before it.
                if unknown is None or not exc.temporary:
                    raise
            if age > PATIENCE:
                raise unknown
            await asyncio.sleep(self._random.uniform(*RETRY))


def _request(send: Send, message_id: str, age: float) -> logic_pb2.PublishRequest:
    request = logic_pb2.PublishRequest(
        session=send.session, message_id=message_id, text=send.text, age_ms=send.age_ms + int(age * 1000)
    )
    if isinstance(send.target, int):
        request.user_id = send.target
    else:
        request.room = send.target
    return request
