"""The way to Redis: scripts, streams, and what a failure means; the same for one server, Sentinel and Redis Cluster.

Owns how a script is run, how many operations run at once and for how long, and which server is new enough. Does not own
keys or scripts, which belong to the adapters of the ports, nor connections: all operations of a process go through one
to each master, without waiting for each other's answers (redis_link). It lives in core because three ports stand on it.

A failure is judged by one question: can the command have been executed? An error while connecting, or an error reply by
which the server refuses, says no: `errors.Unavailable` (`errors.Busy` when Redis is full). A connection that was lost
after the command was sent, or that stayed silent, does not say: `errors.OutcomeUnknown`; but `errors.Unavailable` for
what is `repeatable`, whose caller may just ask again. Nothing is ever sent twice from here.

An error reply that is no refusal is `lasting`: a script met it on its way, so there is a mistake in it or a key is not
what it should be.
"""

import asyncio
import hashlib
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Self, TypeVar

from redis import exceptions
from redis._parsers.helpers import parse_info
from redis.asyncio import sentinel

from chatcluster.core import errors, health, redis_cluster, redis_connections, redis_link, runner, telemetry
from chatcluster.core.redis_settings import Mode, Settings

__all__ = ["Client", "Script", "Settings", "UnsupportedServer", "meaning"]

OLDEST = (7, 0)
"""The oldest server that has what the scripts use; Valkey counts by the Redis version that it reports."""
LOOK = 5.0
"""Seconds between two looks at whether Redis is there."""
MAX_WAITING = 10_000
"""Operations that may wait for their turn; more are `Busy`."""

_REFUSED = (
    redis_link.NotConnected,
    exceptions.AskError,
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.BusyLoadingError,
    exceptions.ClusterError,
    exceptions.MaxConnectionsError,
    exceptions.NoPermissionError,
    exceptions.ReadOnlyError,
    exceptions.RedisClusterException,
    exceptions.TryAgainError,
    sentinel.MasterNotFoundError,
)
"""What redis-py raises when nothing was executed."""
_REFUSALS = ("BUSY ", "MISCONF ", "NOREPLICAS ")
"""The beginnings of replies to the same effect for which it has no class."""
_INSIDE = "@user_script"
"""In the text of an error that a script met on its way, when it may have written."""

Argument = str | bytes | int | float
_T = TypeVar("_T")


class UnsupportedServer(runner.CannotRun):
    """This server cannot be used, however long one waits. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script. The keys of one run are all in one slot."""

    name: str
    """Also the operation's name in metrics."""
    text: str
    sha: str
    repeatable: bool
    """Whether running it once more does no harm, so that an unknown outcome is as good as a failure."""

    @classmethod
    def load(cls, package: str, name: str, *, repeatable: bool = False) -> Self:
        """Read `scripts/<name>.lua` of a package; a line `--#include <file>` stands for the text of that file."""
        folder = resources.files(package) / "scripts"
        text = "".join(
            (folder / line.split()[1]).read_text() if line.startswith("--#include ") else line
            for line in (folder / f"{name}.lua").read_text().splitlines(keepends=True)
        )
        return cls(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), repeatable)


