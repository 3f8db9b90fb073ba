import pytest

from chatcluster.connect import hub as hubs
from chatcluster.connect.registrations import Registration, Unregistration
from chatcluster.connect.room import HELD
from chatcluster.core import ids
from support.hub import NEIGHBOUR, OLD, ROOM, Rig


@pytest.fixture
def rig() -> Rig:
    """An empty hub."""
    return Rig()


def test_answer_without_history_is_no_answer(rig: Rig) -> None:
    """A room whose history could not be read stays as it is, and asks again."""
    listener = rig.joined(offset=5)
    rig.deliver(10, 12, 7)
    rig.wait()

    assert rig.answer(rig.registration(), 0, epoch=OLD, recovered=False, error="unavailable") == []

    assert listener.writes == []
    assert rig.room().offset == 5
    rig.wait()
    rig.answer(rig.registration(), 7, 6, 7)
    assert listener.words == ["6", "7"]


def test_failures_in_a_row_are_repeated_ever_later(rig: Rig) -> None:
    """Up to five seconds; an answer begins the row anew."""
    rig.listener()
    waits = []
    for _ in range(12):
        rig.hub.failed(rig.registration(), rig.now)
        waits.append(rig.wait())

    assert hubs.RETRY[0] <= waits[0] <= 2 * hubs.RETRY[0]
    assert hubs.RETRY[1] / 2 <= min(waits[6:]) <= max(waits[6:]) <= hubs.RETRY[1]
    rig.answer(rig.registration(), 0)
    rig.deliver(10, 12, 2)
    rig.wait()
    rig.hub.failed(rig.registration(), rig.now)
    assert rig.wait() <= 2 * hubs.RETRY[0]


def test_what_is_delivered_does_not_hurry_a_repetition(rig: Rig) -> None:
    """While logic is away, a busy room asks no more often than a quiet one."""
    rig.joined()
    rig.deliver(10, 11, 9)
    rig.wait()
    for _ in range(8):
        rig.hub.failed(rig.registration(), rig.now)
        rig.deliver(11, 12, *range(10, 10 + HELD))
        due = rig.hub.next_due()
        assert due is not None
        last, rig.now = due - rig.now, due

    assert last >= hubs.RETRY[1] / 2


def test_calls_are_bounded(rig: Rig) -> None:
    """Each names at most 500 rooms, at most four are in flight, and the rest waits for one to end."""
    for number in range(1, 2002):
        rig.listener(ids.room(number))

    calls = rig.calls()

    assert [len(call.request().rooms) for call in calls] == [hubs.ROOMS_PER_REQUEST] * hubs.REQUESTS
    assert [call.number for call in calls] == [1, 2, 3, 4]
    assert (rig.calls(), rig.hub.next_due()) == ([], None)
    assert isinstance(calls[0], Registration)
    rig.answer(calls[0], 0)
    assert len(rig.registration().reads) == 1


def test_failed_unregistration_is_repeated_three_times_at_most(rig: Rig) -> None:
    """A stale registration costs little, and ends by itself; one that is wanted again is not taken back."""
    listener, neighbour = rig.joined(), rig.joined(NEIGHBOUR)
    rig.hub.exit(ROOM, listener)
    rig.hub.exit(NEIGHBOUR, neighbour)
    call = rig.unregistration()
    rig.listener(NEIGHBOUR)
    rig.hub.failed(call, rig.now)
    rig.answer(rig.registration(), 0)

    tries = 1
    while (due := rig.hub.next_due()) is not None and due < rig.now + 10:
        rig.wait()
        again = rig.unregistration()
        assert again.rooms == (ROOM,)
        rig.hub.failed(again, rig.now)
        tries += 1

    assert tries == hubs.FORGET_TRIES


def test_rooms_that_wait_to_be_unregistered_are_bounded(rig: Rig) -> None:
    """While logic is away, connections that come and go leave no more behind than that."""
    rig.listener()
    for number in range(1000, 1000 + hubs.MAX_GONE + 500):
        rig.hub.exit(ids.room(number), rig.listener(ids.room(number)))
    rooms = 0
    while calls := rig.calls():
        for call in calls:
            if isinstance(call, Unregistration):
                rooms += len(call.rooms)
                rig.hub.unregistered()

    assert rooms == hubs.MAX_GONE


def test_rooms_that_come_and_go_leave_nothing_behind(rig: Rig) -> None:
    """What was planned for a room goes with it, long before it would have been due."""
    for number in range(1, 5000):
        rig.hub.exit(ids.room(number), rig.joined(ids.room(number)))
        rig.unregistration()
        rig.hub.unregistered()

    assert len(rig.hub._due) <= 2 * hubs.ROOMS_PER_REQUEST
    rig.listener()
    assert rig.registration().reads[0].room == ROOM
