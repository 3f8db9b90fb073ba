"""What every log knows of conversations: see log/log.py for the rules."""

from chatcluster.core import ids
from chatcluster.core.ids import RoomName, UserId
from chatcluster.log import log
from support.stores import Store
from support.talk import ANN, BOB, PLENTY, draft, shard_of, waiting

INBOX = ids.inbox(ANN)


async def say(found: log.Log, other: UserId, message_id: str, *, replayed: bool = False) -> None:
    """A private message to the other, copied into Ann's inbox as task does it."""
    room = ids.conversation(ANN, other)
    await found.publish(draft(room, message_id))
    entry = [entry for entry in await waiting(found, room) if entry.publication and entry.publication.room == room][-1]
    assert entry.publication
    await found.copy(shard_of(room), [log.Copy(INBOX, entry.id, entry.publication, replayed)])


async def test_conversations_are_listed_by_their_last_message(store: Store) -> None:
    """The one that was last spoken in first, each once, at most as many as asked for."""
    found = store.log(PLENTY)
    for other, message_id in [(2, "a"), (3, "b"), (4, "c"), (2, "d")]:
        await say(found, UserId(other), message_id)

    assert await found.conversations(INBOX, 10) == ["dm:1:2", "dm:1:4", "dm:1:3"]
    assert await found.conversations(INBOX, 2) == ["dm:1:2", "dm:1:4"]
    assert await found.conversations(INBOX, 0) == []


async def test_an_inbox_that_never_was_has_no_conversations(store: Store) -> None:
    """Neither has one of somebody else."""
    found = store.log(PLENTY)
    await say(found, BOB, "a")

    assert await found.conversations(ids.inbox(UserId(9)), 10) == []


async def test_a_copy_that_was_made_already_changes_no_order(store: Store) -> None:
    """It is repeated after a crash, and may come late."""
    found = store.log(PLENTY)
    await say(found, UserId(2), "a")
    room = RoomName("dm:1:2")
    (entry,) = [entry for entry in await waiting(found, room) if entry.publication and entry.publication.room == room]
    assert entry.publication
    await say(found, UserId(3), "b")

    await found.copy(shard_of(room), [log.Copy(INBOX, entry.id, entry.publication)])

    assert await found.conversations(INBOX, 10) == ["dm:1:3", "dm:1:2"]


async def test_conversations_are_forgotten_after_the_history(store: Store) -> None:
    """Not while history still holds what was said in them."""
    found = store.log(log.Limits(history_ttl=0.3, registration_ttl=0.1))
    await say(found, UserId(2), "a")

    await store.pass_time(0.31)

    assert await found.conversations(INBOX, 10) == ["dm:1:2"]


async def test_what_redis_lost_is_not_listed(store: Store) -> None:
    """Inbox and list are of one step, and come back together."""
    found = store.log(PLENTY)
    await say(found, UserId(2), "a")
    saved = await store.save()
    await say(found, UserId(3), "b")

    await store.roll_back(saved)

    assert await found.conversations(INBOX, 10) == ["dm:1:2"]
