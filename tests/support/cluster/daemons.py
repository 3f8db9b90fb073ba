"""Processes that go on running after whoever started them has ended, each known by a file with its id.

Owns starting one in a session of its own, telling whether it lives, signalling and ending it. Does not own what runs,
nor the namespaces that it may run in: `command` enters them itself, as `nsenter` does, and then the process that counts
is the child of the one that was started.
"""

import contextlib
import os
import select
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from support.cluster.commands import ClusterError, run, until

_STARTS_WITHIN = 10.0
_KILLED_WITHIN = 30.0
_LOGGED = 3_000
_ENVIRON = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
"""What a system's own programs are started with; a developer's settings are not theirs."""
# The shell ends at once, so that the process is nobody's child: nobody has to wait for it.
_LAUNCH = 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 & echo $!'


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, told apart from a later one with the same id by when it started."""

    pid: int
    started: int
    """Clock ticks between the machine's start and its own."""

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return who has this id now; None when nobody has, or only what is left of one that ended."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return Identity.of(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Signal it if it runs, and nobody else: a process that took over its id is safe."""
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)

    def ended(self, within: float) -> bool:
        """Wait until it has ended; whether it has, within these seconds."""
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                return not self.alive or bool(select.select([handle], [], [], within)[0])
            finally:
                os.close(handle)
        return True


class Daemon:
    """One process and its files: NAME.pid, and NAME.log that later lives add to."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._file = folder / f"{name}.pid"

    @property
    def identity(self) -> Identity | None:
        """The process that was started last, whether it lives or not; None before the first."""
        try:
            pid, started = self._file.read_text().split()
        except (OSError, ValueError):
            return None
        return Identity(int(pid), int(started))

    @property
    def running(self) -> bool:
        """Whether it lives."""
        identity = self.identity
        return identity is not None and identity.alive

    def start(self, command: Sequence[str | Path], *, enters: bool = False) -> Identity:
        """Start it; with `enters` its command starts the process that counts as its only child.

        Raises `ClusterError` with the end of its log when it is gone at once.
        """
        launched = int(run("sh", "-c", _LAUNCH, "sh", self.log, *command, environ=_ENVIRON))
        seen = partial(self._seen, launched, enters=enters)
        identity: Identity = until(seen, within=_STARTS_WITHIN, what=f"process of {self.name}")
        written = self._file.with_suffix(".partial")
        written.write_text(f"{identity.pid} {identity.started}\n")
        written.replace(self._file)
        return identity

    def stop(self, grace: float) -> None:
        """Ask it to end, kill it when it has not within `grace` seconds, and wait for its end."""
        if (identity := self.identity) is not None:
            identity.signal(signal.SIGCONT)
            identity.signal(signal.SIGTERM)
            if not identity.ended(grace):
                self.kill()
        self.forget()

    def kill(self) -> None:
        """Kill it as a crash would (SIGKILL), and wait for its end."""
        if (identity := self.identity) is not None:
            identity.signal(signal.SIGKILL)
            if not identity.ended(_KILLED_WITHIN):
                raise ClusterError(f"{self.name}, process {identity.pid}, does not end by SIGKILL")

    def forget(self) -> None:
        """Forget the process; the log stays."""
        self._file.unlink(missing_ok=True)

    def logged(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-_LOGGED:] if self.log.exists() else ""

    def _seen(self, launched: int, *, enters: bool) -> Identity | None:
        outer = Identity.of(launched)
        if outer is None:
            raise ClusterError(f"{self.name} ended at once:\n{self.logged()}")
        if not enters:
            return outer
        children = Path(f"/proc/{launched}/task/{launched}/children").read_text().split()
        return Identity.of(int(children[0])) if children else None
