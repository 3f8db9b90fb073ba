from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from chatcluster.core import ids
from chatcluster.core.ids import Incarnation, RoomName, ShardEpoch, ShardId, StreamId
from chatcluster.log import log
from chatcluster.task import dispatch as dispatches
from chatcluster.task.dispatch import ATTEMPTS, PATIENCE, Dispatch, room_of
from chatcluster.task.lane import Bounds, Flight
from chatcluster.v1 import types_pb2 as pb

ONE, TWO = ShardId(0), ShardId(1)
EPOCH, NEW = ShardEpoch("0000000000001.aaaaaaaa"), ShardEpoch("0000000000002.bbbbbbbb")
A, B = Incarnation("a/1"), Incarnation("b/1")
ROOM, OTHER, TALK = RoomName("room:1"), RoomName("room:2"), ids.conversation(ids.UserId(1), ids.UserId(2))


@dataclass
class Count:
    """What was counted."""

    reasons: list[str] = field(default_factory=list)
    ephemerals: int = 0

    def passed_over(self, reason: str) -> None:
        self.reasons.append(reason)

    def dropped(self, ephemerals: int) -> None:
        self.ephemerals += ephemerals


class Rig:
    """Dispatch of a task that owns shard ONE from 10 on, with gateways A and B, of which both hold ROOM and B OTHER."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.count = Count()
        self.dispatch = Dispatch("demo", self.count, bounds or Bounds())
        self.live = {A, B}
        self.held = {ROOM: frozenset({A, B}), OTHER: frozenset({B}), TALK: frozenset[Incarnation]()}
        self.own(ONE)
        self.dispatch.follow(self.live)
        for incarnation in self.live:
            self.answer(incarnation)

    def own(self, shard: ShardId, cursor: int = 10, epoch: ShardEpoch = EPOCH) -> log.Ownership:
        """Begin a shard."""
        ownership = log.Ownership(shard, "token", epoch, at(cursor), 0)
        self.dispatch.own(ownership)
        return ownership

    def route(self, *entries: log.Entry, shard: ShardId = ONE, epoch: ShardEpoch = EPOCH) -> bool:
        """Route entries by who holds their rooms now."""
        return self.dispatch.route(shard, entries, log.Holders(epoch, self.held), self.live)

    def has_room(self, *entries: log.Entry) -> bool:
        """Whether these entries would fill no lane."""
        return self.dispatch.has_room(entries, log.Holders(EPOCH, self.held))

    def depart(self, incarnation: Incarnation) -> Flight:
        """The next call to a gateway."""
        flight = self.dispatch.depart(incarnation)
        assert flight is not None
        return flight

    def answer(self, incarnation: Incarnation) -> list[ShardId]:
        """Make a gateway's next call and have it answered."""
        return self.dispatch.answered(incarnation, self.depart(incarnation))

    def fail(self, incarnation: Incarnation, flight: Flight, began: float, now: float) -> bool:
        """An attempt at a call got no answer."""
        return self.dispatch.failed(incarnation, flight, began, now)

    def passed(self, shard: ShardId = ONE) -> int | None:
        """Where the cursor may move to."""
        entry = self.dispatch.passed(shard)
        return entry.id.ms if entry else None


@pytest.fixture
def rig() -> Rig:
    """A task at work."""
    return Rig()


def at(number: int) -> StreamId:
    """A dispatch id."""
    return StreamId(number, 0)


def entry(number: int, room: RoomName = ROOM, size: int = 10) -> log.Entry:
    """A publication in dispatch."""
    return log.Entry(at(number), number, 0, publication=pb.Publication(room=room, offset=number), size=size)


def ephemeral(number: int) -> log.Entry:
    """An ephemeral in dispatch."""
    return log.Entry(at(number), number, 0, ephemeral=pb.Ephemeral(room=ROOM), size=10)


def poisoned(number: int) -> log.Entry:
    """An entry that is set aside."""
    return log.Entry(at(number), number, 0, poison="torn")


