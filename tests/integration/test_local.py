"""`make up` as a person meets it: the supervisor as a process, its output, its exit code, and what it leaves behind."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx

from chatcluster.local.children import die_with
from support import canaries, ports
from support.canaries import PASSWORD
from support.eventually import eventually

NAMES = ("API_PORT", "WEBSOCKET_PORT", "TCP_PORT", "LOGIC_PORT", "CONNECT_PORT", "REDIS_PORT", "HEALTH_PORT")
OFFSETS = dict(zip(NAMES, (0, 1, 2, 3, 5, 7, 20), strict=True))
MOST = 30
"""How many ports there are from the first to the last."""


class Up:
    """One run of it."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.output = folder / "output"
        self.environ = dict(environ)
        self.process: asyncio.subprocess.Process | None = None

    @property
    def api_url(self) -> str:
        """Where its api is."""
        return f"http://127.0.0.1:{self.environ['CHATCLUSTER_LOCAL_API_PORT']}"

    @property
    def text(self) -> str:
        """What it has written so far."""
        return self.output.read_text()

    async def start(self) -> None:
        """Start it, with an empty output."""
        with self.output.open("wb") as file:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "chatcluster.local"),
                env={**os.environ, **self.environ},
                stdout=file,
                stderr=file,
                preexec_fn=partial(die_with, os.getpid()),
            )

    async def is_up(self) -> None:
        """Wait until it says so."""
        await eventually(lambda: "ChatCluster is up." in self.text, within=60, what=f"welcome in {self.output}")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and return its exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.exit_code()

    async def exit_code(self) -> int:
        """Wait for its end."""
        assert self.process is not None
        code = await asyncio.wait_for(self.process.wait(), 60)
        canaries.search_file(self.output)
        return code

    async def register(self, name: str) -> dict[str, object]:
        """Register a user by gochat's route; returns the envelope."""
        async with httpx.AsyncClient(base_url=self.api_url, trust_env=False) as client:
            response = await client.post("/user/register", json={"userName": name, "passWord": PASSWORD})
            return dict(response.json())

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None
        return self.process.pid

    def children(self) -> list[int]:
        """Return the ids of the processes that it has."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]


@asynccontextmanager
async def up(folder: Path, **environ: str) -> AsyncIterator[Up]:
    """Start it on ports of its own; stop it at the end of the block."""
    with ports.reserved(MOST) as first:
        settings = {f"CHATCLUSTER_LOCAL_{name}": str(first + offset) for name, offset in OFFSETS.items()}
        it = Up(folder, {"CHATCLUSTER_LOCAL_DATA": str(folder / "data"), **settings, **environ})
        await it.start()
        try:
            yield it
        finally:
            await it.stop()


async def test_it_comes_up_goes_down_and_keeps_its_data(tmp_path: Path) -> None:
    """It serves, stops in order with exit code 0 leaving no process, and has its users again in the next run."""
    async with up(tmp_path) as it:
        await it.is_up()
        assert (await it.register("ada"))["message"] == "register success"
        children = it.children()
        assert len(children) == 8

        assert await it.stop() == 0

        assert not any(Path(f"/proc/{pid}").exists() for pid in children)
        assert it.text.splitlines()[-1] == "up        | stopped"
        await it.start()
        await it.is_up()
        assert "already have" in str((await it.register("ada"))["message"])


async def test_what_dies_comes_back(tmp_path: Path) -> None:
    """Every single one of its processes may be killed: it says so, starts it again, and serves."""
    async with up(tmp_path) as it:
        await it.is_up()
        for pid in it.children():
            os.kill(pid, signal.SIGKILL)

        await eventually(lambda: len(re.findall(r"died \(signal SIGKILL\)", it.text)) == 8)

        await eventually(lambda: _registers(it, "ada"), within=60)


async def test_redis_writes_its_file_anew_after_each_start(tmp_path: Path) -> None:
    """So that half of a transaction, which a crash left at the file's end, is run by no later start."""
    async with up(tmp_path) as it:
        await it.is_up()
        await eventually(lambda: _base(tmp_path) == 2, what="a new file after the first start")

        [redis] = [pid for pid in it.children() if "server" in Path(f"/proc/{pid}/comm").read_text()]
        os.kill(redis, signal.SIGKILL)

        await eventually(lambda: _base(tmp_path) == 3, within=60, what="a new file after the second")


def _base(folder: Path) -> int:
    """Return the highest number of a base file: the server counts up whenever it writes one anew."""
    names = (path.name for path in (folder / "data/redis/appendonlydir").glob("*.base.*"))
    return max((int(name.split(".")[2]) for name in names), default=0)


async def _registers(it: Up, name: str) -> bool:
    try:
        return (await it.register(name))["message"] == "register success"
    except httpx.TransportError:
        return False


async def test_a_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    """SIGKILL cannot be handled: the kernel takes the children with it."""
    async with up(tmp_path) as it:
        await eventually(lambda: len(it.children()) == 8, within=60)
        children = it.children()

        await it.stop(signal.SIGKILL)

        await eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


async def test_a_second_one_is_told_who_holds_the_data(tmp_path: Path) -> None:
    """The same folder twice is refused with the holder's process id and the setting."""
    (tmp_path / "second").mkdir()
    async with up(tmp_path) as first, up(tmp_path / "second", CHATCLUSTER_LOCAL_DATA=str(tmp_path / "data")) as second:
        ends = {asyncio.create_task(run.exit_code()): (run, other) for run, other in ((first, second), (second, first))}

        ended, _ = await asyncio.wait(ends, timeout=60, return_when=asyncio.FIRST_COMPLETED)

        refused, holder = ends[ended.pop()]
        assert await refused.exit_code() == 2
        assert f"process {holder.pid} holds" in refused.text
        assert "CHATCLUSTER_LOCAL_DATA" in refused.text


async def test_a_taken_port_is_named_with_its_setting(tmp_path: Path) -> None:
    """A port on which something listens is told at once, before anything was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with up(tmp_path, CHATCLUSTER_LOCAL_API_PORT=str(port)) as it:
            assert await it.exit_code() == 2

            assert f"CHATCLUSTER_LOCAL_API_PORT leads to port {port}, which is taken" in it.text
            assert len(it.text.splitlines()) == 1


async def test_a_refused_setting_stops_everything(tmp_path: Path) -> None:
    """A wrong setting of one program is told in its own words, and is not tried again and again."""
    async with up(tmp_path, CHATCLUSTER_CONNECT_RATE="many") as it:
        assert await it.exit_code() == 2

        assert "CHATCLUSTER_CONNECT_RATE is 'many'" in it.text
        assert "died" not in it.text


async def test_no_server_at_all_is_told(tmp_path: Path) -> None:
    """A program that is no Redis of 7.0 or later is refused by the setting's name."""
    async with up(tmp_path, CHATCLUSTER_LOCAL_REDIS_SERVER="/bin/true") as it:
        assert await it.exit_code() == 2

        assert "CHATCLUSTER_LOCAL_REDIS_SERVER is '/bin/true'" in it.text
