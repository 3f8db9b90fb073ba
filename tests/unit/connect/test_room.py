import pytest

from chatcluster.connect.room import HELD, Gap, Item, Reset, Room
from chatcluster.core.ids import RoomName, ShardId
from chatcluster.v1 import logic_pb2, types_pb2 as pb

NAME = RoomName("room:7")
OLD, EPOCH, NEW = (f"000000000000{number}.aaaaaaaa.00000000" for number in range(3))


def publication(offset: int, epoch: str = EPOCH) -> pb.Publication:
    """A publication of the room."""
    return pb.Publication(room=NAME, epoch=epoch, offset=offset)


def history(
    offset: int, *offsets: int, epoch: str = EPOCH, recovered: bool = True, after: int = 0
) -> logic_pb2.RoomHistory:
    """What history answers: the room's position, and these publications."""
    return logic_pb2.RoomHistory(
        room=NAME,
        position=pb.Position(epoch=epoch, offset=offset),
        recovered=recovered,
        publications=[publication(number, epoch) for number in offsets],
        after=after,
    )


def joined(offset: int) -> Room:
    """A room whose join was answered."""
    room = Room(NAME, ShardId(0))
    assert room.catch_up(None, history(offset))
    return room


def ask(room: Room, answer: logic_pb2.RoomHistory) -> bool:
    """Ask history from where the room stands and take the answer at once."""
    return room.catch_up(room.position, answer)


def shown(room: Room) -> list[object]:
    """What became ready: offsets of publications, gaps and resets."""
    items: list[Item] = room.ready
    return [item.offset if isinstance(item, pb.Publication) else item for item in items]


def test_publications_are_served_in_order_and_once() -> None:
    """The next one is; what was had before, or is of an epoch that is over, is dropped."""
    room = joined(5)
    for each in (publication(6), publication(6), publication(4), publication(7, OLD), publication(7)):
        room.offer(each)

    assert shown(room) == [6, 7]
    assert room.position == pb.Position(epoch=EPOCH, offset=7)
    assert not room.needs_history


def test_hole_may_close_by_itself() -> None:
    """What comes too early waits, and is served in its place."""
    room = joined(5)
    room.offer(publication(8))
    room.offer(publication(7))
    assert (shown(room), room.needs_history) == ([], True)

    room.offer(publication(6))

    assert (shown(room), room.needs_history) == ([6, 7, 8], False)


def test_publications_wait_for_the_join() -> None:
    """Those after the position of the answer are served then, the others were before the join."""
    room = Room(NAME, ShardId(0))
    for offset in (4, 5, 6, 7):
        room.offer(publication(offset))
    assert (room.position, room.needs_history) == (None, True)

    assert room.catch_up(None, history(5))

    assert (shown(room), room.needs_history) == ([6, 7], False)


def test_what_waited_for_the_join_in_another_epoch_is_left_to_history() -> None:
    """Of two publications with one offset the later epoch's is kept."""
    room = Room(NAME, ShardId(0))
    for each in (publication(6, OLD), publication(7, OLD), publication(6), publication(6, OLD)):
        room.offer(each)

    room.catch_up(None, history(5))

    assert [item.epoch for item in room.ready if isinstance(item, pb.Publication)] == [EPOCH]
    assert not room.held


def test_join_that_could_not_hold_everything_starts_behind() -> None:
    """What was left out over the bound is known to exist: history is asked although dispatch goes on unbroken."""
    room = Room(NAME, ShardId(0))
    for offset in range(1, HELD + 3):
        room.offer(publication(offset))

    room.catch_up(None, history(0))

    assert len(shown(room)) == HELD
    assert room.needs_history
    ask(room, history(HELD + 2, HELD + 1, HELD + 2))
    assert (shown(room)[-1], room.needs_history) == (HELD + 2, False)


def test_answer_from_before_an_overflow_does_not_hide_it() -> None:
    """History had answered before the publication came that could not be held: it is asked once more."""
    room = joined(0)
    for offset in range(2, HELD + 4):
        room.offer(publication(offset))

    ask(room, history(2, 1, 2))

    assert room.offset == HELD + 1
    assert room.needs_history


def test_overflow_of_another_epoch_is_no_matter() -> None:
    """What was left out before Redis came back with less may never have happened."""
    room = joined(0)
    for offset in range(2, HELD + 4):
        room.offer(publication(offset))

    ask(room, history(1, 1, epoch=NEW, recovered=True))

    assert (shown(room), room.needs_history) == ([1], False)


def test_room_that_is_far_behind_reads_on() -> None:
    """An answer that does not reach the room's position leaves it behind."""
    room = joined(5)

    assert ask(room, history(9, 6, 7))

    assert (shown(room), room.behind) == ([6, 7], True)


def test_late_answer_repeats_nothing() -> None:
    """What dispatch has brought meanwhile is not served twice."""
    room = joined(5)
    asked = room.position
    room.offer(publication(6))
    room.offer(publication(7))

    assert room.catch_up(asked, history(6, 6))

    assert (shown(room), room.behind) == ([6, 7], False)


def test_hole_that_history_has_lost_is_told() -> None:
    """Offsets that are gone become a gap, and what was held for them is served after it."""
    room = joined(5)
    room.offer(publication(10))

    ask(room, history(10, 9, recovered=False, after=8))

    assert shown(room) == [Gap(NAME, 6, 8), 9, 10]
    assert not room.needs_history


def test_gap_is_not_told_for_what_came_meanwhile() -> None:
    """What history has lost since, and dispatch has brought, is no gap."""
    room = joined(5)
    asked = room.position
    for offset in (6, 7, 8):
        room.offer(publication(offset))

    room.catch_up(asked, history(8, recovered=False, after=7))

    assert shown(room) == [6, 7, 8]


def test_new_epoch_without_loss_goes_on() -> None:
    """Listeners notice nothing."""
    room = joined(5)

    ask(room, history(7, 6, 7, epoch=NEW))

    assert shown(room) == [6, 7]
    assert room.position == pb.Position(epoch=NEW, offset=7)


def test_new_epoch_with_loss_is_a_reset() -> None:
    """It says after which position everything is new, and what was held in the old epoch is dropped."""
    room = joined(5)
    room.offer(publication(8))

    ask(room, history(5, 4, 5, epoch=NEW, recovered=False, after=3))

    assert shown(room) == [Reset(NAME, pb.Position(epoch=NEW, offset=3)), 4, 5]
    assert not room.needs_history


def test_answer_of_a_new_epoch_is_refused_when_listeners_went_on_in_the_old() -> None:
    """What they were served since the question may be lost: history has to be asked from where they stand."""
    room = joined(5)
    asked = room.position
    room.offer(publication(6))

    assert not room.catch_up(asked, history(5, epoch=NEW))

    assert (shown(room), room.behind) == ([6], True)
    assert room.position == pb.Position(epoch=EPOCH, offset=6)


def test_publication_of_a_later_epoch_puts_the_room_behind() -> None:
    """Only history knows what the change of epoch took."""
    room = joined(5)
    room.offer(publication(6, NEW))

    assert (shown(room), room.behind) == ([], True)


@pytest.mark.parametrize("offsets", [(7, 8), (8, 7, 7)])
def test_held_publications_are_dropped_once_history_had_them(offsets: tuple[int, ...]) -> None:
    """Nothing waits for a hole that is closed."""
    room = joined(5)
    for offset in offsets:
        room.offer(publication(offset))

    ask(room, history(8, 6, 7, 8))

    assert (shown(room), room.held) == ([6, 7, 8], {})
