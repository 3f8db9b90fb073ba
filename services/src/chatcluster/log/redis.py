"""The log in Redis: each step of the port is one script in one slot.

Owns which script a step is, what it is given, and what its answer means. The rules themselves stand in scripts/*.lua,
since only there they are atomic; the layout that they share is in log.wire. Publishing is held back while Redis' memory
is nearly full: `RedisLog.watch` has to run for that.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from chatcluster.core import errors, ids, shards
from chatcluster.core.ids import Incarnation, RoomName, ShardEpoch, ShardId, StreamId
from chatcluster.core.redis import Argument, Client, Script
from chatcluster.log import log, wire
from chatcluster.log.pressure import Pressure
from chatcluster.v1 import logic_pb2, types_pb2 as pb

CONVERSATIONS = 1_000
"""Kept of an inbox."""
DEAD_LETTERS = 10_000
ROOMS_AT_ONCE = 32
"""Rooms that one script reads: each may bring `Limits.read_bytes`, and Redis does nothing else meanwhile."""

_T = TypeVar("_T")
_Step = Callable[[ShardId, Sequence[log.Read]], Awaitable[list[_T]]]
_Arguments = list[Argument]


def _script(name: str, *, repeatable: bool = False) -> Script:
    return Script.load("chatcluster.log", name, repeatable=repeatable)


_PUBLISH = _script("publish")
_LOOKUP = _script("lookup", repeatable=True)
_PUSH = _script("push")
_ORDER = _script("order")
_HISTORY = _script("history", repeatable=True)
_CONVERSATIONS = _script("conversations", repeatable=True)
_REGISTER = _script("register", repeatable=True)
_UNREGISTER = _script("unregister")
_ACQUIRE = _script("acquire")
_RENEW = _script("renew")
_RELEASE = _script("release")
_HOLDERS = _script("holders", repeatable=True)
_COPY = _script("copy")
_ADVANCE = _script("advance")
_SET_ASIDE = _script("set_aside")
_DEAD_LETTERS = _script("dead_letters", repeatable=True)
_REPLAY = _script("replay")
_DISCARD = _script("discard")
_BACKLOG = _script("backlog", repeatable=True)


class RedisLog:
    """The log port over Redis. `prefix` is the cluster's, `chat:<name>`; `number` is that of the shards."""

    def __init__(self, client: Client, prefix: str, number: int, limits: log.Limits | None = None) -> None:
        self.shards = number
        self.limits = limits or log.Limits()
        self._client = client
        self._keys = wire.Keys(prefix)
        self._pressure = Pressure(client.memory, self.limits.memory_fraction, time.monotonic)

    async def watch(self) -> None:
        """Watch Redis' memory for ever. Whoever publishes has to run this, once."""
        await self._pressure.watch()

    async def publish(self, draft: log.Draft) -> log.Published:
        """See the port."""
        shard = self._shard_of(draft.room)
        if self._is_short_of_memory(shard):
            return await self._look_up(draft, "Redis is nearly full")
        try:
            answer = await self._client.run(_PUBLISH, self._publish_keys(shard, draft), self._publish_arguments(draft))
        except errors.Unavailable:
            raise
        except errors.Busy:
            return await self._look_up(draft, "Redis is full")
        return _published(answer, "dispatch is full")

    async def look_up(self, draft: log.Draft) -> log.Published:
        """See the port."""
        return await self._look_up(draft, "dispatch or Redis is full")

    async def _look_up(self, draft: log.Draft, why_not: str) -> log.Published:
        shard = self._shard_of(draft.room)
        keys = [self._keys.state(shard), self._keys.sent(shard, draft)]
        return _published(await self._client.run(_LOOKUP, keys, [draft.digest.hex()]), why_not)

    def _publish_keys(self, shard: ShardId, draft: log.Draft) -> list[str]:
        keys = self._keys
        return [
            keys.state(shard),
            keys.dispatch(shard),
            keys.room(shard, draft.room),
            keys.history(shard, draft.room),
            keys.sent(shard, draft),
            keys.created(shard, draft.sender),
        ]

    def _publish_arguments(self, draft: log.Draft) -> _Arguments:
        limits = self.limits
        return [
            draft.room,
            draft.body,
            draft.digest.hex(),
            *self._history_limits(),
            _ms(limits.idempotency_ttl),
            limits.dispatch_entries,
            limits.dispatch_bytes,
            limits.room_rate,
            limits.room_burst,
            limits.rooms_per_user,
            _ms(limits.registration_ttl),
        ]

    def _history_limits(self) -> list[int]:
        limits = self.limits
        return [limits.history_size, limits.history_bytes, _ms(limits.history_ttl), _ms(limits.history_min_age)]

    async def push(self, ephemeral: pb.Ephemeral) -> bool:
        """See the port."""
        shard = self._shard_of(ephemeral.room)
        if self._is_short_of_memory(shard):
            return False
        arguments: _Arguments = [
            ephemeral.room,
            ephemeral.SerializeToString(),
            self.limits.dispatch_entries,
            self.limits.dispatch_bytes,
        ]
        return bool(await self._client.run(_PUSH, [self._keys.state(shard), self._keys.dispatch(shard)], arguments))

    async def order(self, control: pb.Control) -> None:
        """See the port."""
        shard = self._shard_of(control.room)
        keys = [self._keys.state(shard), self._keys.dispatch(shard)]
        await self._client.run(_ORDER, keys, [control.room, control.SerializeToString()])

    async def is_full(self, room: RoomName) -> bool:
        """See the port."""
        shard = self._shard_of(room)
        backlog = await self.backlog(shard)
        return (
            self._is_short_of_memory(shard)
            or backlog.entries >= self.limits.dispatch_entries
            or backlog.bytes >= self.limits.dispatch_bytes
        )

    def _is_short_of_memory(self, shard: ShardId) -> bool:
        return self._pressure.is_high(self._client.node_of(self._keys.state(shard)))

    async def history(self, reads: Sequence[log.Read]) -> list[logic_pb2.RoomHistory]:
        """See the port."""
        return await self._each(reads, self._read)

    async def _read(self, shard: ShardId, reads: Sequence[log.Read]) -> list[logic_pb2.RoomHistory]:
        keys = [self._keys.state(shard)]
        arguments: _Arguments = [self.limits.read_bytes]
        for read in reads:
            keys += [self._keys.room(shard, read.room), self._keys.history(shard, read.room)]
            arguments += _wanted_either_way(read)
        try:
            answers = await self._client.run(_HISTORY, keys, arguments)
        except errors.ChatError as exc:
            return [logic_pb2.RoomHistory(room=read.room, error=exc.code) for read in reads]
        return [wire.room_history(read, answer) for read, answer in zip(reads, answers, strict=True)]

    async def conversations(self, inbox: RoomName, limit: int) -> list[RoomName]:
        """See the port."""
        shard = self._shard_of(inbox)
        keys = [self._keys.state(shard), self._keys.conversations(shard, inbox)]
        return [RoomName(room.decode()) for room in await self._client.run(_CONVERSATIONS, keys, [limit])]

    async def register(self, incarnation: Incarnation, number: int, reads: Sequence[log.Read]) -> list[log.Registered]:
        """See the port."""
        keys = self._keys
        head: _Arguments = [incarnation, _padded(number), _ms(self.limits.registration_ttl), self.limits.read_bytes]

        async def step(shard: ShardId, reads: Sequence[log.Read]) -> list[log.Registered]:
            names = [keys.state(shard)]
            for read in reads:
                room = read.room
                names += [keys.room(shard, room), keys.history(shard, room), keys.registrations(shard, room)]
            arguments: _Arguments = [*head, *(word for read in reads for word in _wanted(read))]
            epoch, last, *answers = await self._client.run(_REGISTER, names, arguments)
            return [_registered(epoch, last, read, answer) for read, answer in zip(reads, answers, strict=True)]

        return await self._each(reads, step)

    async def unregister(self, incarnation: Incarnation, number: int, rooms: Sequence[RoomName]) -> None:
        """See the port."""
        arguments: _Arguments = [incarnation, _padded(number), _ms(self.limits.registration_ttl)]

        async def step(shard: ShardId, reads: Sequence[log.Read]) -> list[None]:
            keys = [self._keys.state(shard), *(self._keys.registrations(shard, read.room) for read in reads)]
            await self._client.run(_UNREGISTER, keys, arguments)
            return [None] * len(reads)

        await self._each([log.Read(room) for room in rooms], step)

    async def _each(self, reads: Sequence[log.Read], step: _Step[_T]) -> list[_T]:
        return await shards.each(reads, lambda read: self._shard_of(read.room), step, ROOMS_AT_ONCE)

    async def acquire(self, shard: ShardId, owner: str) -> log.Ownership | None:
        """See the port."""
        answer = await self._client.run(_ACQUIRE, [self._keys.state(shard)], [_ms(log.OWNER_TTL), owner])
        if not answer:
            return None
        token, epoch, cursor, takeovers = answer
        return log.Ownership(
            shard, token.decode(), ShardEpoch(epoch.decode()), StreamId.parse(cursor.decode()), takeovers
        )

    async def renew(self, ownership: log.Ownership) -> bool:
        """See the port."""
        arguments: _Arguments = [ownership.token, ownership.epoch, _ms(log.OWNER_TTL)]
        return bool(await self._client.run(_RENEW, [self._keys.state(ownership.shard)], arguments))

    async def release(self, ownership: log.Ownership) -> None:
        """See the port."""
        await self._client.run(_RELEASE, [self._keys.state(ownership.shard)], [ownership.token])

    async def entries(self, shard: ShardId, after: StreamId, limit: int, wait: float) -> list[log.Entry]:
        """See the port."""
        found = await self._client.read_stream(self._keys.dispatch(shard), str(after), limit, wait)
        return [wire.entry(written_as, fields) for written_as, fields in found]

    async def holders(self, shard: ShardId, rooms: Sequence[RoomName]) -> log.Holders:
        """See the port."""
        keys = [self._keys.state(shard), *(self._keys.registrations(shard, room) for room in rooms)]
        epoch, *held = await self._client.run(_HOLDERS, keys, [_ms(self.limits.registration_ttl)])
        found = {
            room: frozenset(Incarnation(incarnation.decode()) for incarnation in incarnations)
            for room, incarnations in zip(rooms, held, strict=True)
        }
        return log.Holders(ShardEpoch(epoch.decode()), found)

    async def copy(self, source: ShardId, copies: Sequence[log.Copy]) -> None:
        """See the port."""
        if not copies:
            return
        shard = self._shard_of(copies[0].inbox)
        names = self._keys
        keys = [names.state(shard), names.dispatch(shard)]
        arguments: _Arguments = [source, *self._history_limits(), _ms(self.limits.registration_ttl), CONVERSATIONS]
        for copy in copies:
            inbox = copy.inbox
            keys += [names.room(shard, inbox), names.history(shard, inbox), names.conversations(shard, inbox)]
            arguments += _copied(copy)
        await self._client.run(_COPY, keys, arguments)

    async def advance(self, ownership: log.Ownership, entry: log.Entry) -> bool:
        """See the port."""
        shard = ownership.shard
        retention = _ms(self.limits.dispatch_retention)
        arguments: _Arguments = [
            ownership.token,
            ownership.epoch,
            str(entry.id),
            entry.total,
            entry.total_bytes,
            retention,
        ]
        keys = [self._keys.state(shard), self._keys.dispatch(shard)]
        return bool(await self._client.run(_ADVANCE, keys, arguments))

    async def set_aside(self, ownership: log.Ownership, entry: log.Entry, reason: str) -> None:
        """See the port."""
        keys, shard = self._keys, ownership.shard
        names = [keys.state(shard), keys.dispatch(shard), keys.dead(shard), keys.dead_ids(shard)]
        await self._client.run(_SET_ASIDE, names, [str(entry.id), reason, DEAD_LETTERS])

    async def dead_letters(self, shard: ShardId, limit: int) -> list[log.DeadLetter]:
        """See the port."""
        found = await self._client.run(_DEAD_LETTERS, [self._keys.state(shard), self._keys.dead(shard)], [limit])
        return [wire.dead_letter(written_as, values) for written_as, values in found]

    async def replay(self, shard: ShardId, entry: StreamId) -> bool:
        """See the port."""
        keys = self._keys
        names = [keys.state(shard), keys.dispatch(shard), keys.dead(shard), keys.dead_ids(shard)]
        return bool(await self._client.run(_REPLAY, names, [str(entry)]))

    async def discard(self, shard: ShardId, entry: StreamId) -> bool:
        """See the port."""
        names = [self._keys.state(shard), self._keys.dead(shard), self._keys.dead_ids(shard)]
        return bool(await self._client.run(_DISCARD, names, [str(entry)]))

    async def backlog(self, shard: ShardId) -> log.Backlog:
        """See the port."""
        keys = [self._keys.state(shard), self._keys.dispatch(shard), self._keys.dead(shard)]
        return log.Backlog(*await self._client.run(_BACKLOG, keys))

    def _shard_of(self, room: str) -> ShardId:
        return ids.shard_of(room, self.shards)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _padded(number: int) -> str:
    # All 64 bits, which a number in Lua has not; of equal length they compare as texts.
    return f"{number:020d}"


