"""`make up`: a Redis server and the four programs on this machine, from start to Ctrl-C.

Owns the order of starting and stopping and what is told to the person at the terminal. Does not own how a single
process is kept running (children) or what it is started with (programs).
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from chatcluster.core.environment import PREFIX, WrongSetting
from chatcluster.core.runner import Runner
from chatcluster.local import append_only, data, programs, redis, welcome
from chatcluster.local.children import Child
from chatcluster.local.console import Console
from chatcluster.local.data import Data
from chatcluster.local.programs import Program
from chatcluster.local.redis import Server
from chatcluster.local.settings import EACH, Port, Settings, wrong_port

GRACE = 15.0
"""Seconds that a program gets to stop."""
_LOOK = 0.1
_DEFAULTS = {
    # Lines are for a person here, and nobody waits for a long drain. What is set in the environment holds.
    "CHATCLUSTER_TELEMETRY_FORMAT": "console",
    "CHATCLUSTER_CONNECT_DRAIN_SECONDS": "2",
}

Started = Callable[[], Awaitable[None]]


async def main(run: Runner) -> None:
    """Start everything, say where it is, and stop everything in order when asked to."""
    settings = Settings.from_env(run.environ)
    with data.held(settings.data) as held:
        check_free(settings.ports())
        server = choose_server(settings, held, run.environ)
        console = Console(sys.stdout)
        console.write("up", f"data in {held.root}, {server} from {server.program}")
        supervisor = _Supervisor(run, settings, console)

        async def redis_started() -> None:
            if not await append_only.rewrite(settings.redis_port, held.redis_password()):
                console.write("up", "redis did not write its append-only file anew")

        await supervisor.keep_up(_redis(settings, held, server), _programs(settings, held), redis_started)


def check_free(ports: Sequence[Port], target: str = "up") -> None:
    """Raise `WrongSetting` for the first port on which something listens already; `target` is make's."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port.number))
            except OSError as exc:
                raise wrong_port(port, f"which is taken ({exc.strerror})", target) from exc


def choose_server(settings: Settings, held: Data, environ: Mapping[str, str]) -> Server:
    """The Redis server to run. Raises `WrongSetting` when there is none, or none that reads the data."""
    name, example = f"{PREFIX}LOCAL_REDIS_SERVER", "/usr/bin/redis-server"
    if settings.redis_server:
        named = redis.inspect(Path(settings.redis_server))
        servers = [named] if named and named.version >= redis.OLDEST else []
    else:
        servers = redis.available(environ)
    if not servers:
        problem = f"is {settings.redis_server!r}: there is no redis-server or valkey-server of 7.0 or later"
        raise WrongSetting(name, problem, example)
    server = redis.choose(servers, held.writer)
    if server is None:
        problem = f"leads to {servers[0]}, but {held.redis} was written by {held.writer}: use that, or move it away"
        raise WrongSetting(name, problem, example)
    return server


def _redis(settings: Settings, held: Data, server: Server) -> Program:
    configuration = redis.configuration(held.redis, settings.redis_port, held.redis_password())
    return Program("redis", (str(server.program), str(held.prepare(configuration, str(server)))), {})


def _programs(settings: Settings, held: Data) -> list[list[Program]]:
    """The programs by stage: they start together, and stop stage by stage."""
    secrets = held.secrets(settings.redis_port)
    logic = [f"127.0.0.1:{settings.logic(n)}" for n in range(EACH)]
    ports = [(settings.websocket(n), settings.tcp(n), settings.connect(n)) for n in range(EACH)]
    health = settings.health
    gateways = [(websocket, tcp) for websocket, tcp, _ in ports]
    return [
        [
            programs.api(secrets, 0, logic, port=settings.api_port, health=health("api", 0), gateways=gateways),
            *(programs.connect(secrets, n, logic, ports=ports[n], health=health("connect", n)) for n in range(EACH)),
        ],
        [
            *(programs.logic(secrets, n, port=settings.logic(n), health=health("logic", n)) for n in range(EACH)),
            *(programs.task(secrets, n, health=health("task", n)) for n in range(EACH)),
        ],
    ]


class _Supervisor:
    def __init__(self, run: Runner, settings: Settings, console: Console) -> None:
        self._run = run
        self._settings = settings
        self._console = console
        self._environ = {**_DEFAULTS, **run.environ}

    async def keep_up(self, server: Program, stages: list[list[Program]], redis_started: Started) -> None:
        """Run until asked to stop, or until a program refuses its settings."""
        redis_server = self._start(Child(server, self._environ, self._console, redis_started))
        if await self._until(lambda: _listens(self._settings.redis_port)):
            children = [
                [self._start(Child(program, self._environ, self._console)) for program in stage] for stage in stages
            ]
            if await self._until(self._all_ready):
                sys.stdout.write(welcome.text(self._settings))
                sys.stdout.flush()
            await self._run.stopping.wait()
            for stage in children:
                await asyncio.gather(*(child.stop(GRACE) for child in stage))
        await redis_server.stop(GRACE)
        self._console.write("up", "stopped")

    def _start(self, child: Child) -> Child:
        self._run.spawn(self._keep(child), child.name)
        return child

    async def _keep(self, child: Child) -> None:
        await child.run()
        if child.refused:
            child.say("refused its settings, see above: everything is stopped")
            self._run.exit_code = 2
            self._run.stopping.set()

    async def _all_ready(self) -> bool:
        healths = [port.number for port in self._settings.ports() if port.setting == "HEALTH_PORT"]
        return all(await asyncio.gather(*map(_is_ready, healths)))

    async def _until(self, look: Callable[[], Awaitable[bool]]) -> bool:
        """Wait for something; False when asked to stop before it was so."""
        while not self._run.stopping.is_set():
            if await look():
                return True
            await asyncio.sleep(_LOOK)
        return False


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _is_ready(port: int) -> bool:
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            status = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status
