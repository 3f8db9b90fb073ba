"""What drives the protocol's core: connections to gateways, one after another, and the clock.

Owns when to connect and to look at the time, as the core says. Does not own what is said (protocol), sockets
(transport), nor who is told what happened: that is `hand_out`, which is called after everything that may have told
the core something.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from chatcluster.client import failures, transport
from chatcluster.client.events import Phase
from chatcluster.client.protocol import Protocol
from chatcluster.core import errors

LOOK_EVERY = 60.0
"""Seconds without anything to do after which the core is looked at all the same."""


class Link:
    """A client's connections. Each gateway of `urls` is tried in turn."""

    def __init__(self, protocol: Protocol, urls: Sequence[str], hand_out: Callable[[], None]) -> None:
        self._protocol = protocol
        self._urls = urls
        self._hand_out = hand_out
        self._wake = asyncio.Event()
        self._attempts = 0

    def wake(self) -> None:
        """Have the core looked at: there may be something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Connect, and connect again, until the core is over."""
        try:
            while not self._is_over:
                await self._wait_until_due()
                if not self._is_over:
                    await self._connect()
        except Exception as exc:
            self._protocol.close(errors.ChatError(f"the client failed: {exc!r}"))
            raise
        finally:
            self._hand_out()

    @property
    def _is_over(self) -> bool:
        return self._protocol.phase is Phase.OVER

    async def _wait_until_due(self) -> None:
        while not self._is_over and (wait := self._protocol.connect_at - now()) > 0:
            await self._sleep(wait)
            self._tick()

    async def _connect(self) -> None:
        url = self._urls[self._attempts % len(self._urls)]
        self._attempts += 1
        try:
            async with transport.opened(url) as socket:
                self._protocol.connected(now())
                code, reason = await self._converse(socket)
        except transport.Unreachable as exc:
            self._protocol.disconnected(now(), reason=str(exc), at_least=exc.retry_after)
        else:
            self._protocol.disconnected(now(), code, reason)
        self._hand_out()

    async def _converse(self, socket: transport.Socket) -> tuple[int, str]:
        """Talk until one side ends it; how it ended."""
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read(socket))
            with suppress(transport.Ended):
                while not self._protocol.leaving and not reading.done():
                    for frame in self._protocol.frames_to_send(now()):
                        await socket.send(frame)
                    await self._sleep(LOOK_EVERY)
                    self._tick()
                reading.cancel()
        return (failures.LOST, "") if reading.cancelled() else reading.result()

    async def _read(self, socket: transport.Socket) -> tuple[int, str]:
        try:
            while True:
                frame = await socket.receive()
                self._protocol.received(frame, now())
                self._hand_out()
                self._wake.set()
        except transport.Ended as end:
            self._wake.set()
            return end.code, end.reason

    def _tick(self) -> None:
        self._protocol.tick(now())
        self._hand_out()

    async def _sleep(self, longest: float) -> None:
        """Wait until something is to be done, or until it is due."""
        due = self._protocol.next_due(now()) - now()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(longest, due))):
                await self._wake.wait()
        self._wake.clear()


def now() -> float:
    """The clock of a client: the loop's."""
    return asyncio.get_running_loop().time()