def _wanted(read: log.Read) -> list[Argument]:
    return ["", -1, read.limit] if read.since is None else [read.since.epoch, read.since.offset, read.limit]


def _wanted_either_way(read: log.Read) -> list[Argument]:
    if read.before is None:
        return [*_wanted(read), ""]
    return [read.before.epoch, read.before.offset, read.limit, "1"]


def _copied(copy: log.Copy) -> list[Argument]:
    original = copy.publication
    origin = pb.Origin(room=original.room, epoch=original.epoch, offset=original.offset)
    epoch = ids.shard_epoch_of(original.epoch)
    from_where = origin.SerializeToString()
    return [epoch, str(copy.id), copy.inbox, original.body, from_where, int(copy.replayed), original.room]


def _published(answer: Sequence[Any], why_busy: str) -> log.Published:
    match answer:
        case [b"ok" | b"repeated" as outcome, epoch, offset, ms]:
            position = pb.Position(epoch=epoch.decode(), offset=offset)
            return log.Published(position, ms, repeated=outcome == b"repeated")
        case [b"conflict"]:
            raise errors.Conflict
        case [b"quota", ms]:
            raise errors.RateLimited("too many new rooms in one day", retry_after=ms / 1000)
        case [b"rate", ms]:
            raise errors.RateLimited("too many messages in this room", retry_after=ms / 1000)
        case _:
            raise errors.Busy(why_busy, retry_after=1)


def _registered(epoch: bytes, last: bytes, read: log.Read, answer: Sequence[Any]) -> log.Registered:
    accepted, found = answer
    history = wire.room_history(read, found)
    return log.Registered(bool(accepted), ShardEpoch(epoch.decode()), StreamId.parse(last.decode()), history)
