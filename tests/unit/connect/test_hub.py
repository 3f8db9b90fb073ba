import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest

from chatcluster.connect import hub as hubs
from chatcluster.connect.chain import SILENCE
from chatcluster.connect.hub import Hub, Registration, Unregistration
from chatcluster.connect.room import HELD, Gap, Item, Reset, Room
from chatcluster.core import ids
from chatcluster.core.ids import Incarnation, RoomName, ShardEpoch
from chatcluster.v1 import connect_pb2, logic_pb2, types_pb2 as pb

SHARDS = 4
ROOM = RoomName("room:1")
SHARD = ids.shard_of(ROOM, SHARDS)
NEIGHBOUR = next(name for n in range(2, 99) if ids.shard_of(name := ids.room(n), SHARDS) == SHARD)
OLD, EPOCH, NEW = (ShardEpoch(f"000000000000{number}.aaaaaaaa") for number in range(3))
ME = Incarnation("gw/1")


class Codec:
    """Shows an item as a word."""

    def __init__(self, protocol: str = "words") -> None:
        self.protocol = protocol
        self.encoded = 0

    def encode(self, item: Item) -> bytes:
        """A word, nothing for a count, and an error for a body that is `bad`."""
        self.encoded += 1
        match item:
            case pb.Publication():
                if item.body == b"bad":
                    raise ValueError(item.body)
                return b"%d " % item.offset
            case Gap():
                return b"gap:%d-%d " % (item.first, item.last)
            case Reset():
                return b"reset:%d " % item.position.offset
            case _:
                return b"ephemeral " if item.HasField("members") else b""


@dataclass(eq=False)
class Listener:
    """A connection that remembers its writes."""

    codec: Codec
    writes: list[bytes] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    @property
    def words(self) -> list[str]:
        """What it was shown."""
        return b"".join(self.writes).decode().split()


@dataclass
class Count:
    """What the hub counted."""

    writes: list[tuple[str, int, int]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def served(self, protocol: str, items: Sequence[Item], listeners: int) -> None:
        self.writes.append((protocol, len(items), listeners))

    def missed(self, outcome: str) -> None:
        self.outcomes.append(outcome)

    def failed(self, item: Item, error: Exception) -> None:
        self.failures.append(str(error))


class Rig:
    """A hub, a clock that only the test moves, and logic's answers by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.count = Count()
        self.hub = Hub(shards=SHARDS, incarnation=ME, random=random.Random(1), observer=self.count)
        self.codec = Codec()

    def listener(self, room: RoomName = ROOM) -> Listener:
        """Let a connection enter a room."""
        listener = Listener(self.codec)
        self.hub.enter(room, listener, self.now)
        return listener

    def joined(self, room: RoomName = ROOM, offset: int = 0, last: int = 10) -> Listener:
        """Let a connection enter a room, and answer its join."""
        listener = self.listener(room)
        self.answer(self.registration(), offset, last=last)
        return listener

    def calls(self) -> list[Registration | Unregistration]:
        """What the hub wants now."""
        return self.hub.work(self.now)

    def registration(self) -> Registration:
        """The only call that the hub wants now."""
        [call] = self.calls()
        assert isinstance(call, Registration)
        return call

    def unregistration(self) -> Unregistration:
        """The only call that the hub wants now."""
        [call] = self.calls()
        assert isinstance(call, Unregistration)
        return call

    def answer(
        self,
        call: Registration,
        offset: int,
        *offsets: int,
        last: int = 10,
        epoch: ShardEpoch = EPOCH,
        accepted: bool = True,
        recovered: bool = True,
        after: int = 0,
        error: str = "",
    ) -> list[RoomName]:
        """End a registration: the same position and publications for each of its rooms."""
        answers = [
            logic_pb2.Registration(
                accepted=accepted,
                shard_epoch=epoch,
                stream_id=pb.StreamId(ms=last),
                history=logic_pb2.RoomHistory(
                    room=read.room,
                    position=pb.Position(epoch=f"{epoch}.00", offset=offset),
                    recovered=recovered,
                    publications=[publication(number, read.room, epoch) for number in offsets],
                    after=after,
                    error=error,
                ),
            )
            for read in call.reads
        ]
        return self.hub.registered(call, answers, self.now)

    def deliver(
        self,
        prev: int,
        upto: int,
        *offsets: int,
        epoch: ShardEpoch = EPOCH,
        others: Iterable[pb.Publication] = (),
        ephemerals: Iterable[pb.Ephemeral] = (),
    ) -> int:
        """A batch of the room's shard with these publications of the room."""
        batch = connect_pb2.Batch(
            shard=SHARD,
            epoch=epoch,
            prev=pb.StreamId(ms=prev),
            upto=pb.StreamId(ms=upto),
            publications=[*(publication(offset, epoch=epoch) for offset in offsets), *others],
            ephemerals=ephemerals,
        )
        return self.hub.deliver(batch, self.now)

    def is_sound(self, room: RoomName = ROOM) -> bool:
        """Whether a room trusts dispatch."""
        return self.hub.is_sound(self.room(room))

    def room(self, room: RoomName = ROOM) -> Room:
        """A room of the hub."""
        return self.hub.rooms[room]

    def wait(self) -> float:
        """Let time pass until the hub wants something; how long that was."""
        due = self.hub.next_due()
        assert due is not None
        passed, self.now = max(0.0, due - self.now), max(self.now, due)
        return passed


@pytest.fixture
def rig() -> Rig:
    """An empty hub."""
    return Rig()


def publication(offset: int, room: str = ROOM, epoch: ShardEpoch = EPOCH, body: bytes = b"good") -> pb.Publication:
    """A publication of a room in an epoch of its shard."""
    return pb.Publication(room=room, epoch=f"{epoch}.00", offset=offset, body=body)


# -- rooms and listeners


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


# -- what task sends


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
    """It is counted, and the others are shown."""
    listener = rig.joined()

    assert rig.deliver(10, 13, 1, others=[publication(2, body=b"bad"), publication(3)]) == 1

    assert listener.words == ["1", "3"]
    assert rig.count.failures == ["b'bad'"]


def test_batch_of_an_epoch_that_is_over_is_dropped(rig: Rig) -> None:
    """A late owner's publications may have been lost since, and its presence is out of date."""
    listener = rig.joined()
    members = pb.Ephemeral(room=ROOM, members=pb.RoomPresence())

    assert rig.deliver(10, 12, 1, epoch=OLD, ephemerals=[members]) == 0

    assert listener.writes == []


# -- gaps


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


# -- soundness


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


# -- calls


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
