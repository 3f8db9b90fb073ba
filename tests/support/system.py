"""The real programs as child processes of a test: a whole ChatCluster, or a part of one.

They get the same environment as everywhere, port 0, and a file to report their ports to. A program that is killed comes
back on the ports it had, as a supervisor would bring it back. Their logs are kept beside their reports in the test's
folder, and searched for what nothing may log.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from chatcluster.local import programs
from chatcluster.local.children import die_with
from chatcluster.local.programs import Program, Secrets
from chatcluster.local.redis import Server
from support import canaries, servers
from support.canaries import CANARY, PASSWORD
from support.eventually import eventually
from support.servers import RedisServer

STOP_WITHIN = 60.0


class Process:
    """One program. Its ports outlive `kill` and `stop`."""

    def __init__(
        self, describe: Callable[[Mapping[str, int]], Program], folder: Path, environ: Mapping[str, str]
    ) -> None:
        self._describe = describe
        self.environ = environ
        """What it is started with, besides what its place needs; a change counts from the next start."""
        self._process: asyncio.subprocess.Process | None = None
        self.name = describe({}).name
        self.log = folder / f"{self.name}.log"
        self._searched = 0
        self._report = folder / f"{self.name}.json"
        self.ports: dict[str, int] = {}
        """What it listens on, by name: health, and what else it reported. Empty before the first start."""

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs; a crash is seen here."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it, on the ports that it had before if it had any, and wait until it listens."""
        self._report.unlink(missing_ok=True)
        program = self._describe(self.ports)
        environ = {**program.environ, **self.environ, "CHATCLUSTER_RUNNER_REPORT_FILE": str(self._report)}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *program.command, env=environ, stdout=log, stderr=log, preexec_fn=partial(die_with, os.getpid())
            )
        await eventually(self._has_reported, within=60, what=f"report of {self.name}, see {self.log}")

    async def stop(self) -> int:
        """Ask it to end (SIGTERM); returns its exit code."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Kill it as a crash would (SIGKILL)."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop it if it runs, and start it again on the same ports."""
        if self.running:
            await self.stop()
        await self.start()

    def pause(self) -> None:
        """Hold it (SIGSTOP): it keeps its connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    async def is_ready(self) -> bool:
        """Whether its /readyz says so, in time."""
        try:
            return (await self._get("/readyz")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels; 0 when there are none."""
        return total((await self._get("/metrics")).text, name, **labels)

    def resident_bytes(self) -> int:
        """Return how much memory it has (RSS)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """Return how much processor time it has used since it was started."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def document(self, path: str) -> Any:
        """Return a JSON page of its health port."""
        return (await self._get(path)).json()

    async def _get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            return await client.get(f"http://127.0.0.1:{self.ports['health']}{path}")

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            os.kill(process.pid, signal.SIGCONT)
            os.kill(process.pid, number)
        code = await asyncio.wait_for(process.wait(), STOP_WITHIN)
        self._searched = canaries.search_file(self.log, self._searched)
        return code

    def _has_reported(self) -> bool:
        if not self.running:
            raise RuntimeError(f"{self.name} ended at once:\n{self.log.read_text()[-4000:]}")
        if not self._report.exists():
            return False
        self.ports = {name: port for name, port in json.loads(self._report.read_text()).items() if name != "pid"}
        return True


