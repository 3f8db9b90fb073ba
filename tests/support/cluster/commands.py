"""Running other programs to their end, and waiting for what they start.

Owns how a failure is told: with the command and the end of what it wrote. Does not own processes that go on running:
`daemons`.
"""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from chatcluster.local.children import die_with

T = TypeVar("T")

_TOLD = 4_000
_EVERY = 0.05


class ClusterError(Exception):
    """The cluster cannot do what was asked; the text tells a person why, and what to do about it."""


def run(
    *command: str | Path,
    within: float = 60.0,
    text: str | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Run a command, `text` as its input, and return its output. It ends with this process, however that ends.

    Raises `ClusterError` when it fails, is not there, or takes longer than `within` seconds.
    """
    try:
        done = subprocess.run(  # noqa: S603
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=within,
            env=environ,
            cwd=folder,
            check=False,
            preexec_fn=partial(die_with, os.getpid()),
        )
    except FileNotFoundError as exc:
        raise ClusterError(f"{command[0]} is not there: make test-deps") from exc
    except subprocess.TimeoutExpired as exc:
        raise ClusterError(f"not within {within:g} s: {_line(command)}") from exc
    if done.returncode:
        raise ClusterError(f"{_line(command)}: exit code {done.returncode}\n{(done.stderr or done.stdout)[-_TOLD:]}")
    return done.stdout


def until(condition: Callable[[], T | None], *, within: float, what: str) -> T:
    """Call `condition` until it returns something true, and return that; `ClusterError` after `within` seconds."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise ClusterError(f"not within {within:g} s: {what}")
        time.sleep(_EVERY)
    return value


def _line(command: tuple[str | Path, ...]) -> str:
    return " ".join(map(str, command))
