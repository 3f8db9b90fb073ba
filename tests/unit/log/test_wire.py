from typing import Any

import pytest
from hypothesis import given, strategies as st

from chatcluster.core import ids
from chatcluster.core.ids import ShardId, StreamId, UserId
from chatcluster.log import log, wire
from chatcluster.v1 import types_pb2 as pb

EPOCH = "1795460855443.4a9f3f44.00000001"
LATER = "1795460955443.00000000.00000001"
ROOM = ids.room(7)
ORIGIN = pb.Origin(room="dm:1:2", epoch=EPOCH, offset=4)
PUBLICATION: dict[bytes, bytes] = {
    b"n": b"3", b"z": b"90", b"k": b"p", b"r": ROOM.encode(), b"e": EPOCH.encode(), b"o": b"2", b"t": b"1795460855443",
    b"b": b"\x00body\xff",
}  # fmt: skip


def without(fields: dict[bytes, bytes], *names: bytes) -> dict[bytes, bytes]:
    """The fields without some."""
    return {name: value for name, value in fields.items() if name not in names}


def test_all_keys_of_a_shard_are_in_one_slot() -> None:
    """What stands in the first braces decides, whatever a room is called."""
    keys, shard = wire.Keys("chat:demo"), ShardId(3)
    draft = log.Draft(ROOM, UserId(1), "}{id", b"", b"")
    found = [
        keys.state(shard), keys.dispatch(shard), keys.dead(shard), keys.dead_ids(shard), keys.room(shard, ROOM),
        keys.history(shard, ROOM), keys.registrations(shard, ROOM), keys.created(shard, 1), keys.sent(shard, draft),
    ]  # fmt: skip

    assert all(key.startswith("{chat:demo:3}:") and key.count("}") == 1 for key in found)
    assert len(set(found)) == len(found)


def test_a_message_id_belongs_to_room_and_sender() -> None:
    """Each of the three makes another key, and none can stand for two of them."""
    keys = wire.Keys("chat:demo")
    drafts = [
        log.Draft(ids.room(1), UserId(2), "3", b"", b""),
        log.Draft(ids.room(1), UserId(2), "4", b"", b""),
        log.Draft(ids.room(1), UserId(23), "", b"", b""),
        log.Draft(ids.room(12), UserId(2), "3", b"", b""),
    ]

    assert len({keys.sent(ShardId(0), draft) for draft in drafts}) == 4


def test_a_publication() -> None:
    """All of it comes back; its size is that of the body."""
    entry = wire.entry("1795460855443-5", PUBLICATION)

    assert entry == log.Entry(
        StreamId(1795460855443, 5), 3, 90, size=6,
        publication=pb.Publication(room=ROOM, epoch=EPOCH, offset=2, time_ms=1795460855443, body=b"\x00body\xff"),
    )  # fmt: skip


def test_a_copy_has_an_origin() -> None:
    """Only in an inbox."""
    entry = wire.entry("1-0", PUBLICATION | {b"s": ORIGIN.SerializeToString()})

    assert entry.publication
    assert entry.publication.origin == ORIGIN


def test_ephemerals_and_controls() -> None:
    """They are told apart by their kind."""
    ephemeral = pb.Ephemeral(room=ROOM, count=pb.RoomPresence(room=ROOM, count=3))
    control = pb.Control(room="user:3", revoke_session=b"\xff" * 32)
    fields = {b"n": b"1", b"z": b"1"}

    one = wire.entry("1-0", fields | {b"k": b"e", b"r": b"room:7", b"b": ephemeral.SerializeToString()})
    two = wire.entry("1-1", fields | {b"k": b"c", b"r": b"user:3", b"b": control.SerializeToString()})

    assert (one.ephemeral, one.poison, one.size) == (ephemeral, None, ephemeral.ByteSize())
    assert (two.control, two.poison) == (control, None)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {b"k": b"p"},
        *(without(PUBLICATION, name) for name in (b"k", b"r", b"e", b"o", b"t", b"b")),
        PUBLICATION | {b"k": b"x"},
        PUBLICATION | {b"r": b"nowhere"},
        PUBLICATION | {b"r": b"\xff\xff"},
        PUBLICATION | {b"e": b"yesterday"},
        PUBLICATION | {b"e": b""},
        PUBLICATION | {b"o": b"two"},
        PUBLICATION | {b"o": b"-1"},
        PUBLICATION | {b"o": b"9" * 30},
        PUBLICATION | {b"t": b""},
        PUBLICATION | {b"t": b"9" * 30},
        PUBLICATION | {b"s": b"\xff"},
        PUBLICATION | {b"k": b"e", b"b": b"\xff"},
        PUBLICATION | {b"k": b"c", b"b": pb.Control(room="user:1").SerializeToString()},
    ],
)
def test_poison(fields: dict[bytes, bytes]) -> None:
    """What cannot be understood is told as such, with a reason and its size."""
    entry = wire.entry("7-1", fields)

    assert entry.poison
    assert (entry.id, entry.size) == (StreamId(7, 1), len(fields.get(b"b", b"")))
    assert [entry.publication, entry.ephemeral, entry.control] == [None] * 3