class Client:
    """Runs scripts and reads streams. Operations of one caller that it does not wait for are executed in their order.

    Raises of every method: `Busy`, `Unavailable` and `OutcomeUnknown` of core.errors, as the module says.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._masters = _masters(settings)
        self._turns = asyncio.Semaphore(settings.concurrency)
        self._waiting = 0

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> Any:
        """Run a script where its keys are; texts come back as bytes.

        It waits at most `Settings.timeout` for its turn (`Busy` after that, and at once behind `MAX_WAITING`
        others), and then runs at most as long.
        """
        if self._turns.locked():
            await self._wait()
        else:
            await self._turns.acquire()  # at once
        try:
            run = self._run(script, (len(keys), *keys, *arguments))
            return await self._within(self._settings.timeout, run, script.name, repeatable=script.repeatable)
        finally:
            self._turns.release()

    async def read_stream(self, key: str, after: str, count: int, wait: float) -> list[tuple[str, dict[bytes, bytes]]]:
        """The ids and fields of a stream's entries after an id, waiting up to `wait` seconds for the first.

        Takes no turn, and has a connection to itself while it waits: there must be few who read at once.
        """
        block = ("BLOCK", int(wait * 1000)) if wait >= 0.001 else ()
        read = self._masters.execute(key, "XREAD", "COUNT", count, *block, "STREAMS", key, after, alone=bool(block))
        found = await self._within(self._settings.timeout + wait, read, "entries", repeatable=True)
        return [
            (entry.decode(), dict(zip(fields[::2], fields[1::2], strict=True)))
            for entries in (found or {}).values()
            for entry, fields in entries
        ]

    async def check(self) -> None:
        """Reach every master. Raises `UnsupportedServer` for one that is too old or of another kind than was set."""
        for node, info in (await self.information("server")).items():
            version = str(info["redis_version"])
            if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
                raise UnsupportedServer(f"the server {node} is Redis {version}: 7.0 or later is needed, or any Valkey")
            # Valkey has a name of its own for it.
            kind = info.get("redis_mode") or info.get("server_mode")
            if kind == "cluster" and self._settings.mode is not Mode.CLUSTER:
                raise UnsupportedServer(f"the server {node} is in a cluster: set CHATCLUSTER_REDIS_MODE=cluster")

    async def follow(self, dependency: health.Dependency) -> None:
        """Say every few seconds whether Redis is there, for ever. Raises `UnsupportedServer`."""
        while True:
            try:
                await self.check()
            except errors.Busy as exc:
                dependency.lost(str(exc))
            else:
                dependency.reached()
            await asyncio.sleep(LOOK if dependency.ever_reached else LOOK / 10)

    async def memory(self) -> Mapping[str, float]:
        """The part of its maxmemory that each master uses, by its name; 0 where there is no maxmemory."""
        found = await self.information("memory")
        return {node: info["used_memory"] / (info["maxmemory"] or float("inf")) for node, info in found.items()}

    async def information(self, *sections: str) -> Mapping[str, Mapping[str, Any]]:
        """What each master says of itself (INFO), by its name: the fields of these sections."""
        return await self._within(self._settings.timeout, self._ask_all(*sections), "info", repeatable=True)

    def node_of(self, key: str) -> str:
        """The name by which `memory` knows the master that has a key; empty while that is not known."""
        return self._masters.node_of(key)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._masters.aclose()

    async def _ask_all(self, *sections: str) -> dict[str, Mapping[str, Any]]:
        masters = await self._masters.all()
        return {name: parse_info(await master.execute("INFO", *sections)) for name, master in masters.items()}

    async def _run(self, script: Script, rest: Sequence[Argument]) -> Any:
        key = str(rest[1])
        try:
            return await self._masters.execute(key, "EVALSHA", script.sha, *rest)
        except exceptions.NoScriptError:
            return await self._masters.execute(key, "EVAL", script.text, *rest)

    async def _wait(self) -> None:
        if self._waiting >= MAX_WAITING:
            raise errors.Busy("too many operations wait for Redis", retry_after=1)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._turns.acquire()
        except TimeoutError as exc:
            raise errors.Busy("too many operations of this program are under way", retry_after=1) from exc
        finally:
            self._waiting -= 1

    async def _within(self, timeout: float, step: Coroutine[Any, Any, _T], operation: str, *, repeatable: bool) -> _T:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(timeout):
                return await step
        except (exceptions.RedisError, exceptions.RedisClusterException, TimeoutError) as exc:
            telemetry.REDIS_ERRORS_TOTAL.labels(operation).inc()
            raise meaning(exc, repeatable=repeatable) from exc
        finally:
            telemetry.REDIS_LATENCY_SECONDS.labels(operation).observe(time.perf_counter() - began)


def _masters(settings: Settings) -> redis_cluster.Masters:
    match settings.mode:
        case Mode.SINGLE:
            host, port = settings.nodes[0]
            return redis_cluster.Single(f"{host}:{port}", redis_connections.node(settings, (host, port)))
        case Mode.SENTINEL:
            return redis_cluster.Single(settings.sentinel_master, *redis_connections.master(settings))
        case Mode.CLUSTER:
            return redis_cluster.Cluster(
                settings.nodes, lambda address: redis_connections.node(settings, address), time.monotonic
            )


def meaning(failure: Exception, *, repeatable: bool) -> errors.ChatError:
    """What a failed operation has to be told as."""
    text = str(failure)
    if isinstance(failure, exceptions.ResponseError) and _INSIDE in text:
        surely_not = False
    elif isinstance(failure, exceptions.OutOfMemoryError):
        return errors.Busy("Redis is out of memory", retry_after=1)
    else:
        surely_not = isinstance(failure, _REFUSED) or text.startswith(_REFUSALS)
    kind = errors.Unavailable if surely_not or repeatable else errors.OutcomeUnknown
    lasting = isinstance(failure, exceptions.ResponseError) and not surely_not
    return kind(f"Redis: {text or 'no answer in time'}", retry_after=1, lasting=lasting)
