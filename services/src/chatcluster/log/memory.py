"""The log in memory: the same steps as the Redis scripts, in Python, for unit tests and for the simulation.

Owns the executable specification of the port: the contract tests hold it and the Redis log to the same behaviour. It is
split in two so that failures of a server can be played: `memory_state.Server` can be copied and come back older under
another identity; `MemoryLog` is a client of whatever server it is given. No method ever suspends.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

from chatcluster.core import errors, ids
from chatcluster.core.ids import Incarnation, RoomEpoch, RoomName, ShardEpoch, ShardId, StreamId
from chatcluster.log import log, memory_reading, wire
from chatcluster.log.memory_state import Holder, Registrations, Room, Sent, Server, Shard
from chatcluster.v1 import logic_pb2, types_pb2 as pb

CHAIN_LENGTH = 8
CONVERSATIONS = 1_000
DEAD_LETTERS = 10_000


class MemoryLog:
    """The log port over a `Server`. `now` is the server's clock in seconds; `draw` makes random hex of a length."""

    def __init__(
        self,
        server: Server,
        *,
        now: Callable[[], float],
        draw: Callable[[int], str],
        limits: log.Limits | None = None,
    ) -> None:
        self.server = server
        self.limits = limits or log.Limits()
        self._now = now
        self._draw = draw

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return len(self.server.shards)

    # -- publishing

    async def publish(self, draft: log.Draft) -> log.Published:
        """See the port."""
        shard, now = self._shard_of(draft.room), self._now()
        earlier = self._sent(shard, draft)
        if earlier:
            return earlier
        self._admit(shard, draft, now)
        room = self._room(shard, draft.room)
        self._take_token(room, now)
        publication = self._append(shard, room, draft.room, draft.body)
        position = pb.Position(epoch=publication.epoch, offset=publication.offset)
        shard.sent[draft.room, draft.sender, draft.message_id] = Sent(
            position, publication.time_ms, draft.digest, now + self.limits.idempotency_ttl
        )
        return log.Published(position, publication.time_ms, repeated=False)

    async def look_up(self, draft: log.Draft) -> log.Published:
        """See the port."""
        earlier = self._sent(self._shard_of(draft.room), draft)
        if earlier is None:
            raise errors.Busy(retry_after=1)
        return earlier

    async def push(self, ephemeral: pb.Ephemeral) -> bool:
        """See the port."""
        shard = self._shard_of(ephemeral.room)
        if self._fill(shard) > 0.5:
            return False
        self._dispatch(shard, log.Entry(ids.ZERO, 0, 0, ephemeral=ephemeral, size=ephemeral.ByteSize()))
        return True

    async def order(self, control: pb.Control) -> None:
        """See the port."""
        shard = self._shard_of(control.room)
        self._dispatch(shard, log.Entry(ids.ZERO, 0, 0, control=control, size=control.ByteSize()))

    async def is_full(self, room: RoomName) -> bool:
        """See the port."""
        return self._fill(self._shard_of(room)) >= 1

    # -- reading and registering

    async def history(self, reads: Sequence[log.Read]) -> list[logic_pb2.RoomHistory]:
        """See the port."""
        return [self._read(self._existing(self._shard_of(read.room), read.room), read) for read in reads]

    async def conversations(self, inbox: RoomName, limit: int) -> list[RoomName]:
        """See the port."""
        room = self._existing(self._shard_of(inbox), inbox)
        found = room.conversations if room else {}
        return [RoomName(name) for name in sorted(found, key=lambda name: -found[name])][:limit]

    async def register(self, incarnation: Incarnation, number: int, reads: Sequence[log.Read]) -> list[log.Registered]:
        """See the port."""
        return [self._register(incarnation, number, read) for read in reads]

    async def unregister(self, incarnation: Incarnation, number: int, rooms: Sequence[RoomName]) -> None:
        """See the port."""
        for name in rooms:
            registrations = self._shard_of(name).registrations.setdefault(name, Registrations())
            self._hold(registrations, incarnation, number, registered=False)

    # -- dispatch

    async def acquire(self, shard: ShardId, owner: str) -> log.Ownership | None:  # noqa: ARG002 - the port's
        """See the port."""
        state, now = self._shard(shard), self._now()
        if state.owner_until is not None and state.owner_until > now:
            return None
        expired = state.owner_until is not None and state.last != state.cursor
        same = expired and state.takeover_cursor == state.cursor
        state.takeovers = (state.takeovers + 1 if same else 1) if expired else 0
        state.takeover_cursor = state.cursor
        state.tenure += 1
        state.token = f"{state.epoch}.{state.tenure}"
        state.owner_until = now + log.OWNER_TTL
        return log.Ownership(shard, state.token, state.epoch, state.cursor, state.takeovers)

    async def renew(self, ownership: log.Ownership) -> bool:
        """See the port."""
        state = self._shard(ownership.shard)
        if not self._owns(state, ownership) or state.epoch != ownership.epoch:
            return False
        state.owner_until = self._now() + log.OWNER_TTL
        return True

    async def release(self, ownership: log.Ownership) -> None:
        """See the port."""
        state = self._shard(ownership.shard)
        if self._owns(state, ownership):
            state.owner_until = None

    async def entries(
        self,
        shard: ShardId,
        after: StreamId,
        limit: int,
        wait: float,  # noqa: ARG002 - it never waits
    ) -> list[log.Entry]:
        """See the port; never waits."""
        stream = self.server.shards[shard].stream
        start = bisect_right(stream, after, key=lambda entry: entry.id)
        return stream[start : start + limit]

    async def holders(self, shard: ShardId, rooms: Sequence[RoomName]) -> log.Holders:
        """See the port."""
        state = self._shard(shard)
        held = {name: state.registrations.get(name, Registrations()) for name in rooms}
        return log.Holders(
            state.epoch,
            {
                name: frozenset(Incarnation(i) for i, holder in self._remembered(found).items() if holder.registered)
                for name, found in held.items()
            },
        )

    async def copy(self, source: ShardId, copies: Sequence[log.Copy]) -> None:
        """See the port."""
        for item in copies:
            shard = self._shard_of(item.inbox)
            room = self._room(shard, item.inbox)
            original = item.publication
            origin = pb.Origin(room=original.room, epoch=original.epoch, offset=original.offset)
            mark = (ids.shard_epoch_of(original.epoch), item.id)
            before = room.copied.get(source, ("", ids.ZERO))
            if any(each.origin == origin for each in room.history) if item.replayed else mark <= before:
                continue
            if not item.replayed:
                room.copied[source] = mark
            self._append(shard, room, item.inbox, original.body, origin)
            room.conversations[original.room] = room.offset
            if len(room.conversations) > CONVERSATIONS:
                del room.conversations[min(room.conversations, key=lambda name: room.conversations[name])]

    async def advance(self, ownership: log.Ownership, entry: log.Entry) -> bool:
        """See the port."""
        state = self._shard(ownership.shard)
        if not self._owns(state, ownership) or state.epoch != ownership.epoch:
            return False
        if entry.id > state.cursor:
            state.cursor, state.cursor_total, state.cursor_bytes = entry.id, entry.total, entry.total_bytes
            keep = min(state.cursor, StreamId(int((self._now() - self.limits.dispatch_retention) * 1000), 0))
            state.stream = [e for e in state.stream if e.id >= keep]
        return True

    async def set_aside(self, ownership: log.Ownership, entry: log.Entry, reason: str) -> None:
        """See the port."""
        state = self._shard(ownership.shard)
        stored = next((each for each in state.stream if each.id == entry.id), None)
        if stored and all(letter.entry.id != entry.id for letter in state.dead):
            state.dead.append(log.DeadLetter(stored, reason, int(self._now() * 1000)))
            del state.dead[:-DEAD_LETTERS]

    async def dead_letters(self, shard: ShardId, limit: int) -> list[log.DeadLetter]:
        """See the port."""
        return self._shard(shard).dead[:limit]

    async def replay(self, shard: ShardId, entry: StreamId) -> bool:
        """See the port."""
        letter = self._take_dead_letter(shard, entry)
        if letter:
            self._dispatch(self._shard(shard), replace(letter.entry, replayed=True))
        return letter is not None

    async def discard(self, shard: ShardId, entry: StreamId) -> bool:
        """See the port."""
        return self._take_dead_letter(shard, entry) is not None

    async def backlog(self, shard: ShardId) -> log.Backlog:
        """See the port."""
        state = self._shard(shard)
        waiting = await self.entries(shard, state.cursor, 1, 0)
        oldest = int(self._now() * 1000) - waiting[0].id.ms if waiting else 0
        return log.Backlog(
            state.total - state.cursor_total, state.total_bytes - state.cursor_bytes, max(0, oldest), len(state.dead)
        )

    # -- the steps that they share

    def _shard_of(self, room: str) -> Shard:
        return self._shard(ids.shard_of(room, self.shards))

    def _shard(self, shard: int) -> Shard:
        """The shard, in a new epoch if the server is not the one that it knew."""
        state = self.server.shards[shard]
        if state.identity != self.server.identity:
            state.identity = self.server.identity
            number = max(int(state.epoch.partition(".")[0] or 0) + 1, int(self._now() * 1000))
            state.epoch = ShardEpoch(f"{number:013d}.{self._draw(8)}")
        return state

    def _existing(self, shard: Shard, name: str) -> Room | None:
        """The room, in the shard's epoch, if it is there and not over."""
        room = shard.rooms.get(name)
        if room is None:
            return None
        if room.expires <= self._now():
            del shard.rooms[name]
            return None
        epoch = RoomEpoch(f"{shard.epoch}.{room.nonce}")
        if room.epoch != epoch:
            room.chain = [*room.chain, (epoch, room.offset)][-CHAIN_LENGTH:]
        self._forget_old_history(room)
        return room

    def _room(self, shard: Shard, name: str) -> Room:
        room = self._existing(shard, name)
        if room is None:
            nonce = self._draw(6)
            room = Room(nonce, [(f"{shard.epoch}.{nonce}", 0)], tokens=self.limits.room_burst, tokens_at=self._now())
            room.expires = self._now() + self.limits.registration_ttl
            shard.rooms[name] = room
        return room

    def _sent(self, shard: Shard, draft: log.Draft) -> log.Published | None:
        sent = shard.sent.get((draft.room, draft.sender, draft.message_id))
        if sent is None or sent.expires <= self._now():
            return None
        if sent.digest != draft.digest:
            raise errors.Conflict
        return log.Published(sent.position, sent.time_ms, repeated=True)

    def _take_dead_letter(self, shard: ShardId, entry: StreamId) -> log.DeadLetter | None:
        dead = self._shard(shard).dead
        letter = next((letter for letter in dead if letter.entry.id == entry), None)
        if letter:
            dead.remove(letter)
        return letter

    def _fill(self, shard: Shard) -> float:
        return max(
            (shard.total - shard.cursor_total) / self.limits.dispatch_entries,
            (shard.total_bytes - shard.cursor_bytes) / self.limits.dispatch_bytes,
        )

    def _admit(self, shard: Shard, draft: log.Draft, now: float) -> None:
        if self._fill(shard) >= 1:
            raise errors.Busy("the shard's dispatch stream is full", retry_after=1)
        room = self._existing(shard, draft.room)
        if room and room.offset:
            return
        count, since = shard.created.get(draft.sender, (0, now))
        if now - since >= 86400:
            count, since = 0, now
        if count >= self.limits.rooms_per_user:
            raise errors.RateLimited("too many new rooms in one day", retry_after=since + 86400 - now)
        shard.created[draft.sender] = (count + 1, since)

    def _take_token(self, room: Room, now: float) -> None:
        refilled = room.tokens + (now - room.tokens_at) * self.limits.room_rate
        room.tokens, room.tokens_at = min(self.limits.room_burst, refilled), now
        if room.tokens < 1:
            raise errors.RateLimited("too many messages in this room", retry_after=1)
        room.tokens -= 1

    def _append(
        self, shard: Shard, room: Room, name: str, body: bytes, origin: pb.Origin | None = None
    ) -> pb.Publication:
        room.offset += 1
        publication = pb.Publication(
            room=name, epoch=room.epoch, offset=room.offset, time_ms=int(self._now() * 1000), body=body, origin=origin
        )
        room.history.append(publication)
        room.history_bytes += len(body)
        room.expires = self._now() + self.limits.history_ttl + 86400
        self._trim(room)
        self._dispatch(shard, log.Entry(ids.ZERO, 0, 0, publication=publication, size=len(body)))
        return publication

    def _dispatch(self, shard: Shard, entry: log.Entry) -> None:
        ms = int(self._now() * 1000)
        shard.last = StreamId(ms, 0) if ms > shard.last.ms else StreamId(shard.last.ms, shard.last.seq + 1)
        shard.total += 1
        shard.total_bytes += entry.size
        shard.stream.append(replace(entry, id=shard.last, total=shard.total, total_bytes=shard.total_bytes))

    def _trim(self, room: Room) -> None:
        young = (self._now() - self.limits.history_min_age) * 1000
        while room.history_bytes > self.limits.history_bytes or (
            len(room.history) > self.limits.history_size and room.history[0].time_ms <= young
        ):
            room.history_bytes -= len(room.history.pop(0).body)

    def _forget_old_history(self, room: Room) -> None:
        last = room.history[-1].time_ms if room.history else 0
        if last and last + self.limits.history_ttl * 1000 <= self._now() * 1000:
            room.history, room.history_bytes = [], 0

    def _register(self, incarnation: Incarnation, number: int, read: log.Read) -> log.Registered:
        shard = self._shard_of(read.room)
        registrations = shard.registrations.setdefault(read.room, Registrations())
        accepted = self._hold(registrations, incarnation, number, registered=True)
        room = self._room(shard, read.room) if accepted else self._existing(shard, read.room)
        if room and accepted:
            room.expires = max(room.expires, self._now() + self.limits.registration_ttl)
        return log.Registered(accepted, shard.epoch, shard.last, self._read(room, read))

    def _hold(self, room: Registrations, incarnation: Incarnation, number: int, *, registered: bool) -> bool:
        room.holders = self._remembered(room)
        known = room.holders.get(incarnation)
        if known and known.number > number:
            return False
        room.holders[incarnation] = Holder(number, registered, self._now())
        return True

    def _remembered(self, room: Registrations) -> dict[str, Holder]:
        old = self._now() - self.limits.registration_ttl
        return {i: holder for i, holder in room.holders.items() if holder.touched > old}

    @staticmethod
    def _owns(state: Shard, ownership: log.Ownership) -> bool:
        return state.owner_until is not None and state.token == ownership.token

    def _read(self, room: Room | None, read: log.Read) -> logic_pb2.RoomHistory:
        return wire.nothing_in(read) if room is None else memory_reading.read(room, read, self.limits.read_bytes)