def test_totals_only_measure() -> None:
    """An entry whose totals cannot be read is delivered all the same."""
    entry = wire.entry("7-1", PUBLICATION | {b"n": b"many", b"z": b""})

    assert entry.publication
    assert (entry.total, entry.total_bytes) == (0, 0)


@given(st.dictionaries(st.sampled_from(sorted(PUBLICATION)) | st.binary(max_size=3), st.binary(max_size=40)))
def test_no_entry_raises(fields: dict[bytes, bytes]) -> None:
    """Any bytes are an entry or poison."""
    entry = wire.entry("1-0", PUBLICATION | fields)

    assert (entry.poison is None) == any((entry.publication, entry.ephemeral is not None, entry.control is not None))


def answer(chain: list[list[Any]], *offsets: int) -> list[Any]:
    """What a script answers for a room, with publications at some offsets."""
    found = [[f"{offset}-0".encode(), [b"t", b"%d" % (offset * 10), b"b", b"%d" % offset]] for offset in offsets]
    return [LATER.encode(), 9, 1, 3, chain, found, 1]


def test_a_replayed_entry_is_known() -> None:
    """By one more field."""
    assert wire.entry("5-0", PUBLICATION | {b"x": b"1"}).replayed
    assert not wire.entry("5-0", PUBLICATION).replayed


def test_a_dead_letter() -> None:
    """Its entry is what stood in dispatch, whatever its fields are called; the time is that of its own id."""
    fields = [word for pair in (PUBLICATION | {b"id": b"9-9", b"reason": b"mine"}).items() for word in pair]

    letter = wire.dead_letter(b"1795460855999-1", [b"id", b"1795460855443-5", b"reason", b"deadly", *fields])

    assert letter == log.DeadLetter(wire.entry("1795460855443-5", PUBLICATION), "deadly", 1795460855999)


def test_publications_have_the_epoch_of_their_offset() -> None:
    """The one of the chain in which it was drawn; before the chain began, its first."""
    history = wire.room_history(
        log.Read(ROOM), answer([[b"a", 4], [b"b", 6], [b"c", 6], [b"d", 8]], 3, 4, 5, 6, 7, 8, 9)
    )

    assert [publication.epoch for publication in history.publications] == ["a", "a", "a", "a", "c", "c", "d"]
    assert [(p.offset, p.time_ms, p.body) for p in history.publications][:2] == [(3, 30, b"3"), (4, 40, b"4")]
    assert (history.position.epoch, history.position.offset, history.recovered, history.after) == (LATER, 9, True, 3)
    assert history.more


def test_an_inbox_shows_where_its_copies_came_from() -> None:
    """As they were written."""
    raw = answer([[b"a", 0]], 1)
    raw[5][0][1] += [b"s", ORIGIN.SerializeToString()]

    assert wire.room_history(log.Read(ROOM), raw).publications[0].origin == ORIGIN


@pytest.mark.parametrize(
    ("since", "recovered"),
    [(None, True), (pb.Position(), True), (pb.Position(epoch=EPOCH), False), (pb.Position(offset=1), False)],
)
def test_a_room_that_never_was(since: pb.Position | None, recovered: bool) -> None:
    """Who has nothing of it misses nothing."""
    history = wire.room_history(log.Read(ROOM, since), [])

    assert (history.room, history.recovered, history.position) == (ROOM, recovered, pb.Position())