def said(flight: Flight) -> list[tuple[int, int, list[int], int]]:
    """Shard, prev, offsets and upto of each batch."""
    return [(b.shard, b.prev.ms, [p.offset for p in b.publications], b.upto.ms) for b in flight.request.batches]


# -- routing


def test_entries_go_to_the_holders_of_their_rooms(rig: Rig) -> None:
    """The others are told with their next item how far the shard was looked through."""
    assert rig.route(entry(11), entry(12, OTHER), entry(13, RoomName("room:9")))

    assert said(rig.depart(B)) == [(0, 10, [11, 12], 13)]
    assert said(rig.depart(A)) == [(0, 10, [11], 13)]
    assert rig.dispatch.position(ONE) == at(13)


def test_batch_of_another_epoch_is_thrown_away(rig: Rig) -> None:
    """What was read may be from before it: nothing is routed."""
    assert not rig.route(entry(11), epoch=NEW)

    assert rig.dispatch.depart(A) is None
    assert rig.dispatch.position(ONE) == at(10)


def test_holder_whose_lease_does_not_live_gets_nothing(rig: Rig) -> None:
    """Nor does the cursor wait for it; its lane, if it comes back, begins where dispatch is then."""
    rig.live = {A}
    rig.route(entry(11))
    rig.answer(A)
    assert rig.passed() == 11

    rig.live = {A, B}
    rig.route(entry(12))

    assert said(rig.depart(B)) == [(0, 11, [12], 12)]


def test_reading_ahead_is_bounded(rig: Rig) -> None:
    """By entries and by bytes that the cursor has not passed."""
    rig.route(*(entry(number) for number in range(11, 11 + dispatches.READ_AHEAD)))
    assert rig.dispatch.is_full(ONE)
    assert rig.dispatch.is_unpassed(ONE)
    for incarnation in (A, B):
        while flight := rig.dispatch.depart(incarnation):
            rig.dispatch.answered(incarnation, flight)
    rig.passed()
    assert not rig.dispatch.is_full(ONE)
    assert not rig.dispatch.is_unpassed(ONE)

    rig.route(entry(10_000, RoomName("room:9"), dispatches.READ_AHEAD_BYTES))
    assert rig.dispatch.is_full(ONE)
    rig.passed()
    assert not rig.dispatch.is_full(ONE)


@pytest.mark.parametrize(
    ("item", "room"),
    [
        (log.Entry(at(1), 1, 1, ephemeral=pb.Ephemeral(room="room:3")), "room:3"),
        (log.Entry(at(1), 1, 1, control=pb.Control(room="user:3")), "user:3"),
        (entry(1, OTHER), OTHER),
        (poisoned(1), ""),
    ],
)
def test_each_kind_of_entry_has_a_room(item: log.Entry, room: str) -> None:
    """But for poison, which has none."""
    assert room_of(item) == room


# -- the cursor


def test_cursor_waits_for_all_holders(rig: Rig) -> None:
    """It moves past an entry when every gateway that held its room has answered, and each move is told once."""
    rig.route(entry(11), entry(12, OTHER), entry(13))
    assert rig.passed() is None
    assert rig.answer(A) == [ONE]
    assert rig.passed() is None
    rig.route(entry(14), entry(15, OTHER))

    rig.answer(B)

    assert rig.passed() == 15 - 2
    assert rig.passed() is None


def test_cursor_follows_answers_of_part_of_a_lane(rig: Rig) -> None:
    """What a call reached is settled, what waits behind it is not."""
    rig.route(entry(11, OTHER))
    flight = rig.depart(B)
    rig.route(entry(12, OTHER))

    rig.dispatch.answered(B, flight)

    assert rig.passed() == 11


def test_entry_that_nobody_holds_is_passed_at_once(rig: Rig) -> None:
    """There is nobody to wait for."""
    rig.route(entry(11, RoomName("room:9")))

    assert rig.passed() == 11


