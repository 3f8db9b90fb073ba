"""The folder that a ChatCluster on one machine keeps between runs.

Owns its layout, who holds it, and the secrets, which are drawn once and readable by their owner alone. Does not own
what Redis writes below `redis`.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chatcluster.core.environment import PREFIX, WrongSetting
from chatcluster.local.programs import Secrets


@dataclass(frozen=True, slots=True)
class Data:
    """The folder, held by this process."""

    root: Path

    @property
    def redis(self) -> Path:
        """Where Redis keeps its append-only file."""
        return self.root / "redis"

    @property
    def writer(self) -> str | None:
        """The server that wrote there last, as `redis.Server` tells itself; None when there was none."""
        path = self.redis / "written-by"
        return path.read_text().strip() if path.exists() else None

    def prepare(self, configuration: str, writer: str) -> Path:
        """Write the server's configuration, which holds its password, and who is going to write; returns its path."""
        (self.redis / "written-by").write_text(f"{writer}\n")
        return _write(self.redis / "redis.conf", configuration)

    def redis_password(self) -> str:
        """Redis' password, drawn when there is none yet."""
        return _drawn(self.root / "secrets" / "redis-password").read_text()

    def secrets(self, redis_port: int) -> Secrets:
        """The files of secrets for the programs."""
        url = f"redis://:{self.redis_password()}@127.0.0.1:{redis_port}/0"
        folder = self.root / "secrets"
        return Secrets(cluster=_drawn(folder / "cluster"), redis_url=_write(folder / "redis-url", url))


@contextmanager
def held(root: Path) -> Iterator[Data]:
    """Hold the folder as long as the block, made if it is not there.

    Raises `WrongSetting` when another process holds it, with that one's id, or when it cannot be written.
    """
    try:
        for folder in (root, root / "redis", root / "secrets"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (root / "lock").open("a+")
    except OSError as exc:
        raise WrongSetting(f"{PREFIX}LOCAL_DATA", f"is {root}, which cannot be used: {exc}", "/tmp/chat") from exc  # noqa: S108
    with lock:
        _take(lock.fileno(), root)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield Data(root)


def _take(lock: int, root: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        holder = (root / "lock").read_text() or "unknown"
        problem = f"is {root}, which process {holder} holds: it is up already"
        raise WrongSetting(f"{PREFIX}LOCAL_DATA", problem, f"{root}-2   (and other ports)") from exc


def _drawn(path: Path) -> Path:
    return path if path.exists() else _write(path, secrets.token_urlsafe(32))


def _write(path: Path, text: str) -> Path:
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return partial.replace(path)
