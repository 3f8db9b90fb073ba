import pytest

from chatcluster.connect.room import HELD
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.hub import EPOCH, ME, NEIGHBOUR, OLD, ROOM, Codec, Listener, Rig, publication


@pytest.fixture
def rig() -> Rig:
    """An empty hub."""
    return Rig()


def test_first_listener_joins_the_room(rig: Rig) -> None:
    """It is registered at once, asking for its position only, and not again for the next listener."""
    rig.listener()
    call = rig.registration()
    rig.listener()

    assert call.request() == logic_pb2.RegisterRoomsRequest(
        incarnation=ME, number=1, rooms=[logic_pb2.RoomRead(room=ROOM)]
    )
    assert call.reasons == ("join",)
    assert not rig.calls()
    assert rig.answer(call, 5) == [ROOM]
    assert rig.is_sound()
    assert rig.room().position == pb.Position(epoch=f"{EPOCH}.00", offset=5)


def test_last_listener_takes_the_room_with_it(rig: Rig) -> None:
    """The room is unregistered with a number above all before; entering and leaving are idempotent."""
    one = rig.joined()
    other = rig.listener()
    rig.hub.enter(ROOM, other, rig.now)
    for _ in range(2):
        rig.hub.exit(ROOM, one)
    assert list(rig.hub.listeners(ROOM)) == [other]
    assert not rig.calls()

    rig.hub.exit(ROOM, other)
    call = rig.unregistration()
    rig.hub.unregistered()

    assert call.request() == logic_pb2.UnregisterRoomsRequest(incarnation=ME, number=2, rooms=[ROOM])
    assert (list(rig.hub.listeners(ROOM)), rig.hub.rooms, rig.calls()) == ([], {}, [])


def test_return_to_a_room_makes_leaving_it_undone(rig: Rig) -> None:
    """Whoever is back before the room was unregistered registers it anew."""
    rig.hub.exit(ROOM, rig.joined())
    rig.listener()

    assert rig.registration().number == 2


def test_answer_for_a_room_that_was_left_is_dropped(rig: Rig) -> None:
    """Even if somebody has entered it again: that one's own registration counts."""
    rig.hub.exit(ROOM, rig.listener())
    rig.listener()
    first = rig.registration()
    rig.hub.exit(ROOM, next(iter(rig.hub.listeners(ROOM))))
    rig.listener()

    assert rig.answer(first, 5) == []
    assert rig.room().position is None
    assert rig.answer(rig.registration(), 6) == [ROOM]


def test_same_bytes_are_written_to_all(rig: Rig) -> None:
    """Each item is encoded once for a protocol, and one batch is one write to a connection."""
    listeners = [rig.joined(), rig.listener(), rig.listener()]
    rig.codec.encoded = 0

    assert rig.deliver(10, 12, 1, 2, 3) == 0

    assert [listener.writes for listener in listeners] == [[b"1 2 3 "]] * 3
    assert rig.codec.encoded == 3
    assert rig.count.writes == [("words", 3, 3)]


def test_protocols_are_shown_the_same_items(rig: Rig) -> None:
    """Each in its own bytes; one that shows nothing writes nothing."""
    listener = rig.joined()
    other = Listener(Codec("other"))
    rig.hub.enter(ROOM, other, rig.now)
    count = pb.Ephemeral(room=ROOM, count=pb.RoomPresence(count=3))

    rig.deliver(10, 11, ephemerals=[count])
    rig.deliver(11, 12, 1)

    assert (listener.writes, other.writes) == ([b"1 "], [b"1 "])
    assert sorted(rig.count.writes) == [("other", 1, 1), ("words", 1, 1)]


def test_ephemerals_follow_publications(rig: Rig) -> None:
    """They have no offset and are shown as they come."""
    listener = rig.joined()
    members = pb.Ephemeral(room=ROOM, members=pb.RoomPresence(count=3))

    rig.deliver(10, 12, 1, ephemerals=[members])

    assert listener.words == ["1", "ephemeral"]


def test_rooms_without_listeners_are_passed(rig: Rig) -> None:
    """A batch may still have items of a room that was left."""
    listener = rig.joined()
    strange = pb.Ephemeral(room=NEIGHBOUR, members=pb.RoomPresence())

    rig.deliver(10, 12, 1, others=[publication(7, NEIGHBOUR)], ephemerals=[strange])

    assert listener.words == ["1"]


def test_publications_for_a_joining_room_are_kept(rig: Rig) -> None:
    """Those that come while its join is under way are served once it is answered."""
    listener = rig.listener()
    call = rig.registration()
    rig.deliver(0, 12, 5, 6, 7)
    assert listener.writes == []

    rig.answer(call, 5, last=11)

    assert listener.words == ["6", "7"]
    assert rig.is_sound()


def test_overflow_of_a_joining_room_is_read_from_history(rig: Rig) -> None:
    """It starts as behind: nobody has to say something more before its newest publications are shown."""
    listener = rig.listener()
    call = rig.registration()
    rig.deliver(0, 12, *range(1, HELD + 3))
    rig.answer(call, 0, last=11)
    rig.wait()

    rig.answer(rig.registration(), HELD + 2, HELD + 1, HELD + 2)

    assert listener.words == [str(offset) for offset in range(1, HELD + 3)]


def test_item_that_cannot_be_encoded_fails_alone(rig: Rig) -> None:
    """It is counted, and told as a gap where a protocol has a word for that; the others are shown."""
    listener = rig.joined()

    assert rig.deliver(10, 13, 1, others=[publication(2, body=b"bad"), publication(3)]) == 1

    assert listener.words == ["1", "gap:2-2", "3"]
    assert rig.count.failures == ["b'bad'"]


def test_batch_of_an_epoch_that_is_over_is_dropped(rig: Rig) -> None:
    """A late owner's publications may have been lost since, and its presence is out of date."""
    listener = rig.joined()
    members = pb.Ephemeral(room=ROOM, members=pb.RoomPresence())

    assert rig.deliver(10, 12, 1, epoch=OLD, ephemerals=[members]) == 0

    assert listener.writes == []
