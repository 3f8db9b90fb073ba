"""The registry inside a gateway: which connections are in which rooms, and what each room still has to learn.

Owns the gateway's side of the delivery protocol: soundness is a level, not an event. Whatever went wrong, and whether
or not anybody noticed, a room that cannot prove that it missed nothing is registered again and read on from history
until it can. Does not own sockets, calls or time: `deliver` takes what task sent, `work` says what to ask logic for,
and everything that depends on a clock is given `now` in seconds. Pure, so that the simulation drives this very code.

Bounds: a registration names at most `ROOMS_PER_REQUEST` rooms and at most `REQUESTS` are in flight; what waits for them
is the set of rooms that have listeners here. At most `MAX_GONE` rooms wait to be unregistered.
"""

import heapq
import random
from collections.abc import Iterable, Sequence
from typing import Protocol

from chatcluster.connect.chain import Chain, Proof, Seen
from chatcluster.connect.registrations import Registration, Unregistration
from chatcluster.connect.room import Codec, Gap, Item, Listener, Reset, Room
from chatcluster.core import ids
from chatcluster.core.ids import Incarnation, RoomName, ShardEpoch, StreamId
from chatcluster.v1 import connect_pb2, logic_pb2, types_pb2 as pb

ROOMS_PER_REQUEST = 500
REQUESTS = 4
READ_LIMIT = 1000
GAP_PATIENCE = 0.1
"""Seconds that a hole in the offsets may close by itself before history is asked."""
JITTER = 2.0
"""Rooms that became unsound together ask again within so many seconds, not all at once."""
CHECK = 300.0
"""Every room proves itself again this often, whatever happened."""
NEVER = float("inf")
RETRY = (0.2, 5.0)
"""Seconds until a failed registration is repeated: the first and the longest wait."""
FORGET_TRIES = 3
"""An unregistration that failed so often is given up: a stale one costs one lane item a batch and goes by its TTL."""
MAX_GONE = 10_000
"""Rooms that wait to be unregistered; more are given up at once."""


class Observer(Protocol):
    """What the hub counts; implemented by the gateway's metrics."""

    def served(self, protocol: str, items: Sequence[Item], listeners: int) -> None:
        """These items were written to so many connections of one protocol."""

    def missed(self, outcome: str) -> None:
        """A hole or a change of epoch was told to listeners: `gap` or `reset`."""

    def failed(self, item: Item, error: Exception) -> None:
        """An item could not be encoded; its listeners do not see it."""


