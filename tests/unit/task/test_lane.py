from collections.abc import Sequence

import pytest

from chatcluster.core.ids import Incarnation, ShardEpoch, ShardId, StreamId
from chatcluster.log.log import Entry
from chatcluster.task.lane import CALL_BYTES, ITEM_OVERHEAD, Bounds, Flight, Lane
from chatcluster.v1 import connect_pb2, types_pb2 as pb

ONE, TWO, THREE = (ShardId(number) for number in range(3))
EPOCH, NEW = ShardEpoch("0000000000001.aaaaaaaa"), ShardEpoch("0000000000002.bbbbbbbb")
ME = Incarnation("gw/1")


def at(number: int) -> StreamId:
    """A dispatch id."""
    return StreamId(number, 0)


def entry(number: int, size: int = 10) -> Entry:
    """A publication in dispatch."""
    return Entry(at(number), number, 0, publication=pb.Publication(offset=number, body=b"x" * size), size=size)


def ephemeral(number: int, size: int = 10) -> Entry:
    """An ephemeral in dispatch."""
    return Entry(at(number), number, 0, ephemeral=pb.Ephemeral(), size=size)


@pytest.fixture
def lane() -> Lane:
    """A lane that looks through two shards from 10 on, and has said so."""
    made = opened(Bounds(items=4, bytes=10_000))
    answer(made)
    return made


def opened(bounds: Bounds, *shards: ShardId) -> Lane:
    """A lane at the beginning of its shards."""
    lane = Lane(ME, bounds)
    for shard in shards or (ONE, TWO):
        lane.open(shard, EPOCH, at(10))
    return lane


def depart(lane: Lane) -> Flight:
    """The next call."""
    flight = lane.depart("demo")
    assert flight is not None
    return flight


def answer(lane: Lane) -> dict[ShardId, StreamId]:
    """Make the next call and have it answered; how far it settles each shard."""
    return lane.land(depart(lane))


def said(flight: Flight) -> dict[int, tuple[int, list[int], int]]:
    """For each shard of a call: prev, offsets of the publications, upto."""
    return {b.shard: (b.prev.ms, [p.offset for p in b.publications], b.upto.ms) for b in flight.request.batches}


def offsets(flight: Flight) -> list[int]:
    """The publications of a call."""
    return [p.offset for batch in flight.request.batches for p in batch.publications]


def test_new_lane_says_where_it_begins() -> None:
    """An empty batch of each shard, by which the gateway hears of the shard's owner without waiting for a tick."""
    flight = depart(opened(Bounds()))

    assert flight.request == connect_pb2.DeliverRequest(
        cluster="demo",
        incarnation=ME,
        batches=[
            connect_pb2.Batch(shard=shard, epoch=EPOCH, prev=pb.StreamId(ms=10), upto=pb.StreamId(ms=10))
            for shard in (ONE, TWO)
        ],
    )


def test_batches_follow_one_another_without_a_hole(lane: Lane) -> None:
    """Each begins where the last one ended, and ends as far as the shard was looked through."""
    lane.put(ONE, [entry(12), entry(13)], at(15))
    first = depart(lane)
    assert lane.land(first) == {ONE: at(15)}
    lane.put(ONE, [entry(17)], at(17))

    assert said(first) == {ONE: (10, [12, 13], 15)}
    assert said(depart(lane)) == {ONE: (15, [17], 17)}


def test_each_kind_of_item_is_in_its_place(lane: Lane) -> None:
    """Publications, ephemerals and controls."""
    control = pb.Control(room="user:1", revoke_session=b"s")
    lane.put(ONE, [entry(11), ephemeral(12), Entry(at(13), 3, 0, control=control)], at(13))

    [batch] = depart(lane).request.batches

    assert (len(batch.publications), len(batch.ephemerals), list(batch.controls)) == (1, 1, [control])


def test_one_call_is_on_its_way(lane: Lane) -> None:
    """While it is, the next one grows; when nothing is to be said there is none."""
    assert lane.depart("demo") is None
    lane.put(ONE, [entry(11)], at(11))
    first = depart(lane)
    lane.put(ONE, [entry(12)], at(12))
    lane.put(ONE, [entry(13)], at(13))
    assert lane.depart("demo") is None

    lane.land(first)

    assert said(depart(lane)) == {ONE: (11, [12, 13], 13)}


