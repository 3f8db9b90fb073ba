import pytest

from chatcluster.connect import hub as hubs
from chatcluster.connect.chain import SILENCE
from chatcluster.core import ids
from chatcluster.core.ids import Incarnation
from support.hub import NEIGHBOUR, NEW, ROOM, SHARD, SHARDS, Rig


@pytest.fixture
def rig() -> Rig:
    """An empty hub."""
    return Rig()


def test_break_makes_rooms_register_again(rig: Rig) -> None:
    """All that were registered before it, in one call, within the jitter; until then they are served on."""
    rig.listener(NEIGHBOUR)
    listener = rig.joined()
    rig.deliver(11, 12, 1)
    assert listener.words == ["1"]
    assert not rig.is_sound()
    assert rig.wait() <= hubs.JITTER
    rig.now += hubs.JITTER

    call = rig.registration()

    assert {read.room for read in call.reads} == {ROOM, NEIGHBOUR}
    assert call.reasons == ("unsound", "unsound")
    rig.answer(call, 1, last=12)
    assert rig.is_sound()


def test_rooms_that_break_together_ask_one_after_the_other(rig: Rig) -> None:
    """Spread over the jitter: thousands of gateways' rooms may break at once."""
    rooms = [name for n in range(1, 200) if ids.shard_of(name := ids.room(n), SHARDS) == SHARD]
    for room in rooms:
        rig.listener(room)
    rig.answer(rig.registration(), 0)
    rig.deliver(11, 12)
    rig.now += hubs.JITTER / 2

    assert 0.2 * len(rooms) <= len(rig.registration().reads) <= 0.8 * len(rooms)


def test_break_during_a_registration_asks_once_more(rig: Rig) -> None:
    """The answer proves nothing about what was left out after it."""
    rig.listener()
    call = rig.registration()
    rig.deliver(15, 16)

    rig.answer(call, 0, last=12)
    assert not rig.is_sound()
    rig.wait()
    rig.answer(rig.registration(), 0, last=16)
    assert rig.is_sound()


def test_refused_registration_proves_nothing(rig: Rig) -> None:
    """A later number was seen: what was read is served, and the room asks again."""
    listener = rig.joined(offset=5)
    rig.deliver(11, 12)
    rig.wait()

    rig.answer(rig.registration(), 6, 6, last=12, accepted=False)

    assert listener.words == ["6"]
    assert not rig.is_sound()
    assert rig.wait() <= hubs.JITTER


def test_doubt_that_was_dispelled_is_not_asked_about(rig: Rig) -> None:
    """A room that was registered meanwhile for another reason is left in peace."""
    rig.joined()
    rig.deliver(11, 12, 2)
    due = rig.now + hubs.JITTER
    rig.now += hubs.GAP_PATIENCE
    rig.answer(rig.registration(), 2, 1, 2, last=12)
    rig.now = due

    assert not rig.calls()


def test_silence_makes_rooms_register_again(rig: Rig) -> None:
    """Of a shard from which no batch came for 12 s, and of no other."""
    rig.joined()
    rig.now += SILENCE
    rig.deliver(10, 11)
    rig.hub.tick(rig.now)
    assert rig.is_sound()

    rig.now += SILENCE + 0.1
    rig.hub.tick(rig.now)

    assert not rig.is_sound()
    assert rig.wait() <= hubs.JITTER
    assert rig.registration().reasons == ("unsound",)


def test_new_incarnation_proves_everything_anew(rig: Rig) -> None:
    """Nobody counted on the old one any more; what was asked under its name proves nothing."""
    rig.listener(NEIGHBOUR)
    rig.answer(rig.registration(), 0)
    rig.listener()
    late = rig.registration()
    again = Incarnation("gw/2")

    rig.hub.reincarnate(again, rig.now)
    rig.answer(late, 5)

    assert not rig.is_sound(NEIGHBOUR)
    assert rig.room().position is None
    rig.now += hubs.JITTER
    call = rig.registration()
    assert (call.incarnation, {read.room for read in call.reads}) == (again, {ROOM, NEIGHBOUR})
    rig.answer(call, 5)
    assert rig.is_sound()


def test_late_answer_of_an_epoch_that_is_over_proves_nothing(rig: Rig) -> None:
    """Nor is its history believed: the room asks again."""
    rig.listener()
    call = rig.registration()
    rig.deliver(0, 3, epoch=NEW)

    rig.answer(call, 5)

    assert rig.room().position is None
    assert rig.wait() == 0
    rig.answer(rig.registration(), 4, last=3, epoch=NEW)
    assert rig.is_sound()


def test_epoch_that_a_registration_tells_of_puts_all_rooms_in_doubt(rig: Rig) -> None:
    """Also while no batch of it has come."""
    rig.joined(NEIGHBOUR)
    rig.listener()
    rig.answer(rig.registration(), 0, last=3, epoch=NEW)

    assert (rig.is_sound(), rig.is_sound(NEIGHBOUR)) == (True, False)
    assert rig.wait() <= hubs.JITTER
    assert [read.room for read in rig.registration().reads] == [NEIGHBOUR]


def test_every_room_is_checked(rig: Rig) -> None:
    """Within five minutes of its last answer, whatever dispatch says."""
    rig.joined()

    assert 0.9 * hubs.CHECK <= rig.wait() <= hubs.CHECK
    assert rig.registration().reasons == ("check",)


def test_holes_that_close_do_not_put_the_check_off(rig: Rig) -> None:
    """A room in which items come out of order is checked as often as any other."""
    rig.joined()
    began, offset = rig.now, 1
    while rig.now < began + hubs.CHECK:
        rig.deliver(10, 10, offset + 1)
        rig.deliver(10, 10, offset)
        offset += 2
        rig.now += 1

    assert rig.registration().reasons == ("check",)
