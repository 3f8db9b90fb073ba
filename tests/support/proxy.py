"""A TCP proxy on loopback that can be told to fail, as a network would.

It stands between two programs: one is given the proxy's address as the other's. `cut` resets what is open and refuses
what is new, `stall` keeps everything open and carries nothing, `heal` ends either.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_CHUNK = 64 * 1024


class Proxy:
    """Carries bytes both ways between whoever connects and one target, as long as it is not told otherwise."""

    def __init__(self, target: int) -> None:
        self.target = target
        """The port on loopback that it carries to; may be changed, and holds for new connections."""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._open: set[asyncio.Task[None]] = set()
        self._refusing = False

    @property
    def address(self) -> str:
        """Where to reach it."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen on a port of the kernel's choice."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Reset everything and stop listening."""
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._open:
            await asyncio.wait(self._open)

    def cut(self) -> None:
        """Reset every connection, and every new one from now on."""
        self._refusing = True
        for task in self._open:
            task.cancel()

    def stall(self) -> None:
        """Carry nothing more, and say nothing about it: connections stay, and new ones are accepted."""
        self._flowing.clear()

    def heal(self) -> None:
        """Carry again, what was held back included."""
        self._refusing = False
        self._flowing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            if not self._refusing:
                await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        ways = {
            asyncio.create_task(self._carry(reader, far_writer)),
            asyncio.create_task(self._carry(far_reader, writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            far_writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()


@asynccontextmanager
async def running(target: int = 0) -> AsyncIterator[Proxy]:
    """Run a proxy to a port on loopback as long as the block."""
    proxy = Proxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
