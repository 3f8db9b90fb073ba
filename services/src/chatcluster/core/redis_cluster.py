"""Which master has a key: always the same one, or in a Redis Cluster the one that serves its slot.

Owns the map of slots and the following of redirects. Written here because redis-py's cluster client closes connections
that other operations are using when it meets a redirect or an error, so that a slot that moves, or one node that fails,
leaves callers of every node with an unknown outcome. Sends a command again only after a server has said that it did
not execute it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from redis import exceptions
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from chatcluster.core.redis_link import Node, NotConnected

MAX_REDIRECTS = 5
"""Moves of a slot that one command follows."""
TRY_AGAIN_AFTER = 0.05
"""Seconds until a command is sent again whose keys are just being moved; until the caller's deadline."""
REFRESH_INTERVAL = 0.5
"""Seconds between two looks at the map of slots, when errors make it look outdated."""

Address = tuple[str, int]


class Masters(Protocol):
    """All masters of a Redis."""

    async def execute(self, key: str, *words: Any, alone: bool = False) -> Any:
        """Execute a command where a key is; `alone` when it may block. Raises redis-py's exceptions."""
        ...

    async def all(self) -> Mapping[str, Node]:
        """Every master by its name. Raises redis-py's exceptions."""
        ...

    def node_of(self, key: str) -> str:
        """The name of the master that has a key; empty while that is not known."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class Closing(Protocol):
    """Whatever is to be closed at the end."""

    async def aclose(self) -> None:
        """Close it."""
        ...


class Single:
    """One master. `finder` is closed with it."""

    def __init__(self, name: str, master: Node, finder: Closing | None = None) -> None:
        self._name = name
        self._master = master
        self._finder = finder

    async def execute(self, _key: str, *words: Any, alone: bool = False) -> Any:
        """See the protocol."""
        return await self._master.execute(*words, alone=alone)

    async def all(self) -> Mapping[str, Node]:
        """See the protocol."""
        return {self._name: self._master}

    def node_of(self, _key: str) -> str:
        """See the protocol."""
        return self._name

    async def aclose(self) -> None:
        """See the protocol."""
        await self._master.aclose()
        if self._finder:
            await self._finder.aclose()


class Cluster:
    """The masters of a Redis Cluster, found through any of `seeds`. `connect` makes a client of one node."""

    def __init__(self, seeds: Sequence[Address], connect: Callable[[Address], Node], now: Callable[[], float]) -> None:
        self._seeds = seeds
        self._connect = connect
        self._now = now
        self._nodes: dict[Address, Node] = {}
        """Everyone who was ever part of it."""
        self._owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._outdated = True
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def execute(self, key: str, *words: Any, alone: bool = False) -> Any:
        """See the protocol."""
        slot = key_slot(key.encode())
        address = await self._owner(slot)
        for _ in range(MAX_REDIRECTS):
            try:
                return await self._try(address, words, alone=alone)
            except exceptions.MovedError as exc:
                address = self._owners[slot] = (exc.host or address[0], exc.port)
                self._outdated = True
            except (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ClusterDownError):
                self._outdated = True
                raise
        raise exceptions.ClusterError(f"slot {slot} is sent from one node to the next")

    async def all(self) -> Mapping[str, Node]:
        """See the protocol."""
        if self._outdated:
            await self._look()
        return {_name(address): self._node(address) for address in {*self._owners} if address is not None}

    def node_of(self, key: str) -> str:
        """See the protocol."""
        owner = self._owners[key_slot(key.encode())]
        return "" if owner is None else _name(owner)

    async def aclose(self) -> None:
        """See the protocol."""
        await asyncio.gather(*(node.aclose() for node in self._nodes.values()))

    async def _try(self, address: Address, words: Sequence[Any], *, alone: bool) -> Any:
        """Ask a node, and while the slot is being moved whom it names, until one of them answers."""
        while True:
            try:
                return await self._node(address).execute(*words, alone=alone)
            except exceptions.MovedError:
                raise
            except exceptions.AskError as exc:
                asked = await self._ask((exc.host or address[0], exc.port), words)
                if not isinstance(asked, exceptions.TryAgainError):
                    return asked
            except exceptions.TryAgainError:
                pass
            await asyncio.sleep(TRY_AGAIN_AFTER)

    async def _ask(self, address: Address, words: Sequence[Any]) -> Any:
        """Ask a node that does not serve the slot yet; its answer, or that it wants to be asked again."""
        link = await self._node(address).shared()
        link.call(("ASKING",)).add_done_callback(asyncio.Future.exception)  # the next answer tells what came of it
        try:
            return await link.call(words)
        except exceptions.TryAgainError as exc:
            return exc

    async def _owner(self, slot: int) -> Address:
        if self._owners[slot] is None or (self._outdated and self._now() - self._looked_at > REFRESH_INTERVAL):
            await self._look()
        owner = self._owners[slot]
        if owner is None:
            raise exceptions.SlotNotCoveredError(f"no node serves slot {slot}")
        return owner

    async def _look(self) -> None:
        """Ask one node after the other for the map of slots. An old map stays if none answers."""
        began = self._now()
        async with self._looking:
            if self._looked_at > began:
                return
            failure: Exception = NotConnected("no node is known")
            for address in dict.fromkeys([*(owner for owner in {*self._owners} if owner), *self._seeds]):
                try:
                    found = await self._node(address).execute("CLUSTER", "SLOTS")
                except exceptions.ResponseError as exc:
                    raise exceptions.ClusterError(f"{_name(address)} is in no Redis Cluster: {exc}") from exc
                except exceptions.RedisError as exc:
                    failure = exc
                    continue
                self._learn(address, found)
                return
            if not any(self._owners):
                raise failure

    def _learn(self, told_by: Address, found: Sequence[Any]) -> None:
        owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, (host, port, *_), *_ in found:
            owners[first : last + 1] = [(host.decode() if host else told_by[0], port)] * (last + 1 - first)
        self._owners = owners
        self._outdated = False
        self._looked_at = self._now()

    def _node(self, address: Address) -> Node:
        if address not in self._nodes:
            self._nodes[address] = self._connect(address)
        return self._nodes[address]


def _name(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