def test_what_concerns_the_gateway_not_at_all_is_said_with_the_next_item(lane: Lane) -> None:
    """Looking a shard through alone is no reason for a call."""
    lane.put(ONE, [], at(20))
    assert lane.depart("demo") is None

    lane.put(ONE, [entry(21)], at(22))

    assert said(depart(lane)) == {ONE: (10, [21], 22)}


def test_tick_wants_a_batch_of_every_shard(lane: Lane) -> None:
    """Empty or not, once."""
    lane.put(ONE, [entry(11)], at(12))
    lane.put(TWO, [], at(14))
    lane.tick()

    flight = depart(lane)
    assert said(flight) == {ONE: (10, [11], 12), TWO: (10, [], 14)}
    lane.land(flight)
    assert lane.depart("demo") is None


@pytest.mark.parametrize(
    ("bounds", "entries"),
    [
        (Bounds(items=2), [entry(11), entry(12), entry(13)]),
        (Bounds(bytes=2 * (10 + ITEM_OVERHEAD)), [entry(11), entry(12, size=11)]),
    ],
)
def test_full_lane_is_emptied_and_shows_it(bounds: Bounds, entries: Sequence[Entry]) -> None:
    """In all shards: the next batch begins at the last id that was left out."""
    lane = opened(bounds)
    answer(lane)
    assert lane.put(TWO, [entry(20)], at(21))
    assert not lane.put(ONE, entries, at(15))

    assert (lane.items, lane.bytes) == (0, 0)
    assert said(depart(lane)) == {ONE: (15, [], 15), TWO: (21, [], 21)}


def test_lane_at_its_bound_is_not_full() -> None:
    """The bound is what it may hold."""
    lane = opened(Bounds(items=2, bytes=2 * (10 + ITEM_OVERHEAD)), ONE)
    answer(lane)

    assert lane.put(ONE, [entry(11), entry(12)], at(12))
    assert offsets(depart(lane)) == [11, 12]


def test_overflow_is_remembered_until_a_call_ends() -> None:
    """As long as the gateway takes nothing, nobody need wait for room in its lane."""
    lane = opened(Bounds(items=1), ONE)
    flight = depart(lane)
    assert not lane.overflowed
    lane.put(ONE, [entry(11), entry(12)], at(12))
    assert lane.overflowed

    lane.land(flight)

    assert not lane.overflowed


@pytest.mark.parametrize(("size", "has_room"), [(10, True), (11, False)])
def test_lane_has_room_for_what_fits(lane: Lane, size: int, has_room: bool) -> None:
    """By bytes and by items; an empty lane takes everything, since it would not become any emptier."""
    lane = opened(Bounds(items=3, bytes=2 * (10 + ITEM_OVERHEAD)), ONE)
    assert lane.has_room([entry(number) for number in range(11, 31)])
    lane.put(ONE, [entry(11)], at(11))

    assert lane.has_room([entry(12, size)]) is has_room
    lane = opened(Bounds(items=2), ONE)
    lane.put(ONE, [entry(11)], at(11))
    assert (lane.has_room([entry(12)]), lane.has_room([entry(12), entry(13)])) == (True, False)


def test_ephemerals_are_dropped_from_half_full_on(lane: Lane) -> None:
    """They are counted, and never are what fills a lane."""
    assert lane.put(ONE, [ephemeral(number) for number in range(11, 31)], at(30))
    assert (lane.items, lane.dropped) == (3, 17)
    assert lane.put(ONE, [entry(31)], at(31))

    [batch] = depart(lane).request.batches

    assert (len(batch.ephemerals), len(batch.publications), batch.upto.ms) == (3, 1, 31)


def test_leaving_out_one_shard_keeps_the_others(lane: Lane) -> None:
    """Only its own chain is broken."""
    lane.put(ONE, [entry(11)], at(12))
    lane.put(TWO, [entry(20)], at(21))
    lane.leave_out(ONE)

    assert lane.items == 1
    assert said(depart(lane)) == {ONE: (12, [], 12), TWO: (10, [20], 21)}


