from collections.abc import Iterator

import pytest

from chatcluster.core import errors, ids
from chatcluster.log import log
from chatcluster.task import poison, worker as workers
from chatcluster.task.worker import Worker
from chatcluster.v1 import types_pb2 as pb
from support.eventually import eventually
from support.tasking import SHARDS, Tasking, running
from support.working import ANN, BOB, TALK, TALK_SHARD, owned, working


@pytest.fixture
def tasking() -> Tasking:
    """A task without a shard."""
    return Tasking()


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    """Repeat failed steps without the usual pauses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "PAUSES", (0.001, 0.01))
        patch.setattr(workers, "CURSOR_DELAY", 0.001)
        yield


async def test_private_messages_are_copied_to_both(tasking: Tasking, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, once, with where they came from, before the cursor passes them; in several steps if they are many."""
    monkeypatch.setattr(workers, "COPIES", 2)
    await tasking.post(TALK, "a", "b", "c", "d", "e")
    async with working(tasking, TALK_SHARD):
        await eventually(lambda: tasking.is_settled(TALK_SHARD))

    assert tasking.log.made.count("renew") == 3
    for user in (ANN, BOB):
        assert await tasking.history(ids.inbox(user)) == ["a", "b", "c", "d", "e"]
    [found] = await tasking.memory.history([log.Read(ids.inbox(BOB))])
    assert found.publications[0].origin == pb.Origin(room=TALK, epoch=found.publications[0].origin.epoch, offset=1)


async def test_message_to_oneself_is_copied_once(tasking: Tasking) -> None:
    """Its sender and its recipient have one inbox."""
    talk = ids.conversation(ANN, ANN)
    shard = ids.shard_of(talk, SHARDS)
    await tasking.post(talk, "a")
    async with working(tasking, shard):
        await eventually(lambda: tasking.is_settled(shard))

    assert await tasking.history(ids.inbox(ANN)) == ["a"]


async def test_takeover_in_the_middle_of_copying_copies_once(tasking: Tasking) -> None:
    """One inbox has it, the answer of the other is lost, and the task dies: the next owner makes good."""
    await tasking.post(TALK, "a", "b")
    tasking.log.lost["copy"] = errors.OutcomeUnknown()
    tasking.log.refused["advance"] = errors.Unavailable()
    async with working(tasking, TALK_SHARD):
        await eventually(lambda: "copy" in tasking.log.made)
    tasking.expire(TALK_SHARD)
    tasking.log.refused.clear()
    async with working(tasking, TALK_SHARD):
        await eventually(lambda: tasking.is_settled(TALK_SHARD))

    for user in (ANN, BOB):
        assert await tasking.history(ids.inbox(user)) == ["a", "b"]


async def test_cursor_comes_to_the_message_that_cannot_be_copied(
    tasking: Tasking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was private before it is copied and passed, however much was to be copied in one step."""
    monkeypatch.setattr(workers, "PAUSES", (0.05, 0.1))  # longer than a cursor is delayed, as ever
    await tasking.post(TALK, "a", "b", "bad", "c")
    tasking.memory.broken = "bad"

    with pytest.raises(workers.Stuck):
        await Worker(await owned(tasking, TALK_SHARD), tasking.parts()).run()

    cursor = tasking.server.shards[TALK_SHARD].cursor
    [entry] = await tasking.memory.entries(TALK_SHARD, cursor, 1, 0)
    assert b"bad" in (entry.publication or pb.Publication()).body
    assert await tasking.history(ids.inbox(BOB)) == ["a", "b"]


async def test_late_owner_copies_nothing(tasking: Tasking) -> None:
    """What Redis has lost since it read must not come back in inboxes."""
    tasking.log.refused["renew"] = errors.Unavailable()
    await tasking.post(TALK, "a")
    worker = Worker(await owned(tasking, TALK_SHARD), tasking.parts())
    async with running(worker.run()) as work:
        await eventually(lambda: tasking.log.refusals["renew"])
        tasking.restart()
        tasking.log.refused.clear()
        await eventually(work.done)
        assert isinstance(work.exception(), errors.Superseded)

    assert await tasking.history(ids.inbox(BOB)) == []


async def test_replayed_private_message_is_copied(tasking: Tasking) -> None:
    """Behind those that went on while it was a dead letter."""
    await tasking.post(TALK, "a", "b")
    async with working(tasking, TALK_SHARD, takeovers=poison.GUILT):
        await eventually(lambda: tasking.is_settled(TALK_SHARD))
        assert await tasking.history(ids.inbox(BOB)) == ["b"]
        [letter] = await tasking.memory.dead_letters(TALK_SHARD, 10)
        await tasking.memory.replay(TALK_SHARD, letter.entry.id)
        await eventually(lambda: tasking.is_settled(TALK_SHARD))

    for user in (ANN, BOB):
        assert await tasking.history(ids.inbox(user)) == ["b", "a"]