def test_nobody_waits_for_an_ephemeral(rig: Rig) -> None:
    """It may be dropped; a control is waited for."""
    rig.route(ephemeral(11))
    assert rig.passed() == 11

    rig.route(log.Entry(at(12), 12, 0, control=pb.Control(room=ROOM)))
    assert rig.passed() is None


def test_cursor_waits_for_copies(rig: Rig) -> None:
    """A private publication is passed when it is in its inboxes; whoever holds the conversation hears it too."""
    ownership = rig.own(TWO)
    rig.route(entry(11, OTHER), entry(12, TALK), entry(13, TALK), shard=TWO)
    rig.answer(B)
    assert [each.id.ms for each in rig.dispatch.to_copy(TWO)] == [12, 13]
    assert rig.passed(TWO) == 11

    rig.dispatch.copied(ownership, at(12))

    assert rig.passed(TWO) == 12
    assert [each.id.ms for each in rig.dispatch.to_copy(TWO)] == [13]
    rig.dispatch.copied(ownership, at(13))
    assert rig.passed(TWO) == 13


def test_copies_of_an_earlier_ownership_count_for_nothing(rig: Rig) -> None:
    """The shard was lost and taken anew: its entries are read again from the cursor."""
    late = rig.own(TWO)
    rig.route(entry(11, TALK), shard=TWO)
    rig.own(TWO)
    rig.route(entry(11, TALK), shard=TWO)

    rig.dispatch.copied(late, at(11))

    assert rig.passed(TWO) is None


def test_shard_of_another_task_has_no_cursor(rig: Rig) -> None:
    """Nothing is told of one that was given up, and an answer that comes later settles nothing in it."""
    rig.route(entry(11))
    flights = {incarnation: rig.depart(incarnation) for incarnation in (A, B)}
    rig.dispatch.disown(ONE)

    assert [rig.dispatch.answered(incarnation, flight) for incarnation, flight in flights.items()] == [[], []]
    assert rig.passed() is None
    assert rig.dispatch.shards == []


def test_shard_that_is_owned_anew_begins_at_its_cursor(rig: Rig) -> None:
    """What waited in lanes is dropped: it will be read again."""
    rig.route(entry(11), entry(12))
    rig.own(ONE, cursor=11)
    rig.route(entry(12))

    assert said(rig.depart(A)) == [(0, 11, [12], 12)]
    assert rig.dispatch.shards == [ONE]


# -- poison


def test_poison_breaks_the_chain_of_every_gateway(rig: Rig) -> None:
    """The next batch begins at its id, so that all rooms of the shard are read from history; the cursor passes it."""
    rig.route(entry(11), poisoned(12), entry(13, OTHER))

    assert said(rig.depart(A)) == [(0, 12, [], 13)]
    assert said(rig.depart(B)) == [(0, 12, [13], 13)]
    assert rig.passed() == 12


def test_two_poisoned_entries_break_it_twice(rig: Rig) -> None:
    """Each is passed by itself."""
    rig.route(poisoned(11), poisoned(12), entry(13))
    for incarnation in (A, B):
        flight = rig.depart(incarnation)
        assert said(flight) == [(0, 12, [13], 13)]
        rig.dispatch.answered(incarnation, flight)

    assert rig.passed() == 13


def test_private_poison_is_not_copied(rig: Rig) -> None:
    """Whatever made it poison may be in the copying."""
    rig.route(replace(entry(11, TALK), poison="deadly"))

    assert rig.dispatch.to_copy(ONE) == []
    assert rig.passed() == 11


# -- gateways


def test_gateway_that_leaves_is_not_waited_for(rig: Rig) -> None:
    """Whatever it had not answered."""
    rig.route(entry(11))
    rig.answer(A)
    flight = rig.depart(B)

    rig.dispatch.follow({A})

    assert rig.passed() == 11
    assert rig.dispatch.depart(B) is None
    assert rig.dispatch.answered(B, flight) == []
    assert not rig.dispatch.failed(B, flight, 0, 1)
    rig.dispatch.refused(B, flight, 1)
    assert rig.count.reasons == []