def test_call_that_is_given_up_settles_what_it_reached(lane: Lane) -> None:
    """Landing twice settles nothing more."""
    lane.put(ONE, [entry(11)], at(12))
    flight = depart(lane)

    assert lane.land(flight) == {ONE: at(12)}
    assert lane.land(flight) == {}


def test_closed_shard_is_forgotten(lane: Lane) -> None:
    """What waits is dropped, and a call on its way settles nothing there, even if the shard is opened again."""
    lane.put(ONE, [entry(11)], at(11))
    flight = depart(lane)
    lane.put(ONE, [entry(12)], at(12))
    lane.close(ONE)
    lane.close(THREE)
    lane.open(ONE, EPOCH, at(10))

    assert (lane.items, lane.bytes) == (0, 0)
    assert lane.land(flight) == {}
    assert said(depart(lane)) == {ONE: (10, [], 10)}


def test_shard_is_opened_once_an_epoch(lane: Lane) -> None:
    """To open it again changes nothing; in a new epoch it begins anew."""
    lane.put(ONE, [entry(11)], at(11))
    lane.open(ONE, EPOCH, at(50))
    flight = depart(lane)
    assert said(flight) == {ONE: (10, [11], 11)}
    lane.land(flight)

    lane.put(ONE, [entry(12)], at(12))
    lane.open(ONE, NEW, at(3))

    assert lane.items == 0
    [batch] = depart(lane).request.batches
    assert (batch.epoch, batch.prev.ms, batch.upto.ms, len(batch.publications)) == (NEW, 3, 3, 0)


def test_large_backlog_is_cut_into_calls() -> None:
    """Each ends where its last item does, none is too large, and shards take turns."""
    lane = opened(Bounds(items=10_000, bytes=2**30))
    answer(lane)
    for shard in (ONE, TWO):
        lane.put(shard, [entry(number, 4096) for number in range(11, 161)], at(200))
    calls = []
    while flight := lane.depart("demo"):
        assert flight.request.ByteSize() <= CALL_BYTES
        calls.append(said(flight))
        lane.land(flight)

    assert next(iter(calls[0])) == ONE
    assert next(iter(calls[1])) == TWO
    for shard in (ONE, TWO):
        batches = [call[shard] for call in calls if shard in call]
        assert [offset for _, found, _ in batches for offset in found] == list(range(11, 161))
        assert [prev for prev, _, _ in batches] == [10, *(upto for _, _, upto in batches[:-1])]
        assert [upto for _, _, upto in batches] == [*(found[-1] for _, found, _ in batches[:-1]), 200]


def test_calls_keep_their_bound_with_the_longest_names() -> None:
    """What is reckoned for names, ids and framing is enough."""
    room, epoch = "room:" + "x" * 64, f"{EPOCH}.aaaaaaaa"
    big = 2**63
    origin = pb.Origin(room="dm:2147483646:2147483647", epoch=epoch, offset=big)
    items = [
        pb.Publication(room=room, epoch=epoch, offset=big, time_ms=big - 1, body=b"x" * 40),
        pb.Publication(room="user:2147483647", epoch=epoch, offset=big, time_ms=big - 1, body=b"x" * 40, origin=origin),
    ]
    lane = opened(Bounds(items=100_000, bytes=2**30), *(ShardId(number) for number in range(4096)))
    for number in range(11, 5011):
        lane.put(ONE, [Entry(at(number), 0, 0, publication=items[number % 2], size=40)], at(number))
    sizes = []
    while flight := lane.depart("demo"):
        sizes.append(flight.request.ByteSize())
        lane.land(flight)

    assert CALL_BYTES / 2 < max(sizes) <= CALL_BYTES


def test_item_larger_than_a_call_goes_alone() -> None:
    """Nothing is ever stuck in a lane."""
    lane = opened(Bounds(items=10, bytes=2**30), ONE)
    answer(lane)
    lane.put(ONE, [entry(11, 10), entry(12, CALL_BYTES + 1), entry(13, 10)], at(13))
    calls = []
    while flight := lane.depart("demo"):
        calls.append(offsets(flight))
        lane.land(flight)

    assert calls == [[11], [12], [13]]
