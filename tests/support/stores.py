"""The places where a port may keep its state, for the contract tests: memory, and each real server.

Each place can do what tests need beyond the port: let time pass, change its identity, and come back with less.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import redis.asyncio

from chatcluster.accounts import accounts
from chatcluster.accounts.memory import MemoryAccounts
from chatcluster.accounts.redis import RedisAccounts
from chatcluster.bookmarks import bookmarks
from chatcluster.bookmarks.memory import MemoryBookmarks
from chatcluster.bookmarks.redis import RedisBookmarks
from chatcluster.core import redis as core_redis
from chatcluster.core.ids import ShardId
from chatcluster.core.redis_settings import Settings
from chatcluster.log import log
from chatcluster.log.memory import MemoryLog
from chatcluster.log.memory_state import Server
from chatcluster.log.redis import RedisLog
from chatcluster.presence import presence
from chatcluster.presence.memory import MemoryPresence
from chatcluster.presence.redis import RedisPresence
from support.servers import PASSWORD

SHARDS = 4

_prefixes = (f"chat:test-{number}" for number in itertools.count())


class Store(Protocol):
    """One place."""

    def log(self, limits: log.Limits) -> log.Log:
        """Return a client of this store's log."""

    def presence(self) -> presence.Presence:
        """Return a client of this store's presence."""

    def accounts(self) -> accounts.Accounts:
        """Return a client of this store's accounts."""

    def bookmarks(self, limits: bookmarks.Limits | None = None) -> bookmarks.Bookmarks:
        """Return a client of this store's bookmarks."""

    async def pass_time(self, seconds: float) -> None:
        """Let time pass on the store's clock."""

    async def end_lease(self, shard: ShardId) -> None:
        """Let the lease of a shard's owner expire, without the seconds that it takes."""

    async def restart(self) -> None:
        """Come back under another identity with everything there was."""

    async def save(self) -> object:
        """Return a copy of everything for `roll_back`."""

    async def roll_back(self, saved: object) -> None:
        """Come back under another identity with what there was when `save` was called."""


class MemoryStore:
    """The ports in memory, with a clock that only the test moves."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self._numbers = itertools.count()
        self._identities = (f"server-{number}" for number in itertools.count())
        self._server = Server(SHARDS, next(self._identities))
        self._logs: list[MemoryLog] = []
        self._presence = MemoryPresence(now=self.now)
        self._accounts = MemoryAccounts(now=self.now)

    def now(self) -> float:
        """Return the time, which a thousandth of a second later is another one."""
        return self.time

    def log(self, limits: log.Limits) -> log.Log:
        """See the protocol."""
        made = MemoryLog(self._server, now=self.now, draw=lambda n: f"{next(self._numbers):0{n}x}", limits=limits)
        self._logs.append(made)
        return made

    def presence(self) -> presence.Presence:
        """See the protocol."""
        return self._presence

    def accounts(self) -> accounts.Accounts:
        """See the protocol."""
        return self._accounts

    def bookmarks(self, limits: bookmarks.Limits | None = None) -> bookmarks.Bookmarks:
        """See the protocol."""
        return MemoryBookmarks(now=self.now, limits=limits)

    async def pass_time(self, seconds: float) -> None:
        """See the protocol."""
        self.time += seconds

    async def end_lease(self, shard: ShardId) -> None:
        """See the protocol."""
        self._server.shards[shard].owner_until = 0

    async def restart(self) -> None:
        """See the protocol."""
        await self.roll_back(self._server)

    async def save(self) -> object:
        """See the protocol."""
        return self._server.clone(self._server.identity)

    async def roll_back(self, saved: object) -> None:
        """See the protocol."""
        assert isinstance(saved, Server)
        self.time += 0.01
        self._server = saved.clone(next(self._identities))
        for made in self._logs:
            made.server = self._server


@dataclass
class RedisStore:
    """The ports over one real server, under a prefix of their own."""

    client: core_redis.Client
    raw: "redis.asyncio.Redis"
    """For what only a test does; speaks bytes."""
    prefix: str

    def log(self, limits: log.Limits) -> RedisLog:
        """See the protocol."""
        return RedisLog(self.client, self.prefix, SHARDS, limits)

    def presence(self) -> presence.Presence:
        """See the protocol."""
        return RedisPresence(self.client, self.prefix, SHARDS)

    def accounts(self) -> accounts.Accounts:
        """See the protocol."""
        return RedisAccounts(self.client, self.prefix)

    def bookmarks(self, limits: bookmarks.Limits | None = None) -> bookmarks.Bookmarks:
        """See the protocol."""
        return RedisBookmarks(self.client, self.prefix, limits)

    async def pass_time(self, seconds: float) -> None:
        """See the protocol: here it passes by itself."""
        await asyncio.sleep(seconds + 0.005)

    async def end_lease(self, shard: ShardId) -> None:
        """See the protocol."""
        await self.raw.hset(f"{{{self.prefix}:{shard}}}:shard", "until", 1)

    async def restart(self) -> None:
        """See the protocol. A server that was a replica for a moment is another one, with all its data."""
        await asyncio.sleep(0.002)  # no server comes back within the millisecond in which it went
        await self.raw.replicaof("127.0.0.1", "1")
        await self.raw.replicaof("NO", "ONE")

    async def save(self) -> object:
        """See the protocol."""
        keys = [key async for key in self.raw.scan_iter(match=f"*{self.prefix}:*", count=1000)]
        return {key: (await self.raw.pttl(key), await self.raw.dump(key)) for key in keys}

    async def roll_back(self, saved: object) -> None:
        """See the protocol."""
        assert isinstance(saved, Mapping)
        async for key in self.raw.scan_iter(match=f"*{self.prefix}:*", count=1000):
            await self.raw.delete(key)
        for key, (ttl, value) in saved.items():
            await self.raw.restore(key, max(ttl, 0), value)
        await self.restart()


@asynccontextmanager
async def redis_store(port: int) -> AsyncIterator[RedisStore]:
    """Open a store on a running server; other stores on it are not in the way."""
    settings = Settings(nodes=(("127.0.0.1", port),), password=PASSWORD)
    client = core_redis.Client(settings)
    raw = redis.asyncio.Redis(port=port, password=PASSWORD, protocol=3, legacy_responses=False)
    try:
        yield RedisStore(client, raw, next(_prefixes))
    finally:
        await client.aclose()
        await raw.aclose()
