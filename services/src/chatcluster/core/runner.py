"""One program: its event loop, its signals, its background tasks, its exit code.

Owns the frame in which each `__main__` runs. Does not own what a program does, nor in which order it drains: `main`
waits for `stopping` and then does that itself. It lives in core because all programs start and stop alike.

Exit codes: 0 after `main` returned (unless it set another one), 1 after a crash of `main` or of a background task, 2
for a wrong setting or surroundings in which the program cannot run.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NoReturn

import structlog
import uvloop

from chatcluster.core import logs, telemetry
from chatcluster.core.environment import Environment, WrongSetting

COLLECT_AFTER = 10_000
"""Objects that are made, less those that went, until the young ones are looked through for cycles; Python's 700 costs
api a twentieth of its time."""

_log = structlog.get_logger()


class CannotRun(Exception):
    """Something that this program needs is of the wrong kind, however long one waits. The text says what to do."""


class Runner:
    """What `main` gets of its frame."""

    def __init__(self, environ: Mapping[str, str], tasks: asyncio.TaskGroup, component: str = "") -> None:
        self.environ = environ
        self.component = component
        """Which program this is, in its logs and metrics."""
        self.stopping = asyncio.Event()
        """Set by SIGTERM or SIGINT. A second signal cancels `main`, which drops what is not drained yet."""
        self.exit_code = 0
        """What the process leaves with once `main` has returned."""
        self._tasks = tasks
        self._background: set[asyncio.Task[None]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something beside `main`, until it returns or `main` does. Its crash stops the program."""
        task = self._tasks.create_task(coroutine, name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def end(self) -> None:
        """Cancel what runs beside `main`."""
        for task in self._background:
            task.cancel()

    def report(self, **ports: int) -> None:
        """Say that everything listens, and where.

        Writes `{"pid": …, "<name>": <port>, …}` to CHATCLUSTER_RUNNER_REPORT_FILE if that is set, in one step: whoever
        waits for the file never reads half of it.
        """
        _log.info("listening", **ports)
        path = Environment(self.environ).text("RUNNER_REPORT_FILE", "")
        if path:
            partial = Path(f"{path}.partial")
            partial.write_text(json.dumps({"pid": os.getpid(), **ports}))
            partial.replace(path)


Main = Callable[[Runner], Awaitable[None]]


def run(main: Main, component: str, environ: Mapping[str, str]) -> NoReturn:
    """Run a program to its end, and leave the process with its exit code."""
    code = 0
    gc.freeze()  # modules and classes stay: no collection looks through them
    gc.set_threshold(COLLECT_AFTER)
    try:
        logs.setup(logs.Settings.from_env(environ))
        telemetry.identify(component)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
            code = loop.run(_supervise(main, component, environ))
    except* (WrongSetting, CannotRun) as wrong:
        sys.stderr.write(f"chatcluster {component}: {wrong.exceptions[0]}\n")
        code = 2
    except* (Exception, asyncio.CancelledError):  # noqa: BLE001 - the edge: it becomes the exit code
        _log.exception("program_failed")
        code = 1
    sys.exit(code)


async def _supervise(main: Main, component: str, environ: Mapping[str, str]) -> int:
    async with asyncio.TaskGroup() as tasks:
        runner = Runner(environ, tasks, component)
        _stop_on_signals(runner.stopping)
        runner.spawn(telemetry.watch_event_loop(), "event-loop-lag")
        await main(runner)
        runner.end()
    return runner.exit_code


def _stop_on_signals(stopping: asyncio.Event) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        if stopping.is_set() and task is not None:
            task.cancel()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
