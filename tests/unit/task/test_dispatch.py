from dataclasses import replace

import pytest

from chatcluster.core.ids import RoomName
from chatcluster.log import log
from chatcluster.task import dispatch as dispatches
from chatcluster.task.dispatch import room_of
from chatcluster.v1 import types_pb2 as pb
from support.dispatching import NEW, ONE, OTHER, ROOM, TALK, TWO, A, B, Rig, at, entry, ephemeral, poisoned, said


@pytest.fixture
def rig() -> Rig:
    """A task at work."""
    return Rig()


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