def test_gateway_that_comes_back_begins_anew(rig: Rig) -> None:
    """It is told where its lane begins, and a call that was on its way before means nothing any more."""
    rig.route(entry(11))
    late = rig.depart(B)
    rig.live = {A}
    rig.route(entry(12))

    rig.dispatch.follow({A, B})

    assert said(rig.depart(B)) == [(0, 12, [], 12)]
    assert rig.dispatch.answered(B, late) == []
    assert [rig.fail(B, late, 0, 99) for _ in range(ATTEMPTS)] == [False, False]
    rig.dispatch.refused(B, late, 99)
    assert (rig.count.reasons, rig.dispatch.depart(B)) == ([], None)


def test_gateway_that_comes_back_is_waited_for(rig: Rig) -> None:
    """Having been passed over before is forgotten with it."""
    rig.dispatch.refused(B, _something(rig), 0)
    rig.dispatch.follow({A})

    rig.route(entry(12))

    assert not rig.dispatch.is_passed_over(B)
    assert said(rig.depart(B)) == [(0, 11, [12], 12)]


def test_full_lane_passes_its_gateway_over(rig: Rig) -> None:
    """In all shards; others are waited for as before."""
    rig = Rig(Bounds(items=3))
    rig.own(TWO)
    rig.route(entry(20), shard=TWO)
    rig.route(*(entry(number, OTHER) for number in (11, 12, 13)))

    assert rig.count.reasons == ["overflow"]
    assert rig.passed() == 13
    assert rig.passed(TWO) is None
    assert rig.answer(A)
    assert rig.passed(TWO) == 20
    assert said(rig.depart(B)) == [(0, 13, [], 13), (1, 20, [], 20)]


def test_ephemerals_are_dropped_before_a_lane_is_full(rig: Rig) -> None:
    """And counted; nobody is passed over for them."""
    rig = Rig(Bounds(items=4))
    rig.route(*(ephemeral(number) for number in range(11, 21)))

    assert rig.count == Count([], ephemerals=2 * 7)
    assert [len(b.ephemerals) for b in rig.depart(A).request.batches] == [3]


def test_room_is_looked_for_where_entries_go(rig: Rig) -> None:
    """In the lanes of those who hold their rooms, and of the others not."""
    rig = Rig(Bounds(items=2))
    rig.route(entry(11, OTHER), entry(12, OTHER))

    assert not rig.has_room(entry(13, OTHER))
    assert not rig.has_room(entry(13))
    assert rig.has_room(entry(13, TALK))
    rig.answer(B)
    assert rig.has_room(entry(13, OTHER))


def test_room_is_not_looked_for_where_nobody_takes_anything(rig: Rig) -> None:
    """Neither with a gateway that was passed over nor with one whose lane has overflowed meanwhile."""
    rig = Rig(Bounds(items=2))
    rig.route(entry(11, OTHER))
    flight = rig.depart(B)
    rig.route(entry(12, OTHER), entry(13, OTHER), entry(14, OTHER))
    rig.route(entry(15, OTHER), entry(16, OTHER))
    assert rig.has_room(entry(17, OTHER))
    rig.dispatch.answered(B, flight)
    assert not rig.has_room(entry(17, OTHER))

    rig.dispatch.refused(B, rig.depart(B), 0)
    rig.dispatch.lanes[B].put(ONE, [entry(17, OTHER)] * 2, at(17))

    assert rig.has_room(entry(18, OTHER))


def test_gateway_is_given_ten_seconds(rig: Rig) -> None:
    """From the beginning of the first attempt that failed; until then the very same call is repeated."""
    rig.route(entry(11))
    rig.answer(A)
    flight = rig.depart(B)

    assert [rig.fail(B, flight, began, began + 4) for began in (0, 4, 5.9)] == [True] * 3
    assert (rig.passed(), rig.dispatch.is_passed_over(B)) == (None, False)
    assert not rig.fail(B, flight, 8, PATIENCE)

    assert (rig.passed(), rig.dispatch.is_passed_over(B)) == (11, True)
    assert rig.count.reasons == ["silent"]


