import pytest

from chatcluster.connect import hub as hubs
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.hub import EPOCH, NEIGHBOUR, NEW, ROOM, Listener, Rig, publication


@pytest.fixture
def rig() -> Rig:
    """An empty hub."""
    return Rig()


def test_hole_is_given_a_moment_to_close(rig: Rig) -> None:
    """History is asked after 100 ms, from where the room stands."""
    listener = rig.joined(offset=5)
    rig.deliver(10, 12, 8)
    assert not rig.calls()
    assert rig.wait() == pytest.approx(hubs.GAP_PATIENCE)

    call = rig.registration()

    assert call.reasons == ("gap",)
    assert call.reads[0] == logic_pb2.RoomRead(
        room=ROOM, since=pb.Position(epoch=f"{EPOCH}.00", offset=5), limit=hubs.READ_LIMIT
    )
    rig.answer(call, 8, 6, 7, 8)
    assert listener.words == ["6", "7", "8"]


def test_hole_that_closes_by_itself_is_not_asked_for(rig: Rig) -> None:
    """Items that were only out of order cost nothing."""
    listener = rig.joined(offset=5)
    rig.deliver(10, 12, 7)
    rig.deliver(12, 13, 6)
    rig.now += 2 * hubs.GAP_PATIENCE

    assert not rig.calls()
    assert listener.words == ["6", "7"]


def test_second_hole_does_not_put_the_first_one_off(rig: Rig) -> None:
    """The room is asked for when the first one has had its time."""
    rig.joined(offset=5)
    rig.deliver(10, 12, 8)
    rig.now += hubs.GAP_PATIENCE / 2
    rig.deliver(12, 13, 10)

    assert rig.wait() == pytest.approx(hubs.GAP_PATIENCE / 2)
    assert rig.registration().reasons == ("gap",)


def test_hole_after_one_that_closed_during_an_outage_is_asked_for(rig: Rig) -> None:
    """What failed before and is no more needed delays nothing."""
    rig.joined(offset=5)
    rig.deliver(10, 12, 7)
    rig.wait()
    rig.hub.failed(rig.registration(), rig.now)
    rig.deliver(12, 13, 6)
    rig.wait()
    assert not rig.calls()

    rig.deliver(13, 14, 9)

    assert rig.wait() == pytest.approx(hubs.GAP_PATIENCE)


def test_hole_that_history_has_lost_is_told_and_counted(rig: Rig) -> None:
    """Only then is it skipped."""
    listener = rig.joined(offset=5)
    rig.deliver(10, 12, 9)
    rig.wait()

    rig.answer(rig.registration(), 9, 8, 9, recovered=False, after=7)

    assert listener.words == ["gap:6-7", "8", "9"]
    assert rig.count.outcomes == ["gap"]


def test_hole_stays_while_logic_is_away(rig: Rig) -> None:
    """That room alone waits; others of its shard are served on."""
    rig.listener(NEIGHBOUR)
    listener = rig.joined(offset=5)
    neighbour = next(iter(rig.hub.listeners(NEIGHBOUR)))
    rig.deliver(10, 12, 9)
    for _ in range(3):
        rig.wait()
        rig.hub.failed(rig.registration(), rig.now)
    rig.deliver(12, 13, 10, others=[publication(6, NEIGHBOUR)])

    assert listener.writes == []
    assert isinstance(neighbour, Listener)
    assert neighbour.words == ["6"]


def test_reset_is_told_and_counted(rig: Rig) -> None:
    """Redis came back with less: listeners hear after which position everything is new."""
    listener = rig.joined(offset=5)
    rig.deliver(0, 3, 4, epoch=NEW)
    rig.wait()

    rig.answer(rig.registration(), 4, 4, last=3, epoch=NEW, recovered=False, after=3)

    assert listener.words == ["reset:3", "4"]
    assert rig.count.outcomes == ["reset"]
    assert rig.is_sound()


def test_room_far_behind_reads_on_at_once(rig: Rig) -> None:
    """As long as each answer brings it further."""
    listener = rig.joined(offset=5)
    rig.deliver(10, 12, 20)
    rig.wait()
    rig.answer(rig.registration(), 20, 6, 7)

    assert rig.wait() == 0
    rig.answer(rig.registration(), 20, *range(8, 20))
    assert listener.words == [str(offset) for offset in range(6, 21)]


def test_answer_that_brings_nothing_is_not_repeated_at_once(rig: Rig) -> None:
    """Logic may say where a room stands and keep its publications for another call."""
    rig.joined(offset=5)
    rig.deliver(10, 12, 20)
    rig.wait()
    rig.answer(rig.registration(), 20)

    assert rig.wait() == pytest.approx(hubs.RETRY[0])
