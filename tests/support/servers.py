"""Real Redis and Valkey servers as child processes of a test, alone or as a cluster of three masters.

Every server listens on a loopback port of its own and keeps its data in a folder of the test, so that it can be killed
and come back with what it had.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import redis.asyncio
from redis.exceptions import RedisError

from chatcluster.local import redis as programs
from chatcluster.local.children import die_with
from chatcluster.local.redis import Server
from support import canaries, ports
from support.eventually import eventually

SERVERS = programs.available(os.environ)
"""What this machine has: the system's server of 7.0 or later, if any, and the wheel's."""
PASSWORD = canaries.PASSWORD


class RedisServer:
    """One server process. Its port and its data outlive `kill` and `stop`."""

    def __init__(self, program: Server, folder: Path, port: int, options: Mapping[str, str]) -> None:
        self.program = program
        self.folder = folder
        self.port = port
        self.log = folder / "server.log"
        self._searched = 0
        self._options = options
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it is, with its password."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def append_only_files(self) -> list[Path]:
        """The files that the commands since the last rewrite stand in."""
        return sorted(self.folder.glob("appendonlydir/*.incr.aof"))

    def written(self) -> dict[Path, int]:
        """How many bytes stand in these files now."""
        return {file: file.stat().st_size for file in self.append_only_files}

    def cut_tail(self, since: Mapping[Path, int], part: float) -> None:
        """While it is down: leave of what was `written` since then only that part, 0 to 1, to the byte."""
        for file, before in since.items():
            with file.open("r+b") as handle:
                handle.truncate(before + int((file.stat().st_size - before) * part))

    async def rewrite(self) -> None:
        """Write the file anew, as every supervisor has it done after a crash: 7.0 keeps half of a torn transaction
        there, and a second crash would run it.
        """
        async with self.client() as client:
            await client.bgrewriteaof()
        await eventually(self._is_rewritten, within=60, every=0.2, what="a new append-only file")

    def client(self) -> "redis.asyncio.Redis":
        """Return a client of its own for a look at the data, which speaks text."""
        return redis.asyncio.Redis(port=self.port, password=PASSWORD, socket_timeout=5, decode_responses=True)

    async def start(self) -> None:
        """Start it, and wait until it has loaded its data and answers."""
        configuration = self.folder / "redis.conf"
        lines = programs.configuration(self.folder, self.port, PASSWORD)
        configuration.write_text(lines + "".join(f"{name} {value}\n" for name, value in self._options.items()))
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self.program.program,
                configuration,
                stdout=log,
                stderr=log,
                preexec_fn=partial(die_with, os.getpid()),
            )
        await eventually(self._answers, within=30, what=f"answer of {self.program} on port {self.port}, see {self.log}")

    async def stop(self) -> None:
        """Ask it to end, and wait for it."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Kill it as a crash would (SIGKILL), and wait for it."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop it and start it again on the same port with the same data."""
        await self.stop()
        await self.start()

    def pause(self) -> None:
        """Hold it (SIGSTOP): it keeps its connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            os.kill(process.pid, signal.SIGCONT)
            os.kill(process.pid, number)
            await asyncio.wait_for(process.wait(), 30)
            self._searched = canaries.search_file(self.log, self._searched)

    async def _is_rewritten(self) -> bool:
        async with self.client() as client:
            found = await client.info("persistence")
        return not found["aof_rewrite_in_progress"] and not found["aof_rewrite_scheduled"]

    async def _answers(self) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            raise RuntimeError(f"{self.program} ended at once:\n{self.log.read_text()}")
        async with self.client() as client:
            try:
                return bool(await client.ping())
            except (RedisError, OSError):
                return False


@asynccontextmanager
async def running(
    program: Server, folder: Path, options: Mapping[str, str] | None = None
) -> AsyncIterator[RedisServer]:
    """Run a server as long as the block; `options` are lines of its configuration that add to the usual ones."""
    folder.mkdir(parents=True, exist_ok=True)
    with ports.reserved() as port:
        server = RedisServer(program, folder, port, options or {})
        try:
            await server.start()
            yield server
        finally:
            await server.kill()


@asynccontextmanager
async def running_cluster(program: Server, folder: Path) -> AsyncIterator[list[RedisServer]]:
    """Run a Redis Cluster of three masters without replicas, every slot served, as long as the block."""
    async with AsyncExitStack() as stack:
        options = {"cluster-enabled": "yes", "cluster-node-timeout": "5000", "masterauth": PASSWORD}
        nodes = [await stack.enter_async_context(running(program, folder / str(n), options)) for n in range(3)]
        for index, node in enumerate(nodes):
            first, last = 16384 * index // 3, 16384 * (index + 1) // 3 - 1
            async with node.client() as client:
                await client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
                await client.execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
        for node in nodes:
            await eventually(partial(_is_whole, node), within=30, what="cluster_state:ok with three nodes")
        yield nodes


async def _is_whole(node: RedisServer) -> bool:
    async with node.client() as client:
        info = str(await client.execute_command("CLUSTER", "INFO"))
        return "cluster_state:ok" in info and "cluster_known_nodes:3" in info
