import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from chatcluster.core import runner
from chatcluster.core.environment import WrongSetting
from chatcluster.core.runner import Runner

pytestmark = pytest.mark.usefixtures("restored_logging")


def exit_code(main: runner.Main, environ: dict[str, str] | None = None) -> int:
    """Run a program in this process; returns the exit code it would have."""
    with pytest.raises(SystemExit) as left:
        runner.run(main, "test", environ or {})
    return int(left.value.code or 0)


def test_a_program_ends_with_its_main() -> None:
    """When `main` returns, background tasks are cancelled and the exit code is 0."""
    ended: list[str] = []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("background")

    async def main(run: Runner) -> None:
        run.spawn(background(), "background")
        await asyncio.sleep(0)

    assert exit_code(main) == 0
    assert ended == ["background"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_ask_to_stop(number: signal.Signals) -> None:
    """A signal sets `stopping` and leaves it to `main` how to end."""
    drained: list[bool] = []

    async def main(run: Runner) -> None:
        os.kill(os.getpid(), number)
        await run.stopping.wait()
        drained.append(True)

    assert exit_code(main) == 0
    assert drained == [True]


def test_a_second_signal_cuts_the_drain_short() -> None:
    """Who asks twice does not want to wait: `main` is cancelled and the exit code is 1."""

    async def main(run: Runner) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await run.stopping.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    assert exit_code(main) == 1


def test_what_makes_running_impossible_is_said_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason stands alone on stderr, as for a wrong setting, and the exit code is 2."""

    async def look() -> None:
        raise runner.CannotRun("the server is too old: update it")

    async def main(run: Runner) -> None:
        run.spawn(look(), "look")
        await run.stopping.wait()

    assert exit_code(main) == 2
    assert capsys.readouterr().err == "chatcluster test: the server is too old: update it\n"


def test_a_crashed_background_task_stops_the_program() -> None:
    """A background task that dies takes `main` with it, so that nobody half works."""
    cancelled: list[bool] = []

    async def crash() -> None:
        raise RuntimeError("boom")

    async def main(run: Runner) -> None:
        run.spawn(crash(), "crash")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    assert exit_code(main) == 1
    assert cancelled == [True]


def test_a_background_task_may_end() -> None:
    """A background task that returns changes nothing."""

    async def nothing() -> None:
        pass

    async def main(run: Runner) -> None:
        await run.spawn(nothing(), "nothing")

    assert exit_code(main) == 0


def test_a_wrong_setting_is_told_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong setting ends the program with 2 and one line, wherever it is read."""

    async def main(run: Runner) -> None:
        raise WrongSetting("CHATCLUSTER_X", "is wrong", "1")

    assert exit_code(main) == 2
    assert exit_code(main, {"CHATCLUSTER_TELEMETRY_LEVEL": "loud"}) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "chatcluster test: CHATCLUSTER_X is wrong. Example: CHATCLUSTER_X=1"
    assert "CHATCLUSTER_TELEMETRY_LEVEL" in second


def test_report_says_where_a_program_listens(tmp_path: Path) -> None:
    """The report file has the process id and every port, and appears whole."""
    path = tmp_path / "report.json"

    async def main(run: Runner) -> None:
        run.report(health=9070, grpc=6900)

    assert exit_code(main, {"CHATCLUSTER_RUNNER_REPORT_FILE": str(path)}) == 0
    assert json.loads(path.read_text()) == {"pid": os.getpid(), "health": 9070, "grpc": 6900}
    assert list(tmp_path.iterdir()) == [path]