class System:
    """All programs of a cluster, with their Redis."""

    def __init__(self, redis: RedisServer, folder: Path, environ: Mapping[str, str]) -> None:
        self.redis = redis
        self.secrets = Secrets(cluster=folder / "cluster-secret", redis_url=folder / "redis-url")
        self.logic: list[Process] = []
        self.task: list[Process] = []
        self.connect: list[Process] = []
        self.api: list[Process] = []
        self.synthetic: list[Process] = []
        self._folder = folder
        self._environ = {**_inherited(), **environ}
        self.secrets.cluster.write_text(f"secret-{CANARY}")
        self.secrets.redis_url.write_text(redis.url)

    @property
    def processes(self) -> list[Process]:
        """All of them, but Redis."""
        return [*self.logic, *self.task, *self.connect, *self.api, *self.synthetic]

    @property
    def api_url(self) -> str:
        """The first api."""
        return f"http://127.0.0.1:{self.api[0].ports['http']}"

    def websocket_url(self, gateway: int = 0) -> str:
        """The websocket address of a gateway."""
        return f"ws://127.0.0.1:{self.connect[gateway].ports['websocket']}/ws"

    async def add_logic(self, count: int = 1) -> None:
        """Start more logics; who was started before does not know them."""

        def describe(index: int, ports: Mapping[str, int]) -> Program:
            return programs.logic(self.secrets, index, port=ports.get("grpc", 0), health=ports.get("health", 0))

        await self._add(self.logic, describe, count)

    async def add_task(self, count: int = 1) -> None:
        """Start more tasks."""

        def describe(index: int, ports: Mapping[str, int]) -> Program:
            return programs.task(self.secrets, index, health=ports.get("health", 0))

        await self._add(self.task, describe, count)

    async def add_connect(self, count: int = 1) -> None:
        """Start more gateways, with the logics that there are."""
        logic = self._logic_addresses()

        def describe(index: int, ports: Mapping[str, int]) -> Program:
            own = (ports.get("websocket", 0), ports.get("tcp", 0), ports.get("grpc", 0))
            return programs.connect(self.secrets, index, logic, ports=own, health=ports.get("health", 0))

        await self._add(self.connect, describe, count)

    async def add_api(self, count: int = 1) -> None:
        """Start more apis, with the logics that there are."""
        logic = self._logic_addresses()

        def describe(index: int, ports: Mapping[str, int]) -> Program:
            return programs.api(self.secrets, index, logic, port=ports.get("http", 0), health=ports.get("health", 0))

        await self._add(self.api, describe, count)

    async def add_synthetic(self, **variables: str) -> Process:
        """Start a synthetic user, with the gateways that there are and what else it is set up by."""
        password = self._folder / "synthetic-password"
        password.write_text(PASSWORD)
        environ = {
            "CHATCLUSTER_SYNTHETIC_API": self.api_url,
            "CHATCLUSTER_SYNTHETIC_PASSWORD_FILE": str(password),
            "CHATCLUSTER_DIRECTORY_CONNECT": ",".join(f"127.0.0.1:{one.ports['websocket']}" for one in self.connect),
            "CHATCLUSTER_HEALTH_PORT": "0",
            **variables,
        }

        def describe(index: int, ports: Mapping[str, int]) -> Program:
            return Program(f"synthetic-{index}", (sys.executable, "-P", "-m", "chatcluster.synthetic"), environ)

        await self._add(self.synthetic, describe, 1)
        return self.synthetic[-1]

    async def ready(self) -> None:
        """Wait until all that runs is ready."""
        for process in self.processes:
            if process.running:
                await eventually(process.is_ready, within=60, what=f"readiness of {process.name}, see {process.log}")

    async def kill(self) -> None:
        """Kill whatever still runs."""
        await asyncio.gather(*(process.kill() for process in self.processes))

    async def _add(
        self, group: list[Process], describe: Callable[[int, Mapping[str, int]], Program], count: int
    ) -> None:
        first = len(group)
        added = [Process(partial(describe, first + n), self._folder, self._environ) for n in range(count)]
        group.extend(added)
        await asyncio.gather(*(process.start() for process in added))

    def _logic_addresses(self) -> list[str]:
        return [f"127.0.0.1:{process.ports['grpc']}" for process in self.logic]


@asynccontextmanager
async def running(
    folder: Path,
    *,
    program: Server | None = None,
    counts: tuple[int, int, int, int] = (2, 2, 2, 1),
    environ: Mapping[str, str] | None = None,
    redis_options: Mapping[str, str] | None = None,
) -> AsyncIterator[System]:
    """Run a cluster as long as the block, ready from the start.

    `program` is the Redis server (the first of this machine), `counts` how many of logic, task, gateway and api there
    are, `environ` what is set for all of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    async with servers.running(program or servers.SERVERS[0], folder / "redis", redis_options) as redis:
        system = System(redis, folder, environ or {})
        try:
            logic, task, connect, api = counts
            await system.add_logic(logic)
            await asyncio.gather(system.add_task(task), system.add_connect(connect), system.add_api(api))
            await system.ready()
            yield system
        finally:
            await system.kill()


def total(page: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples on a page of /metrics that have these labels; 0 when there are none."""
    samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def logged(processes: Iterable[Process]) -> str:
    """Return all that these programs have logged so far."""
    return "".join(process.log.read_text(errors="replace") for process in processes)


def _inherited() -> dict[str, str]:
    # A developer's own settings must not change what is tested.
    return {name: value for name, value in os.environ.items() if not name.startswith("CHATCLUSTER_")}
