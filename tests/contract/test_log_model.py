"""The log in memory and the log in Redis, side by side: the same calls in the same order give the same answers.

Only what is drawn at random or by a clock may differ (epochs, dispatch ids, tokens), and then in the same way: the
n-th that one of them gives stands for the n-th of the other.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

from chatcluster.core import errors, ids
from chatcluster.core.ids import Incarnation, RoomName, ShardId, StreamId, UserId
from chatcluster.log import log
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.servers import RedisServer
from support.stores import SHARDS, MemoryStore, RedisStore, redis_store
from support.talk import shard_of

LIMITS = log.Limits(
    history_size=4,
    history_bytes=60,
    history_min_age=0,
    dispatch_entries=14,
    dispatch_bytes=160,
    dispatch_retention=3600,
    room_rate=1e9,
    room_burst=10**9,
    rooms_per_user=3,
    read_bytes=25,
)
ROOMS = [ids.room(1), ids.room(2), ids.conversation(UserId(1), UserId(2)), ids.inbox(UserId(1)), ids.inbox(UserId(2))]
RESTARTS = 7
"""More than a room's chain holds would show that history does not keep each publication's own epoch."""

number = st.integers(0, 9)
room = st.sampled_from(ROOMS)
rooms = st.lists(room, min_size=1, max_size=3, unique=True)
shard = st.sampled_from([*{shard_of(name) for name in ROOMS}])
gateway = st.sampled_from([Incarnation("gateway-0/a"), Incarnation("gateway-1/b")])
since = st.one_of(st.none(), st.integers(-3, 30))
limit = st.integers(0, 6)

Step = tuple[Any, ...]
STEPS = st.one_of(
    st.tuples(st.just("publish"), room, st.integers(1, 2), number, st.integers(0, 1)),
    st.tuples(st.just("publish"), room, st.integers(1, 2), number, st.integers(0, 1)),
    st.tuples(st.just("look_up"), room, st.integers(1, 2), number, st.integers(0, 1)),
    st.tuples(st.just("push"), room),
    st.tuples(st.just("order"), room, number),
    st.tuples(st.just("is_full"), room),
    st.tuples(st.just("history"), rooms, since, limit, st.booleans()),
    st.tuples(st.just("conversations"), room, limit),
    st.tuples(st.just("register"), gateway, number, rooms, since, limit),
    st.tuples(st.just("unregister"), gateway, number, rooms),
    st.tuples(st.just("acquire"), shard),
    st.tuples(st.just("renew"), number),
    st.tuples(st.just("release"), number),
    st.tuples(st.just("end_lease"), shard),
    st.tuples(st.just("entries"), shard, number, st.integers(1, 20)),
    st.tuples(st.just("holders"), shard, rooms),
    st.tuples(st.just("copy"), st.lists(number, min_size=1, max_size=3), room),
    st.tuples(st.just("advance"), number, number),
    st.tuples(st.just("set_aside"), number, number),
    st.tuples(st.just("backlog"), shard),
    st.tuples(st.just("restart")),
    st.tuples(st.just("save")),
    st.tuples(st.just("roll_back"), number),
)


class Names:
    """What stands for what."""

    def __init__(self) -> None:
        self._there: dict[Hashable, Hashable] = {}
        self._back: dict[Hashable, Hashable] = {}

    def same(self, one: Hashable, other: Hashable) -> bool:
        """Whether each stands for the other and for nothing else."""
        return self._there.setdefault(one, other) == other and self._back.setdefault(other, one) == one


@dataclass
class Twins:
    """Both logs, and what was heard of both."""

    stores: tuple[MemoryStore, RedisStore]

    def __post_init__(self) -> None:
        self.logs: tuple[log.Log, log.Log] = (self.stores[0].log(LIMITS), self.stores[1].log(LIMITS))
        self.epochs = Names()
        self.tokens = Names()
        self.stream_ids = Names()
        self.positions: defaultdict[str, list[tuple[pb.Position, pb.Position]]] = defaultdict(list)
        self.ownerships: list[tuple[log.Ownership, log.Ownership]] = []
        self.entries: list[tuple[log.Entry, log.Entry]] = []
        self.saved: list[tuple[object, object]] = []
        self.restarts = 0

    async def both(self, call: Callable[[log.Log, int], Awaitable[Any]]) -> tuple[Any, Any]:
        """What each answers, or the code of its error; the call is told whose turn it is."""
        one, other = [await _outcome(call(found, turn)) for turn, found in enumerate(self.logs)]
        if isinstance(one, str) or isinstance(other, str):
            assert one == other
            return None, None
        return one, other

    async def step(self, name: str, *arguments: Any) -> None:
        """Take one step on both, and compare."""
        await getattr(self, f"step_{name}")(*arguments)

    async def step_publish(self, room: RoomName, sender: int, message: int, text: int) -> None:
        draft = _draft(room, sender, message, text)
        self.same_published(room, *await self.both(lambda found, _: found.publish(draft)))

    async def step_look_up(self, room: RoomName, sender: int, message: int, text: int) -> None:
        draft = _draft(room, sender, message, text)
        self.same_published(room, *await self.both(lambda found, _: found.look_up(draft)))

    async def step_push(self, room: RoomName) -> None:
        one, other = await self.both(lambda found, _: found.push(pb.Ephemeral(room=room)))
        assert one == other

    async def step_order(self, room: RoomName, session: int) -> None:
        await self.both(lambda found, _: found.order(pb.Control(room=room, revoke_session=bytes([session]))))

    async def step_is_full(self, room: RoomName) -> None:
        one, other = await self.both(lambda found, _: found.is_full(room))
        assert one == other

    def reads(self, names: Sequence[RoomName], choice: int | None, limit: int, turn: int) -> list[log.Read]:
        """Read rooms on from positions that were told of them, or from one that nobody ever told."""
        return [log.Read(name, self.position(name, choice, turn), limit) for name in names]

    def position(self, name: RoomName, choice: int | None, turn: int) -> pb.Position | None:
        known = self.positions[name]
        if choice is None:
            return None
        if choice < 0 or not known:
            return pb.Position(epoch="9999999999999.x.x" if choice == -1 else "", offset=max(0, -choice - 2))
        return known[choice % len(known)][turn]

    async def step_history(self, names: Sequence[RoomName], choice: int | None, limit: int, back: bool) -> None:
        def wanted(turn: int) -> list[log.Read]:
            on = self.reads(names, choice, limit, turn)
            return [log.Read(read.room, None, limit, read.since) for read in on] if back else on

        one, other = await self.both(lambda found, turn: found.history(wanted(turn)))
        for pair in zip(one, other, strict=True):
            self.same_history(*pair)

    async def step_conversations(self, inbox: RoomName, limit: int) -> None:
        one, other = await self.both(lambda found, _: found.conversations(inbox, limit))
        assert one == other

    async def step_register(
        self, who: Incarnation, number: int, names: Sequence[RoomName], choice: int | None, limit: int
    ) -> None:
        one, other = await self.both(
            lambda found, turn: found.register(who, number, self.reads(names, choice, limit, turn))
        )
        for name, mine, theirs in zip(names, one, other, strict=True):
            assert mine.accepted == theirs.accepted
            assert self.epochs.same(mine.shard_epoch, theirs.shard_epoch)
            self.same_id(shard_of(name), mine.stream_id, theirs.stream_id)
            self.same_history(mine.history, theirs.history)

    async def step_unregister(self, who: Incarnation, number: int, names: Sequence[RoomName]) -> None:
        await self.both(lambda found, _: found.unregister(who, number, names))

    async def step_acquire(self, shard: ShardId) -> None:
        one, other = await self.both(lambda found, _: found.acquire(shard, "task"))
        assert (one is None) == (other is None)
        if one is not None:
            assert self.tokens.same(one.token, other.token)
            assert self.epochs.same(one.epoch, other.epoch)
            assert one.takeovers == other.takeovers
            self.same_id(shard, one.cursor, other.cursor)
            self.ownerships.append((one, other))

    async def owned(self, choice: int, call: Callable[[log.Log, log.Ownership, int], Awaitable[Any]]) -> None:
        """Do something as one of the owners there ever were."""
        if self.ownerships:
            pair = self.ownerships[choice % len(self.ownerships)]
            one, other = await self.both(lambda found, turn: call(found, pair[turn], turn))
            assert one == other

    async def step_renew(self, choice: int) -> None:
        await self.owned(choice, lambda found, ownership, _: found.renew(ownership))

    async def step_release(self, choice: int) -> None:
        await self.owned(choice, lambda found, ownership, _: found.release(ownership))

    async def step_end_lease(self, shard: ShardId) -> None:
        for store in self.stores:
            await store.end_lease(shard)

    async def step_entries(self, shard: ShardId, choice: int, limit: int) -> None:
        known = [pair for pair in self.entries if _shard(pair[0]) == shard]
        after = known[choice % len(known)] if known and choice else None
        one, other = await self.both(
            lambda found, turn: found.entries(shard, after[turn].id if after else ids.ZERO, limit, 0)
        )
        for mine, theirs in zip(one, other, strict=True):
            self.same_entry(shard, mine, theirs)
            self.entries.append((mine, theirs))

    async def step_holders(self, shard: ShardId, names: Sequence[RoomName]) -> None:
        mine = [name for name in names if shard_of(name) == shard]
        one, other = await self.both(lambda found, _: found.holders(shard, mine))
        assert self.epochs.same(one.epoch, other.epoch)
        assert {k: v for k, v in one.rooms.items() if v} == {k: v for k, v in other.rooms.items() if v}

    async def step_copy(self, choices: Sequence[int], inbox: RoomName) -> None:
        published = [pair for pair in self.entries if pair[0].publication]
        chosen = [published[choice % len(published)] for choice in choices] if published else []
        chosen = [pair for pair in chosen if _shard(pair[0]) == _shard(chosen[0][0])]
        if chosen:
            source = _shard(chosen[0][0])
            await self.both(lambda found, turn: found.copy(source, [_copy(inbox, pair[turn]) for pair in chosen]))

    async def on_entry(self, owner: int, choice: int, call: Callable[..., Awaitable[Any]]) -> None:
        """Do something with an entry as an owner of its shard."""
        if self.ownerships:
            shard = self.ownerships[owner % len(self.ownerships)][0].shard
            known = [pair for pair in self.entries if _shard(pair[0]) == shard]
            if known:
                entry = known[choice % len(known)]
                await self.owned(owner, lambda found, ownership, turn: call(found, ownership, entry[turn]))

    async def step_advance(self, owner: int, choice: int) -> None:
        await self.on_entry(owner, choice, lambda found, ownership, entry: found.advance(ownership, entry))

    async def step_set_aside(self, owner: int, choice: int) -> None:
        await self.on_entry(owner, choice, lambda found, ownership, entry: found.set_aside(ownership, entry, "x"))

    async def step_backlog(self, shard: ShardId) -> None:
        one, other = await self.both(lambda found, _: found.backlog(shard))
        assert (one.entries, one.bytes, one.dead_letters) == (other.entries, other.bytes, other.dead_letters)

    async def step_restart(self) -> None:
        if self.restarts < RESTARTS:
            self.restarts += 1
            for store in self.stores:
                await store.restart()

    async def step_save(self) -> None:
        self.saved.append((await self.stores[0].save(), await self.stores[1].save()))

    async def step_roll_back(self, choice: int) -> None:
        if self.saved and self.restarts < RESTARTS:
            self.restarts += 1
            mine, theirs = self.saved[choice % len(self.saved)]
            await self.stores[0].roll_back(mine)
            await self.stores[1].roll_back(theirs)
            # Ids of entries that were lost may be given again.
            self.entries.clear()
            self.stream_ids = Names()

    def same_id(self, shard: ShardId, one: StreamId, other: StreamId) -> None:
        assert self.stream_ids.same((shard, one), (shard, other))

    def same_published(self, room: str, one: log.Published | None, other: log.Published | None) -> None:
        if one and other:
            assert one.repeated == other.repeated
            self.same_position(room, one.position, other.position)

    def same_position(self, room: str, one: pb.Position, other: pb.Position) -> None:
        assert one.offset == other.offset
        assert self.epochs.same(one.epoch, other.epoch)
        self.positions[room].append((one, other))

    def same_history(self, one: logic_pb2.RoomHistory, other: logic_pb2.RoomHistory) -> None:
        assert (one.room, one.error) == (other.room, other.error)
        assert (one.recovered, one.after, one.more) == (other.recovered, other.after, other.more)
        self.same_position(one.room, one.position, other.position)
        for pair in zip(one.publications, other.publications, strict=True):
            self.same_publication(*pair)

    def same_publication(self, one: pb.Publication, other: pb.Publication) -> None:
        assert (one.room, one.offset, one.body) == (other.room, other.offset, other.body)
        assert (one.origin.room, one.origin.offset) == (other.origin.room, other.origin.offset)
        assert self.epochs.same(one.epoch, other.epoch)
        assert self.epochs.same(one.origin.epoch, other.origin.epoch)

    def same_entry(self, shard: ShardId, one: log.Entry, other: log.Entry) -> None:
        self.same_id(shard, one.id, other.id)
        assert (one.total, one.total_bytes, one.size) == (other.total, other.total_bytes, other.size)
        assert (one.ephemeral, one.control, one.poison) == (other.ephemeral, other.control, other.poison)
        assert (one.publication is None) == (other.publication is None)
        if one.publication and other.publication:
            self.same_publication(one.publication, other.publication)


async def _outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except errors.ChatError as exc:
        return exc.code


def _draft(room: RoomName, sender: int, message: int, text: int) -> log.Draft:
    return log.Draft(room, UserId(sender), f"m{message}", b"x" * (8 + message) + b"%d" % text, b"%08d" % text)


def _shard(entry: log.Entry) -> ShardId:
    item = entry.publication or entry.ephemeral or entry.control
    assert item
    return shard_of(RoomName(item.room))


def _copy(inbox: RoomName, entry: log.Entry) -> log.Copy:
    assert entry.publication
    return log.Copy(inbox, entry.id, entry.publication)


def test_all_rooms_share_few_shards() -> None:
    """Else the steps would seldom meet."""
    assert len({shard_of(name) for name in ROOMS}) < len(ROOMS) <= 2 * SHARDS


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(STEPS, min_size=25, max_size=80))
def test_both_answer_alike(server: RedisServer, steps: list[Step]) -> None:
    """Any steps, with restarts and losses between them."""

    async def run() -> None:
        async with redis_store(server.port) as there:
            twins = Twins((MemoryStore(), there))
            for step in steps:
                await twins.step(*step)

    with asyncio.Runner() as runner:
        runner.run(run())