class Hub:
    """Rooms and their listeners on one gateway. One thread, and no method waits."""

    def __init__(self, *, shards: int, incarnation: Incarnation, random: random.Random, observer: Observer) -> None:
        self.incarnation = incarnation
        self.rooms: dict[RoomName, Room] = {}
        self._chains = [Chain() for _ in range(shards)]
        self._by_shard: list[dict[RoomName, Room]] = [{} for _ in range(shards)]
        self._due: list[tuple[float, RoomName]] = []
        self._gone: dict[RoomName, int] = {}
        """Rooms to unregister, and how often that failed."""
        self._gone_due = 0.0
        self._in_flight = 0
        self._number = 0
        self._random = random
        self._observer = observer

    # -- connections

    def enter(self, name: RoomName, listener: Listener, now: float) -> None:
        """Let a connection hear a room. Idempotent. It hears everything accepted after the room's join is answered."""
        room = self._room(name, now)
        self._forget(room, listener)
        room.listeners.setdefault(listener.codec, {})[listener] = None

    def keep(self, name: RoomName, listener: Listener, now: float) -> None:
        """Have a room here for a connection that does not hear it. Idempotent; it hears it no more if it did."""
        room = self._room(name, now)
        self._forget(room, listener)
        room.keepers[listener] = None

    def prepare(self, name: RoomName, listener: Listener, now: float) -> None:
        """Keep a room for a connection that reads its way in: what is served meanwhile is remembered for `admit`."""
        self.keep(name, listener, now)
        self.rooms[name].entering[listener] = None

    def admit(self, name: RoomName, listener: Listener, history: logic_pb2.RoomHistory) -> list[pb.Publication] | None:
        """Let a connection that was prepared hear a room of which it has read all that history has.

        Returns what it has to be shown before anything else is written to it: what it read, as far as the room itself
        has come, and what the room has served since. So nothing is lost and nothing comes twice, provided that this is
        written in the same turn. None, and nothing is changed, when the room is not where the history ends, or has not
        come to where the connection stands: read on.
        """
        room = self.rooms[name]
        served = room.served_since(history.position)
        if served is None or room.offset < history.after:
            return None
        self.enter(name, listener, 0)
        return [*(read for read in history.publications if read.offset <= room.offset), *served]

    def exit(self, name: RoomName, listener: Listener) -> None:
        """Let a connection hear a room no more. Idempotent; the last one out takes the room with it."""
        room = self.rooms.get(name)
        if room is None:
            return
        self._forget(room, listener)
        if not room.is_wanted:
            del self.rooms[name], self._by_shard[room.shard][name]
            if len(self._gone) < MAX_GONE:
                self._gone[name] = 0

    def _room(self, name: RoomName, now: float) -> Room:
        room = self.rooms.get(name)
        if room is None:
            room = self.rooms[name] = Room(name, ids.shard_of(name, len(self._chains)))
            self._by_shard[room.shard][name] = room
            self._gone.pop(name, None)
            self._schedule(room, now, "join")
        return room

    def _forget(self, room: Room, listener: Listener) -> None:
        listeners = room.listeners.get(listener.codec, {})
        listeners.pop(listener, None)
        if not listeners:
            room.listeners.pop(listener.codec, None)
        room.keepers.pop(listener, None)
        room.entering.pop(listener, None)
        if not room.entering:
            room.recent.clear()

    def listeners(self, name: RoomName) -> Iterable[Listener]:
        """The connections in a room."""
        room = self.rooms.get(name)
        return [listener for some in room.listeners.values() for listener in some] if room else ()

    # -- what task sends

    def deliver(self, batch: connect_pb2.Batch, now: float) -> int:
        """Hand a batch to the rooms that it concerns; the number of items that could not be shown to anybody."""
        chain = self._chains[batch.shard]
        prev, upto = _stream_id(batch.prev), _stream_id(batch.upto)
        seen = chain.batch(ShardEpoch(batch.epoch), prev, upto, self._number, now)
        if seen is Seen.STALE:
            return 0
        if seen is Seen.BROKEN:
            self._doubt(batch.shard, now)
        touched: dict[RoomName, Room] = {}
        for publication in batch.publications:
            if room := self.rooms.get(RoomName(publication.room)):
                room.offer(publication)
                touched[room.name] = room
        for ephemeral in batch.ephemerals:
            if room := self.rooms.get(RoomName(ephemeral.room)):
                room.ready.append(ephemeral)
                touched[room.name] = room
        return sum(self._settle(room, now) for room in touched.values())

    # -- what to ask logic for

    def work(self, now: float) -> list[Registration | Unregistration]:
        """The calls to make now. Each must be ended by `registered`, `unregistered` or `failed`."""
        calls: list[Registration | Unregistration] = []
        while self._in_flight < REQUESTS and (rooms := self._take_due(now)):
            calls.append(self._registration(rooms))
        while self._in_flight < REQUESTS and self._gone and self._gone_due <= now:
            calls.append(self._unregistration())
        return calls

    def next_due(self) -> float | None:
        """When `work` will next have something, by the clock of `now`; None: not before a call ends or a room is
        entered or left.
        """
        if self._in_flight >= REQUESTS:
            return None
        while self._due and not self._is_current(*self._due[0]):
            heapq.heappop(self._due)
        times = [self._gone_due] if self._gone else []
        return min(times + [due for due, _ in self._due[:1]], default=None)

    def registered(self, call: Registration, answers: Sequence[logic_pb2.Registration], now: float) -> list[RoomName]:
        """End a registration with logic's answers, in the order of its reads; returns the rooms they were about.

        A room whose history could not be read counts as one that got no answer.
        """
        self._in_flight -= 1
        answered = []
        for read, reason, answer in zip(call.reads, call.reasons, answers, strict=True):
            room = self.rooms.get(RoomName(read.room))
            if room is None or room.asking != call.number:
                continue
            room.asking = 0
            if answer.history.error:
                self._repeat(room, reason, now)
                continue
            room.asks = 0
            self._answer(room, call, read, answer, now)
            answered.append(room.name)
        return answered

    def unregistered(self) -> None:
        """End an unregistration that was answered."""
        self._in_flight -= 1

    def failed(self, call: Registration | Unregistration, now: float) -> None:
        """End a call that got no answer, or an error: its rooms are asked for again, later and with a new number."""
        self._in_flight -= 1
        if isinstance(call, Unregistration):
            self._gone_due = now + RETRY[0]
            again = call.tries + 1
            self._gone |= {n: again for n in call.rooms if n not in self.rooms and again < FORGET_TRIES}
            return
        for read, reason in zip(call.reads, call.reasons, strict=True):
            room = self.rooms.get(RoomName(read.room))
            if room and room.asking == call.number:
                room.asking = 0
                self._repeat(room, reason, now)

    # -- time

    def tick(self, now: float) -> None:
        """Once a second: doubt the rooms of shards from which nothing came for `chain.SILENCE`."""
        for shard, chain in enumerate(self._chains):
            if chain.is_silent(now):
                chain.forget()
                self._doubt(shard, now)

    def reincarnate(self, incarnation: Incarnation, now: float) -> None:
        """The lease was lost and nobody counts on this gateway any more: every room proves itself under a new name."""
        self.incarnation = incarnation
        for shard, chain in enumerate(self._chains):
            chain.forget()
            self._doubt(shard, now)

    # -- the steps that they share

    def is_sound(self, room: Room) -> bool:
        """Whether the room has provably missed nothing of dispatch since it last read history."""
        return self._chains[room.shard].proves(room.proof, self.incarnation)

    def _answer(
        self,
        room: Room,
        call: Registration,
        read: logic_pb2.RoomRead,
        answer: logic_pb2.Registration,
        now: float,
    ) -> None:
        if call.incarnation != self.incarnation:
            self._schedule(room, now, "unsound")
            return
        epoch, last = ShardEpoch(answer.shard_epoch), _stream_id(answer.stream_id)
        seen = self._chains[room.shard].registered(epoch, last, call.number, self._number, now)
        if seen is Seen.BROKEN:
            self._doubt(room.shard, now)
        room.check = now + CHECK * self._random.uniform(0.9, 1)
        asked, before = read.since if read.HasField("since") else None, room.offset
        if seen is not Seen.STALE and room.catch_up(asked, answer.history) and answer.accepted:
            room.proof = Proof(call.incarnation, epoch, last)
        if room.behind and room.offset == before:
            self._schedule(room, now + RETRY[0], "gap")
        self._settle(room, now)

    def _settle(self, room: Room, now: float) -> int:
        """Write what is ready and see when the room has to ask next."""
        failed = self._write(room) if room.ready else 0
        if room.asking or room.asks:  # the answer will say, or the repetition that is due: what comes does not hurry it
            return failed
        if not room.joined:
            self._schedule(room, now, "join")
        elif room.behind:
            if room.due > now + RETRY[0]:
                self._schedule(room, now, "gap")
        elif room.held:
            self._schedule(room, now + GAP_PATIENCE, "gap")
        elif not self.is_sound(room):
            self._schedule_unsound(room, now)
        elif room.due == NEVER:
            self._schedule_check(room)
        return failed

    def _write(self, room: Room) -> int:
        """Encode once for each protocol and write the same bytes to all: one write a connection, however many items."""
        items, room.ready = room.ready, []
        failed = 0
        for codec, listeners in room.listeners.items():
            data, refused = self._encode(codec, items)
            failed += refused
            if data:
                for listener in listeners:
                    listener.write(data)
                self._observer.served(codec.protocol, items, len(listeners))
        for item in items:
            if isinstance(item, Gap | Reset):
                self._observer.missed("gap" if isinstance(item, Gap) else "reset")
        return failed

    def _encode(self, codec: Codec, items: Sequence[Item]) -> tuple[bytes, int]:
        parts, failed = [], 0
        for item in items:
            try:
                parts.append(codec.encode(item))
            except Exception as error:  # noqa: BLE001 - whatever one item does, the others are shown
                self._observer.failed(item, error)
                failed += 1
                if isinstance(item, pb.Publication):  # history has the same bytes, so it can only be told
                    parts.append(codec.encode(Gap(RoomName(item.room), item.offset, item.offset)))
        return b"".join(parts), failed

    def _doubt(self, shard: int, now: float) -> None:
        for room in self._by_shard[shard].values():
            if room.joined and not room.asking and not self.is_sound(room):
                self._schedule_unsound(room, now)

    def _schedule_unsound(self, room: Room, now: float) -> None:
        if room.due > now + JITTER:
            self._schedule(room, now + JITTER * self._random.random(), "unsound")

    def _repeat(self, room: Room, reason: str, now: float) -> None:
        """Ask again after a failure, the later the more there were in a row."""
        room.asks += 1
        wait = min(RETRY[1], RETRY[0] * 2 ** min(room.asks, 10))
        self._schedule(room, now + wait * self._random.uniform(0.5, 1), reason)

    def _schedule(self, room: Room, due: float, reason: str) -> None:
        """Ask at `due`, or when it is to be asked anyway, if that is sooner."""
        if due < room.due:
            self._set_due(room, due, reason)

    def _schedule_check(self, room: Room) -> None:
        """Ask no sooner than at the next check."""
        self._set_due(room, room.check, "check")

    def _set_due(self, room: Room, due: float, reason: str) -> None:
        room.due, room.reason = due, reason
        heapq.heappush(self._due, (due, room.name))
        if len(self._due) > 2 * len(self.rooms) + ROOMS_PER_REQUEST:  # most are of rooms that were left, or outdated
            self._due = [(each.due, each.name) for each in self.rooms.values() if each.due < NEVER]
            heapq.heapify(self._due)

    def _is_current(self, due: float, name: RoomName) -> bool:
        room = self.rooms.get(name)
        return room is not None and room.due == due

    def _take_due(self, now: float) -> list[Room]:
        rooms: list[Room] = []
        while self._due and self._due[0][0] <= now and len(rooms) < ROOMS_PER_REQUEST:
            due, name = heapq.heappop(self._due)
            if self._is_current(due, name):
                room = self.rooms[name]
                room.due = NEVER
                if room.reason != "check" and not room.needs_history and self.is_sound(room):
                    room.asks = 0
                    self._schedule_check(room)  # whatever it was doubted for has been put right meanwhile
                else:
                    rooms.append(room)
        return rooms

    def _registration(self, rooms: Iterable[Room]) -> Registration:
        self._number += 1
        self._in_flight += 1
        reads, reasons = [], []
        for room in rooms:
            room.asking = self._number
            reads.append(
                logic_pb2.RoomRead(room=room.name, since=room.position, limit=READ_LIMIT if room.joined else 0)
            )
            reasons.append(room.reason)
        return Registration(self.incarnation, self._number, tuple(reads), tuple(reasons))

    def _unregistration(self) -> Unregistration:
        self._number += 1
        self._in_flight += 1
        rooms = tuple(self._gone)[:ROOMS_PER_REQUEST]
        tries = max(self._gone.pop(name) for name in rooms)
        return Unregistration(self.incarnation, self._number, rooms, tries)


def _stream_id(stream_id: pb.StreamId) -> StreamId:
    return StreamId(stream_id.ms, stream_id.seq)
