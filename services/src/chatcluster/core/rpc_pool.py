"""All endpoints of a service, as one thing to call.

Owns the choice of an endpoint, what is repeated, and what a caller is told in the end. Does not own where endpoints are
(the directory port) or a single call (rpc). It lives in core because api and the gateways call logic by the same rules.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any, Protocol

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message

from chatcluster.core import errors, health, rpc, turns

ATTEMPTS = 3
"""Of one call, the first included."""
CONNECT_WAIT = 1.0
"""Seconds that a call waits for any endpoint to be connected."""
SUSPECT_FOR = 5.0
"""Seconds that an endpoint which left an outcome unknown is chosen last."""
AT_ONCE = 128
"""Calls of one method that are under way at once: in a busy moment more would only make each of them later. Each method
for itself, so that logins that wait for their turn at logic hold nobody else up."""
TURN_WAIT = 3.0
"""Seconds that a call waits for its turn: less than whoever waits for its answer has patience."""
MAX_WAITING = 1_000
"""Calls of one method that wait."""

_JITTER = (0.01, 0.05)
_CLOSE_GRACE = 30.0


class Endpoints(Protocol):
    """What a pool needs of the directory port."""

    def changes(self) -> AsyncIterator[frozenset[str]]:
        """The addresses now, and again whenever they change."""
        ...


class Pool:
    """All endpoints of a service: each call goes to a connected one with the fewest calls in flight.

    `run` has to run beside it. An endpoint that the directory drops gets no more calls and is closed when those in
    flight have ended.
    """

    def __init__(
        self, directory: Endpoints, service: ServiceDescriptor, secret: str, dependency: health.Dependency
    ) -> None:
        self._directory = directory
        self._service = service
        self._secret = secret
        self._dependency = dependency
        self._endpoints: dict[str, rpc.Endpoint] = {}
        self._any_connected = asyncio.Event()
        self._turns = {method.name: turns.Turns(AT_ONCE, TURN_WAIT, MAX_WAITING) for method in service.methods}

    @property
    def addresses(self) -> frozenset[str]:
        """The endpoints that calls may go to."""
        return frozenset(self._endpoints)

    @property
    def connected(self) -> int:
        """How many of them are connected."""
        return sum(endpoint.connected for endpoint in self._endpoints.values())

    async def run(self) -> None:
        """Follow the directory and keep the endpoints connected, until cancelled."""
        watchers: dict[str, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as tasks:
                async for addresses in self._directory.changes():
                    for address in addresses - self._endpoints.keys():
                        endpoint = self._endpoints[address] = rpc.Endpoint(address, self._service, self._secret)
                        watchers[address] = tasks.create_task(endpoint.watch(self._changed))
                    for address in self._endpoints.keys() - addresses:
                        watchers.pop(address).cancel()
                        tasks.create_task(self._endpoints.pop(address).close(_CLOSE_GRACE))
                    self._changed()
        finally:
            for endpoint in self._endpoints.values():
                await endpoint.close()

    async def call(self, method: str, request: Message, *, timeout: float) -> Any:
        """Call a method; returns its response message within `timeout` seconds or raises.

        A call whose outcome is unknown is repeated on another endpoint, twice at most, if the method's
        idempotency_level in proto/ allows it; a first attempt gets half of the time then.
        Raises the server's own `errors.ChatError`; `Busy` when it has waited for its turn for `TURN_WAIT`, or finds
        `MAX_WAITING` others waiting; `Unavailable` when it surely had no effect because nothing is connected
        (`CONNECT_WAIT`), and for whatever goes wrong with a method without side effects; `OutcomeUnknown` for the rest,
        so also when a repetition was refused for the moment.
        """
        level = self._service.methods_by_name[method].GetOptions().idempotency_level
        attempts = 1 if level == MethodOptions.IDEMPOTENCY_UNKNOWN else ATTEMPTS
        deadline = asyncio.get_running_loop().time() + timeout
        async with self._turns[method]:
            try:
                return await self._attempt(method, request, deadline, attempts)
            except errors.OutcomeUnknown as exc:
                if level == MethodOptions.NO_SIDE_EFFECTS:
                    raise errors.Unavailable(str(exc)) from exc
                raise

    async def _attempt(self, method: str, request: Message, deadline: float, attempts: int) -> Any:
        loop = asyncio.get_running_loop()
        endpoint = await self._choose(deadline)
        remaining = deadline - loop.time()
        try:
            return await endpoint.call(method, request, timeout=remaining / 2 if attempts > 1 else remaining)
        except errors.OutcomeUnknown as exc:
            endpoint.suspect_until = loop.time() + SUSPECT_FOR
            if attempts == 1 or loop.time() >= deadline:
                raise
            unknown = exc
        await asyncio.sleep(random.uniform(*_JITTER))  # noqa: S311 - jitter is no secret
        try:
            return await self._attempt(method, request, deadline, attempts - 1)
        except errors.ChatError as exc:
            if not exc.temporary:
                raise
            # A repetition that was turned away says nothing about the attempt before it, which had the most time to
            # find out what is wrong.
            raise errors.OutcomeUnknown(str(unknown)) from exc

    async def _choose(self, deadline: float) -> rpc.Endpoint:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + CONNECT_WAIT)):
                await self._any_connected.wait()
        except TimeoutError:
            raise errors.Unavailable(f"no {self._service.name} is connected") from None
        now = loop.time()
        connected = [endpoint for endpoint in self._endpoints.values() if endpoint.connected]
        chosen = min(connected, key=lambda e: (e.suspect_until > now, e.in_flight, e.chosen_at))
        chosen.chosen_at = now
        return chosen

    def _changed(self) -> None:
        if self.connected:
            self._any_connected.set()
            self._dependency.reached()
        else:
            self._any_connected.clear()
            self._dependency.lost("no endpoint is connected")