def test_gateway_is_given_two_attempts(rig: Rig) -> None:
    """However long the first one took."""
    flight = _something(rig)

    assert [rig.fail(B, flight, 0, 5 * PATIENCE) for _ in range(ATTEMPTS)] == [True, False]


def test_an_answer_begins_the_ten_seconds_anew(rig: Rig) -> None:
    """Only one silence is counted, not all there ever were."""
    flight = _something(rig)
    for _ in range(ATTEMPTS):
        assert rig.fail(B, flight, 0, 4)
    rig.dispatch.answered(B, flight)
    flight = _something(rig, 12)

    assert rig.fail(B, flight, 20, 24)
    assert rig.fail(B, flight, 24, 28)


def _something(rig: Rig, number: int = 11) -> Flight:
    """A call to B."""
    rig.route(entry(number))
    return rig.depart(B)


def test_refusal_passes_over_at_once(rig: Rig) -> None:
    """Another incarnation answers there: this one will not."""
    flight = _something(rig)
    rig.answer(A)

    rig.dispatch.refused(B, flight, 0)

    assert (rig.passed(), rig.count.reasons) == (11, ["refused"])


def test_gateway_that_was_passed_over_holds_nothing(rig: Rig) -> None:
    """It is only told how far dispatch has come, one attempt each time, and is counted once."""
    rig.dispatch.refused(B, _something(rig), 0)
    rig.answer(A)
    rig.passed()
    rig.route(entry(12))
    rig.answer(A)
    assert rig.passed() == 12

    flight = rig.depart(B)
    assert said(flight) == [(0, 12, [], 12)]
    assert not rig.fail(B, flight, 1, 2)
    assert rig.count.reasons == ["refused"]
    assert said(rig.depart(B)) == [(0, 12, [], 12)]


def test_gateway_that_answers_again_is_served_again(rig: Rig) -> None:
    """What was left out shows as a break; from then on it is waited for."""
    rig.dispatch.refused(B, _something(rig), 0)
    flight = rig.depart(B)
    rig.route(entry(12))
    rig.dispatch.answered(B, flight)
    rig.route(entry(13))
    rig.answer(A)

    assert not rig.dispatch.is_passed_over(B)
    assert said(rig.depart(B)) == [(0, 12, [13], 13)]
    assert rig.passed() == 12


def test_one_bad_gateway_never_holds_the_others(rig: Rig) -> None:
    """They get what comes while it hangs."""
    _something(rig)
    rig.answer(A)
    rig.route(entry(12))

    assert said(rig.depart(A)) == [(0, 11, [12], 12)]


def test_tick_is_said_to_every_gateway(rig: Rig) -> None:
    """For every shard that this task acts for."""
    rig.own(TWO, cursor=20)
    for incarnation in (A, B):
        rig.answer(incarnation)
    rig.dispatch.tick()

    for incarnation in (A, B):
        assert sorted(said(rig.depart(incarnation))) == [(0, 10, [], 10), (1, 20, [], 20)]


def test_calls_name_cluster_and_incarnation(rig: Rig) -> None:
    """So that nobody else takes them."""
    rig.route(entry(11))
    request = rig.depart(A).request

    assert (request.cluster, request.incarnation) == ("demo", A)


@pytest.mark.parametrize("live", [[A, B], (B, A), {A: "address", B: "address"}])
def test_following_the_living_again_changes_nothing(rig: Rig, live: Sequence[Incarnation]) -> None:
    """Lanes stay as they are as long as their gateways live."""
    rig.route(entry(11))
    rig.dispatch.follow(live)

    assert said(rig.depart(A)) == [(0, 10, [11], 11)]
