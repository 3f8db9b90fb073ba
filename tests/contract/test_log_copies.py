"""What every log does with private messages: copies into inboxes, once and in order."""

from chatcluster.core import ids
from chatcluster.core.ids import ShardId, StreamId, UserId
from chatcluster.log import log
from chatcluster.v1 import types_pb2 as pb
from support.stores import Store
from support.talk import GATEWAY, PLENTY, ROOM, bodies, other_rooms, post, read, shard_of, waiting

INBOX = ids.inbox(UserId(5))
TALK = ids.conversation(UserId(5), UserId(6))


async def copies_of(found: log.Log, *message_ids: str) -> list[log.Copy]:
    """Publish private messages; their copies for an inbox."""
    await post(found, TALK, *message_ids)
    entries = [entry for entry in await waiting(found, TALK) if entry.publication and entry.publication.room == TALK]
    return [log.Copy(INBOX, entry.id, entry.publication) for entry in entries if entry.publication]


async def test_a_copy_is_in_the_inbox_and_its_dispatch(store: Store) -> None:
    """With an offset of the inbox's own, and with where it came from."""
    found = store.log(PLENTY)
    copies = await copies_of(found, "a", "b")

    await found.copy(shard_of(TALK), copies)

    history = await read(found, INBOX)
    assert bodies(history) == ["a", "b"]
    assert [publication.offset for publication in history.publications] == [1, 2]
    assert [publication.origin for publication in history.publications] == [
        pb.Origin(room=TALK, epoch=copy.publication.epoch, offset=copy.publication.offset) for copy in copies
    ]
    dispatched = [entry.publication for entry in await waiting(found, INBOX)]
    assert [found for found in dispatched if found and found.room == INBOX] == list(history.publications)
    assert not any(publication.HasField("origin") for publication in (await read(found, TALK)).publications)


async def test_a_copy_is_made_once(store: Store) -> None:
    """Also when an earlier one is asked for after a later one, or some of several are new."""
    found = store.log(PLENTY)
    copies = await copies_of(found, "a", "b", "c")
    await found.copy(shard_of(TALK), copies[:2])

    await found.copy(shard_of(TALK), copies[:1])
    await found.copy(shard_of(TALK), copies)
    await found.copy(shard_of(TALK), [])

    assert bodies(await read(found, INBOX)) == ["a", "b", "c"]


async def test_a_restart_repeats_no_copy(store: Store) -> None:
    """An entry that is read again in a new epoch is still the same entry."""
    found = store.log(PLENTY)
    copies = await copies_of(found, "a", "b")
    await found.copy(shard_of(TALK), copies)
    await store.restart()

    await found.copy(shard_of(TALK), copies)
    later = await copies_of(found, "c")
    await found.copy(shard_of(TALK), later)
    await found.copy(shard_of(TALK), copies)

    assert bodies(await read(found, INBOX)) == ["a", "b", "c"]


async def test_a_later_epoch_is_later_whatever_the_clock_says(store: Store) -> None:
    """Ids mean nothing across epochs: those of a server whose clock is behind are lower, and still new."""
    found = store.log(PLENTY)
    await found.copy(shard_of(TALK), await copies_of(found, "a"))
    await store.restart()
    (later,) = (copy for copy in await copies_of(found, "b") if copy.publication.offset == 2)

    await found.copy(shard_of(TALK), [log.Copy(INBOX, StreamId(5, 0), later.publication)])

    assert bodies(await read(found, INBOX)) == ["a", "b"]


async def test_copies_of_each_shard_count_for_themselves(store: Store) -> None:
    """Ids of two streams do not compare."""
    found = store.log(PLENTY)
    one, two = await copies_of(found, "a", "b")
    await found.copy(ShardId(0), [two])

    await found.copy(ShardId(1), [one])

    assert bodies(await read(found, INBOX)) == ["b", "a"]


async def test_copies_into_several_inboxes(store: Store) -> None:
    """Of one shard, in one call."""
    found = store.log(PLENTY)
    first = (await copies_of(found, "a"))[0]
    inboxes = [ids.inbox(UserId(n)) for n in range(1, 100) if shard_of(ids.inbox(UserId(n))) == shard_of(ROOM)][:3]

    await found.copy(shard_of(TALK), [log.Copy(inbox, first.id, first.publication) for inbox in inboxes])

    assert [bodies(await read(found, inbox)) for inbox in inboxes] == [["a"]] * 3


async def test_a_copy_is_never_refused(store: Store) -> None:
    """Neither by a full dispatch stream nor by a room's rate: its sender was acknowledged long ago."""
    found = store.log(log.Limits(dispatch_entries=2, room_burst=2, room_rate=0.01, rooms_per_user=1))
    copies = await copies_of(found, "a", "b")
    neighbour = other_rooms(shard_of(INBOX), 1)[0]
    for number in range(4):
        await found.order(pb.Control(room=neighbour, revoke_session=bytes([number])))

    await found.copy(shard_of(TALK), copies)

    assert await found.is_full(INBOX)
    assert bodies(await read(found, INBOX)) == ["a", "b"]


async def test_an_inbox_is_bounded_like_a_room(store: Store) -> None:
    """By count and bytes; and a gateway that holds it goes on by its offsets."""
    found = store.log(log.Limits(history_size=2, history_min_age=0))
    registered = (await found.register(GATEWAY, 1, [log.Read(INBOX)]))[0]
    await found.copy(shard_of(TALK), await copies_of(found, "a", "b", "c"))

    history = await read(found, INBOX, registered.history.position)

    assert (bodies(history), history.after, history.recovered) == (["b", "c"], 1, False)
    assert history.position.epoch == registered.history.position.epoch


async def test_a_reader_follows_a_conversation_over_a_loss(store: Store) -> None:
    """What Redis lost of an inbox is told to its reader, and what is copied again comes after it."""
    found = store.log(PLENTY)
    first = await copies_of(found, "a")
    await found.copy(shard_of(TALK), first)
    saved = await store.save()
    await found.copy(shard_of(TALK), await copies_of(found, "b"))
    lost = (await read(found, INBOX)).position
    await store.roll_back(saved)

    await found.copy(shard_of(TALK), await copies_of(found, "c"))

    history = await read(found, INBOX, lost)
    assert (history.recovered, history.after, bodies(history)) == (False, 1, ["c"])
    assert bodies(await read(found, INBOX)) == ["a", "c"]
