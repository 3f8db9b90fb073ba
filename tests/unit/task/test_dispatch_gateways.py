from collections.abc import Sequence

import pytest

from chatcluster.core.ids import Incarnation
from chatcluster.task.dispatch import ATTEMPTS, PATIENCE
from chatcluster.task.lane import Bounds, Flight
from support.dispatching import (
    ONE,
    OTHER,
    TALK,
    TWO,
    A,
    B,
    Count,
    Rig,
    at,
    entry,
    ephemeral,
    said,
)


@pytest.fixture
def rig() -> Rig:
    """A task at work."""
    return Rig()


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
