"""A program as a child process that is started again whenever it dies.

Owns starting, restarting with backoff, stopping, and carrying its lines to the console. Does not own which programs
there are, nor their order.

A child never outlives the supervisor: on Linux the kernel kills it when its parent dies, however that dies. Elsewhere
only an orderly end is covered.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from chatcluster.local.console import Console
from chatcluster.local.programs import Program

FIRST_DELAY = 0.5
LONGEST_DELAY = 10.0
STEADY = 30.0
"""Seconds after which a death is not counted as following on the last one."""
REFUSED = 2
"""The exit code of a program that was given a wrong setting: starting it again would change nothing."""

_LINE_BYTES = 16 * 1024
_LAST_LINES = 1.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


async def _nothing() -> None:
    pass


class Child:
    """One program, kept running. `started` runs beside it from each of its starts on."""

    def __init__(
        self,
        program: Program,
        environ: Mapping[str, str],
        console: Console,
        started: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        self.name = program.name
        self.refused = False
        """It ended because of a wrong setting."""
        self._command = program.command
        self._environ = {**environ, **program.environ}
        self._console = console
        self._started = started
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Keep it running until `stop`, or until it refuses its settings. Cancelled, it kills it."""
        loop, delay = asyncio.get_running_loop(), FIRST_DELAY
        try:
            while not self._stopping.is_set():
                started = loop.time()
                code = await self._once()
                self.refused = code == REFUSED
                if self.refused or self._stopping.is_set():
                    break
                delay = FIRST_DELAY if loop.time() - started >= STEADY else delay
                self.say(f"died ({_cause(code)}); it is started again in {delay:g} s")
                await self._pause(delay)
                delay = min(2 * delay, LONGEST_DELAY)
        finally:
            self._ended.set()

    async def stop(self, grace: float) -> None:
        """Ask it to end, kill it when it has not within `grace` seconds, and wait for its end."""
        self._stopping.set()
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._ended.wait(), grace)
        except TimeoutError:
            self.say(f"did not stop within {grace:g} s and is killed")
            self._signal(signal.SIGKILL)
            await self._ended.wait()

    def say(self, text: str) -> None:
        """Write a line about it."""
        self._console.write("up", f"{self.name} {text}")

    async def _once(self) -> int:
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is the supervisor's to pass on, in its order
            preexec_fn=partial(die_with, os.getpid()),
        )
        assert process.stdout is not None
        lines = asyncio.create_task(self._carry(process.stdout))
        beside = asyncio.ensure_future(self._started())
        try:
            if self._stopping.is_set():
                self._signal(signal.SIGTERM)
            code = await process.wait()
            await asyncio.wait([lines], timeout=_LAST_LINES)
        finally:
            lines.cancel()
            beside.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
        return code

    async def _carry(self, output: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await output.read(_LINE_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._console.write(self.name, line.decode(errors="replace"))
        if rest:
            self._console.write(self.name, rest.decode(errors="replace"))

    async def _pause(self, delay: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


def _cause(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; to be called by a child between fork and exec."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
