"""local.children with small programs: what is started again, what is not, and that nothing is left behind."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from chatcluster.local import children
from chatcluster.local.children import Child
from chatcluster.local.console import Console
from chatcluster.local.programs import Program
from support.eventually import eventually

FOREVER = "import signal, os\nprint(os.getpid(), flush=True)\nsignal.pause()"
STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{FOREVER}"


class Screen:
    """A console whose lines can be read, and children that write to it."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.console = Console(self._stream)

    @property
    def lines(self) -> list[str]:
        """What was written so far, without the padding of names."""
        return [" ".join(line.split()) for line in self._stream.getvalue().splitlines()]

    def pids(self) -> list[int]:
        """The ids that children have printed."""
        return [int(line.split()[-1]) for line in self.lines if line.split()[-1].isdigit()]

    @asynccontextmanager
    async def running(self, code: str, *, environ: dict[str, str] | None = None) -> AsyncIterator[Child]:
        """Keep a Python program running as long as the block."""
        program = Program("child", (sys.executable, "-c", code), environ or {})
        child = Child(program, {}, self.console)
        keeping = asyncio.create_task(child.run())
        yield child
        keeping.cancel()
        await asyncio.wait([keeping])


@pytest.fixture
def screen() -> Screen:
    """Return an empty screen."""
    return Screen()


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_lines_of_both_streams_are_carried(screen: Screen) -> None:
    """stdout and stderr appear line by line behind the name, bytes that are no text included."""
    code = (
        "import sys\nprint('out')\nsys.stdout.flush()\nsys.stderr.write('err\\n')\nsys.stdout.buffer.write(b'\\xff')\n"
    )
    async with screen.running(code):
        await eventually(lambda: "up | child died (exit code 0); it is started again in 0.5 s" in screen.lines)

    assert screen.lines[:3] == ["child | out", "child | err", "child | \N{REPLACEMENT CHARACTER}"]


async def test_a_line_without_end_is_cut(screen: Screen) -> None:
    """A program that never ends its line costs no more than a bounded piece of it."""
    async with screen.running(
        "import sys, signal\nsys.stdout.write('x' * 100_000)\nsys.stdout.flush()\nsignal.pause()"
    ):
        await eventually(lambda: sum(line.count("x") for line in screen.lines) > 80_000)

    assert max(map(len, screen.lines)) < 40_000


async def test_what_dies_is_started_again(screen: Screen) -> None:
    """A killed program comes back after a moment, and how it died is told."""
    async with screen.running(FOREVER):
        (first,) = await eventually(screen.pids)
        os.kill(first, signal.SIGKILL)

        await eventually(lambda: len(screen.pids()) == 2)

    assert "up | child died (signal SIGKILL); it is started again in 0.5 s" in screen.lines
    assert not any(map(is_alive, screen.pids()))


async def test_who_dies_again_and_again_waits_longer(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait doubles with every death up to its bound."""
    monkeypatch.setattr(children, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(children, "LONGEST_DELAY", 0.04)
    async with screen.running("raise SystemExit(1)"):
        await eventually(lambda: len(screen.lines) >= 5)

    assert [line.rsplit(" in ")[1] for line in screen.lines[:5]] == ["0.01 s", "0.02 s", "0.04 s", "0.04 s", "0.04 s"]


async def test_a_refused_setting_ends_it(screen: Screen) -> None:
    """Exit code 2 is not tried again: the setting would still be wrong."""
    async with screen.running("raise SystemExit(2)") as child:
        await eventually(lambda: child.refused)

    assert screen.lines == []


async def test_stopping_is_asked_for(screen: Screen) -> None:
    """A program that is stopped ends by itself and is not started again."""
    async with screen.running(FOREVER) as child:
        (pid,) = await eventually(screen.pids)

        await child.stop(grace=10)

        assert not is_alive(pid)
    assert len(screen.lines) == 1


async def test_the_stubborn_are_killed(screen: Screen) -> None:
    """A program that does not stop within the grace is killed, and that is told."""
    async with screen.running(STUBBORN) as child:
        (pid,) = await eventually(screen.pids)

        await child.stop(grace=0.1)

        assert not is_alive(pid)
    assert screen.lines[-1] == "up | child did not stop within 0.1 s and is killed"


async def test_stopping_between_two_lives(screen: Screen) -> None:
    """A program that waits to be started again stays down when it is stopped."""
    async with screen.running("raise SystemExit(1)") as child:
        await eventually(lambda: screen.lines)

        await child.stop(grace=10)

    assert len(screen.lines) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_no_child_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    """When the supervisor itself is killed by SIGKILL, the kernel takes its children with it."""
    code = f"""
import asyncio, sys
from chatcluster.local.children import Child
from chatcluster.local.console import Console
from chatcluster.local.programs import Program
asyncio.run(Child(Program("child", (sys.executable, "-c", {FOREVER!r}), {{}}), {{}}, Console(sys.stdout)).run())
"""
    output = tmp_path / "output"
    with output.open("wb") as file:
        dies = partial(children.die_with, os.getpid())
        supervisor = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=file, preexec_fn=dies)
    line = await eventually(output.read_text)
    pid = int(line.split()[-1])
    assert is_alive(pid)

    supervisor.kill()
    await supervisor.wait()

    await eventually(lambda: not is_alive(pid))
