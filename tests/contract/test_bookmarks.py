"""What every bookmarks does: see bookmarks/bookmarks.py for the rules."""

import asyncio

from chatcluster.bookmarks import bookmarks
from chatcluster.core import ids
from chatcluster.core.ids import RoomName, UserId
from chatcluster.v1 import types_pb2 as pb
from support.stores import RedisStore, Store
from support.talk import ANN, BOB, ROOM, at

EPOCH, LATER = "1795460955443.aa.01", "1795460955444.aa.01"
NOBODY = UserId(ids.MAX_INT)


def read_by(user: UserId, offset: int, name: str = "ann b", epoch: str = EPOCH) -> pb.ReadMark:
    """How far a user has read."""
    return pb.ReadMark(user=pb.Member(user_id=user, user_name=name), position=at(epoch, offset))


async def test_kept_rooms_are_listed_in_their_order(store: Store) -> None:
    """Each with where it stood when it was first kept."""
    found = store.bookmarks()
    rooms = [ids.room(number) for number in (9, 1, 5)]
    for offset, room in enumerate(rooms):
        assert await found.keep(ANN, room, at(EPOCH, offset), 10)
    assert await found.keep(ANN, rooms[0], at(EPOCH, 99), 10)
    assert await found.keep(ANN, RoomName("room:empty"), pb.Position(), 10)

    assert await found.kept(ANN) == [
        *(bookmarks.Kept(room, at(EPOCH, offset)) for offset, room in enumerate(rooms)),
        bookmarks.Kept(RoomName("room:empty"), pb.Position()),
    ]
    assert await found.kept(BOB) == []


async def test_a_list_is_bounded(store: Store) -> None:
    """However many try at once; what is on it already is kept again, and what is dropped makes room."""
    found = store.bookmarks()
    rooms = [ids.room(number) for number in range(1, 9)]

    outcomes = await asyncio.gather(*(found.keep(ANN, room, pb.Position(), 3) for room in rooms))

    assert sum(outcomes) == 3
    kept = [entry.room for entry in await found.kept(ANN)]
    assert await found.keep(ANN, kept[0], pb.Position(), 3)
    await found.drop(ANN, kept[0])
    await found.drop(ANN, kept[0])
    assert await found.keep(ANN, RoomName("room:new"), pb.Position(), 3)
    assert [entry.room for entry in await found.kept(ANN)] == [*kept[1:], "room:new"]


async def test_a_mark_never_goes_back(store: Store) -> None:
    """The answer is what stands; a later epoch is later whatever its offset."""
    found = store.bookmarks()

    assert await found.mark(ANN, ROOM, at(EPOCH, 5)) == at(EPOCH, 5)
    assert await found.mark(ANN, ROOM, at(EPOCH, 3)) == at(EPOCH, 5)
    assert await found.mark(ANN, ROOM, at(EPOCH, 12)) == at(EPOCH, 12)
    assert await found.mark(ANN, ROOM, at(LATER, 2)) == at(LATER, 2)
    assert await found.mark(ANN, ROOM, at(EPOCH, 99)) == at(LATER, 2)
    assert await found.marks(ANN, [ROOM]) == [at(LATER, 2)]


async def test_marks_are_of_a_user_and_a_room(store: Store) -> None:
    """In the order asked for; nothing where nothing was marked."""
    found = store.bookmarks()
    other = ids.conversation(ANN, BOB)
    await found.mark(ANN, ROOM, at(EPOCH, 5))
    await found.mark(ANN, other, at(EPOCH, 1))
    await found.mark(BOB, ROOM, at(EPOCH, 2))

    assert await found.marks(ANN, [other, ids.room(8), ROOM]) == [at(EPOCH, 1), None, at(EPOCH, 5)]
    assert await found.marks(BOB, [ROOM]) == [at(EPOCH, 2)]
    assert await found.marks(NOBODY, [ROOM]) == [None]
    assert await found.marks(ANN, []) == []


async def test_marking_at_once_keeps_the_furthest(store: Store) -> None:
    """Of several devices."""
    found = store.bookmarks()

    answers = await asyncio.gather(*(found.mark(ANN, ROOM, at(EPOCH, offset)) for offset in (3, 9, 1, 7)))

    assert max(answer.offset for answer in answers) == 9
    assert await found.marks(ANN, [ROOM]) == [at(EPOCH, 9)]


async def test_others_see_how_far_one_has_read(store: Store) -> None:
    """Whatever the name; what is no further than they know is not news to them."""
    found = store.bookmarks()

    assert await found.show(ROOM, read_by(ANN, 5, "Ann  of 🏔 1 2"))
    assert not await found.show(ROOM, read_by(ANN, 5))
    assert not await found.show(ROOM, read_by(ANN, 4))
    assert await found.show(ROOM, read_by(BOB, 1, "bob", ""))
    assert sorted(await found.shown(ROOM), key=lambda mark: mark.user.user_id) == [
        read_by(ANN, 5, "Ann  of 🏔 1 2"),
        read_by(BOB, 1, "bob", ""),
    ]
    assert await found.show(ROOM, read_by(ANN, 1, epoch=LATER))
    assert await found.shown(ids.room(8)) == []


async def test_what_was_marked_longest_ago_is_forgotten(store: Store) -> None:
    """At the bound; to mark again is to be marked last."""
    found = store.bookmarks(bookmarks.Limits(marks=2, shown=2))
    rooms = [ids.room(1), ids.room(2), ids.room(3)]
    for offset, (user, room) in enumerate([(1, rooms[0]), (2, rooms[1]), (1, rooms[0]), (3, rooms[2])], 1):
        await found.mark(ANN, room, at(EPOCH, offset))
        await found.show(ROOM, read_by(UserId(user), offset))
        await store.pass_time(0.002)

    assert await found.marks(ANN, rooms) == [at(EPOCH, 3), None, at(EPOCH, 4)]
    assert {mark.user.user_id for mark in await found.shown(ROOM)} == {1, 3}


async def test_marks_are_forgotten_in_time(store: Store) -> None:
    """After the last one; the list of rooms stays."""
    found = store.bookmarks(bookmarks.Limits(marks_ttl=1, shown_ttl=0.1))
    await found.keep(ANN, ROOM, at(EPOCH, 1), 10)
    await found.mark(ANN, ROOM, at(EPOCH, 5))
    await found.show(ROOM, read_by(ANN, 5))

    await store.pass_time(0.1)
    assert await found.shown(ROOM) == []
    assert await found.marks(ANN, [ROOM]) == [at(EPOCH, 5)]
    await store.pass_time(1)

    assert await found.marks(ANN, [ROOM]) == [None]
    assert len(await found.kept(ANN)) == 1


async def test_each_key_of_bookmarks_has_a_slot_of_its_own(redis_store: RedisStore) -> None:
    """So that users and rooms spread over a cluster, and no step needs two of them."""
    found = redis_store.bookmarks()
    await found.keep(ANN, ROOM, at(EPOCH, 1), 10)
    await found.mark(ANN, ROOM, at(EPOCH, 5))
    await found.show(ROOM, read_by(ANN, 5))

    keys = {key async for key in redis_store.raw.scan_iter(match=f"{redis_store.prefix}:*")}

    assert keys == {f"{redis_store.prefix}:{name}".encode() for name in ("kept:1", "read:1", "readers:room:7")}
