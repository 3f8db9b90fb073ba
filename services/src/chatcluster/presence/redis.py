"""Presence in Redis: leases in one slot, and each room's reports in the slot of its shard.

Owns the keys and scripts of presence. What several gateways' reports come to is put together in presence.view, since no
script can see both a room and the leases: they are in different slots.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chatcluster.core import ids, shards
from chatcluster.core.ids import Incarnation, RoomName, ShardId
from chatcluster.core.redis import Argument, Client, Script
from chatcluster.presence import presence, view
from chatcluster.presence.sharing import Shared
from chatcluster.v1 import logic_pb2, types_pb2 as pb

ROOMS_AT_ONCE = 16
"""Rooms that one script takes in: each may answer with the ids of 10,000 users of every gateway."""

_Reports = Sequence[logic_pb2.GatewayPresence]


def _script(name: str, *, repeatable: bool = False) -> Script:
    return Script.load("chatcluster.presence", name, repeatable=repeatable)


_ACQUIRE = _script("acquire")
_RENEW = _script("renew")
_RELEASE = _script("release")
_LIVING = _script("living", repeatable=True)
_BEAT = _script("beat")
_REPORT = _script("report")
_TURN = _script("turn")
_PUSHED = _script("pushed")
_WHO = _script("who", repeatable=True)


class RedisPresence:
    """The presence port over Redis. `prefix` is the cluster's, `chat:<name>`; `number` is that of the shards."""

    def __init__(self, client: Client, prefix: str, number: int) -> None:
        self._client = client
        self._prefix = prefix
        self._shards = number
        self._gateways = f"{{{prefix}:lease}}:gateways"
        self._tasks = f"{{{prefix}:lease}}:tasks"
        self._living = Shared(self._read_living)

    async def acquire(self, incarnation: Incarnation, address: str) -> None:
        """See the port."""
        await self._client.run(_ACQUIRE, [self._gateways], [incarnation, address, _ms(presence.GATEWAY_TTL)])

    async def renew(self, incarnation: Incarnation) -> bool:
        """See the port."""
        return bool(await self._client.run(_RENEW, [self._gateways], [incarnation, _ms(presence.GATEWAY_TTL)]))

    async def release(self, incarnation: Incarnation) -> None:
        """See the port."""
        await self._client.run(_RELEASE, [self._gateways], [incarnation])

    async def gateways(self) -> Mapping[Incarnation, str]:
        """See the port. Those who ask at the same time share one read, which begins after all of them asked."""
        return await self._living.get()

    async def _read_living(self) -> Mapping[Incarnation, str]:
        found = [text.decode() for text in await self._client.run(_LIVING, [self._gateways])]
        return {Incarnation(incarnation): address for incarnation, address in zip(*[iter(found)] * 2, strict=True)}

    async def beat(self, task: str, *, leaving: bool = False) -> Sequence[str]:
        """See the port."""
        ttl = 0 if leaving else _ms(presence.TASK_TTL)
        return sorted(name.decode() for name in await self._client.run(_BEAT, [self._tasks], [task, ttl]))

    async def report(self, incarnation: Incarnation, rooms: _Reports) -> list[presence.Reported]:
        """See the port."""
        head: list[Argument] = [incarnation, _ms(view.FORGET_AFTER)]

        async def step(shard: ShardId, stated: _Reports) -> Sequence[Any]:
            arguments = [*head, *(word for report in stated for word in _written(report))]
            found: Sequence[Any] = await self._client.run(_REPORT, self._rooms(shard, stated), arguments)
            return found

        found = await shards.each(rooms, self._shard_of, step, ROOMS_AT_ONCE)
        living = await self.gateways()
        seen = [_view(RoomName(room.room), stored, living) for room, stored in zip(rooms, found, strict=True)]
        turns = await shards.each(seen, self._shard_of, self._take_turns, ROOMS_AT_ONCE)
        return [
            presence.Reported(room, changed=turn == 1, deferred=turn == 2)
            for room, turn in zip(seen, turns, strict=True)
        ]

    async def _take_turns(self, shard: ShardId, seen: Sequence[pb.RoomPresence]) -> Sequence[int]:
        arguments: list[Argument] = [_ms(view.PUSH_INTERVAL), *(view.digest(room) for room in seen)]
        turns: Sequence[int] = await self._client.run(_TURN, self._rooms(shard, seen), arguments)
        return turns

    async def pushed(self, rooms: Sequence[pb.RoomPresence]) -> None:
        """See the port."""
        await shards.each(rooms, self._shard_of, self._remember, ROOMS_AT_ONCE)

    async def _remember(self, shard: ShardId, pushed: Sequence[pb.RoomPresence]) -> Sequence[int]:
        digests = [view.digest(room) for room in pushed]
        kept: Sequence[int] = await self._client.run(_PUSHED, self._rooms(shard, pushed), digests)
        return kept

    async def room(self, room: RoomName) -> pb.RoomPresence:
        """See the port."""
        key = self._room(ids.shard_of(room, self._shards), room)
        stored = await self._client.run(_WHO, [key], [_ms(view.FORGET_AFTER)])
        return _view(room, stored, await self.gateways())

    def _shard_of(self, room: logic_pb2.GatewayPresence | pb.RoomPresence) -> ShardId:
        return ids.shard_of(room.room, self._shards)

    def _rooms(
        self, shard: ShardId, rooms: Sequence[logic_pb2.GatewayPresence] | Sequence[pb.RoomPresence]
    ) -> list[str]:
        return [self._room(shard, room.room) for room in rooms]

    def _room(self, shard: ShardId, room: str) -> str:
        return f"{{{self._prefix}:{shard}}}:who:{room}"


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _written(report: logic_pb2.GatewayPresence) -> tuple[str, bytes]:
    return f"{report.number:020d}", report.SerializeToString()


def _view(room: RoomName, stored: Sequence[bytes], living: Mapping[Incarnation, str]) -> pb.RoomPresence:
    pairs = zip(*[iter(stored)] * 2, strict=True)
    counted = [report for incarnation, report in pairs if incarnation.decode() in living]
    return view.combine(room, [logic_pb2.GatewayPresence.FromString(report) for report in counted])
