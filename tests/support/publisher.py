"""One user who publishes to one room, much more than people do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.canaries import CANARY
from support.rest import Api, User
from support.system import System

ROOM = 1
OUTBOX = 256 * 1024
MANY = {
    "CHATCLUSTER_CONNECT_MAX_PER_USER": "10000",
    "CHATCLUSTER_CONNECT_RATE": "100000",
    "CHATCLUSTER_CONNECT_OUTBOX_BYTES": str(OUTBOX),
    "CHATCLUSTER_API_MESSAGE_RATE": "10000",
    "CHATCLUSTER_API_MESSAGE_BURST": "10000",
    "CHATCLUSTER_LOG_ROOM_RATE": "10000",
    "CHATCLUSTER_LOG_ROOM_BURST": "10000",
    "CHATCLUSTER_LOG_HISTORY_SIZE": "100000",
    "CHATCLUSTER_LOG_HISTORY_BYTES": str(2**28),
    "CHATCLUSTER_LOGIC_REGISTER_RATE": "100000",
    "CHATCLUSTER_LOGIC_PASSWORD_MEMORY": "64",
}
"""One user has all connections, and one room all messages; the product's defaults are for people."""


class Publisher:
    """One user who publishes to the room at a rate."""

    def __init__(self, api: Api, user: User) -> None:
        self.user = user
        self._api = api
        self._sent = 0

    async def publish(self) -> None:
        """Publish one message, and have it acknowledged."""
        self._sent += 1
        path, text = f"/v1/rooms/room:{ROOM}/messages", f"{CANARY} {self._sent} {'x' * 64}"
        answer = await self._api.publish(self.user, path, text.replace(" ", "-"))
        assert answer.status in {200, 201}, answer.body

    @asynccontextmanager
    async def publishing(self, rate: float) -> AsyncIterator[None]:
        """Publish so many a second as long as the block."""
        running = asyncio.create_task(self._run(rate))
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait([running])

    async def _run(self, rate: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with asyncio.TaskGroup() as publishing:
            while True:
                publishing.create_task(self.publish())
                due += 1 / rate
                await asyncio.sleep(max(0, due - loop.time()))

    async def history(self) -> list[str]:
        """All texts of the room, in their order."""
        _, _, entries = await self._api.read(self.user, f"/v1/rooms/room:{ROOM}/messages", ("", 0))
        return [text for _, text in entries]


@asynccontextmanager
async def publisher(running: System) -> AsyncIterator[Publisher]:
    """Yield a new user who publishes."""
    async with Api(running.api_url) as api:
        yield Publisher(api, await api.register("ann"))
