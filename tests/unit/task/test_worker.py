import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from chatcluster.core import errors, ids
from chatcluster.core.ids import Incarnation, RoomName, UserId
from chatcluster.log import log
from chatcluster.task import dispatch, poison, worker as workers
from chatcluster.task.lane import Bounds
from chatcluster.task.worker import Worker
from chatcluster.v1 import types_pb2 as pb
from support.eventually import eventually
from support.tasking import ROOM, SHARD, SHARDS, Tasking, running, settle

ANN, BOB = UserId(1), UserId(2)
TALK = ids.conversation(ANN, BOB)
TALK_SHARD = ids.shard_of(TALK, SHARDS)
HUNG = Incarnation("gw-2/a")
NEIGHBOUR = next(name for n in range(8, 99) if ids.shard_of(name := ids.room(n), SHARDS) == SHARD)


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


async def owned(tasking: Tasking, shard: ids.ShardId = SHARD, takeovers: int = 0) -> log.Ownership:
    """Take a shard."""
    ownership = await tasking.memory.acquire(shard, "task-1")
    assert ownership is not None
    return replace(ownership, takeovers=takeovers)


@asynccontextmanager
async def working(
    tasking: Tasking, shard: ids.ShardId = SHARD, takeovers: int = 0, batch: int = 100
) -> AsyncIterator[Worker]:
    """Have a worker on a shard as long as the block."""
    worker = Worker(await owned(tasking, shard, takeovers), tasking.parts(batch))
    async with running(worker.run()):
        yield worker


def counted(name: str, **labels: str) -> float:
    """A metric's value."""
    return REGISTRY.get_sample_value(name, labels) or 0


async def test_entries_reach_the_gateway_and_the_cursor_follows(tasking: Tasking) -> None:
    """What was there before and what comes later, in order; the cursor moves only after the answer."""
    await tasking.gateway(ROOM)
    await tasking.post(ROOM, "a", "b")
    async with working(tasking, batch=1) as worker:
        await eventually(lambda: tasking.waiting == 2)
        assert (await tasking.memory.backlog(SHARD)).entries == 2
        await settle(tasking, worker.settled)
        await tasking.post(ROOM, "c")
        await settle(tasking, worker.settled)

    assert tasking.texts == ["a", "b", "c"]


async def test_gateways_hear_of_the_new_owner_at_once(tasking: Tasking) -> None:
    """Also when the shard has nothing to say: the silence since the last owner died is long enough."""
    await tasking.gateway(ROOM)
    async with working(tasking):
        await eventually(lambda: tasking.deliver() or tasking.delivered)

    assert [(batch.shard, len(batch.publications)) for batch in tasking.delivered] == [(SHARD, 0)]


async def test_holders_are_looked_up_after_the_read(tasking: Tasking) -> None:
    """And leases with them, for each batch anew."""
    async with working(tasking):
        for text in ("a", "b"):
            await tasking.post(ROOM, text)
            await eventually(tasking.is_settled)

    made = [step for step in tasking.log.made if step in {"entries", "holders"}]
    assert made[:4] == ["entries", "holders"] * 2
    assert tasking.presence.made.count("gateways") == tasking.followed == 3


async def test_reading_waits_for_the_cursor(tasking: Tasking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the bound nothing more is read until gateways have answered."""
    monkeypatch.setattr(dispatch, "READ_AHEAD", 2)
    await tasking.gateway(ROOM)
    await tasking.post(ROOM, "a", "b", "c", "d", "e")
    async with working(tasking, batch=1) as worker:
        await eventually(lambda: tasking.waiting == 2)
        assert tasking.log.made.count("entries") == 2
        await settle(tasking, worker.settled)

    assert tasking.texts == ["a", "b", "c", "d", "e"]


async def test_backlog_is_routed_at_the_pace_of_the_gateways() -> None:
    """A lane that is nearly full is waited for while its gateway goes on answering: nothing has to be left out."""
    tasking = Tasking(bounds=Bounds(items=4))
    await tasking.gateway(ROOM)
    await tasking.post(ROOM, *map(str, range(20)))
    async with working(tasking, batch=3) as worker:
        await settle(tasking, worker.settled)

    assert tasking.texts == [str(number) for number in range(20)]
    assert tasking.observer.reasons == []


async def test_gateway_that_takes_nothing_does_not_fill_the_lanes_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards go on one after the other when they have waited for it: one that keeps up is left nothing out."""
    monkeypatch.setattr(workers, "GIVE_WAY", (5, 0.02))
    tasking = Tasking(bounds=Bounds(items=4))
    rooms = [next(name for n in range(1, 99) if ids.shard_of(name := ids.room(n), SHARDS) == s) for s in range(SHARDS)]
    await tasking.gateway(*rooms)
    await tasking.presence.acquire(HUNG, "127.0.0.1:2")
    await tasking.memory.register(HUNG, 1, [log.Read(room) for room in rooms])
    for room in rooms:
        await tasking.post(room, *map(str, range(9)))
    parts = tasking.parts(batch=3)
    async with AsyncExitStack() as stack:
        for shard in range(SHARDS):
            worker = Worker(await owned(tasking, ids.ShardId(shard)), parts)
            await stack.enter_async_context(running(worker.run()))
        await eventually(lambda: not tasking.deliver() and len(tasking.texts) == 9 * SHARDS)

    assert tasking.observer.reasons


async def test_gateway_that_takes_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lane overflows, and the others are served on."""
    monkeypatch.setattr(workers, "GIVE_WAY", (3, 0.001))
    tasking = Tasking(bounds=Bounds(items=4))
    await tasking.gateway(ROOM)
    await tasking.post(ROOM, *map(str, range(20)))
    async with working(tasking, batch=3):
        await eventually(lambda: "overflow" in tasking.observer.reasons)
        await eventually(lambda: tasking.log.made.count("entries") >= 7)


async def test_worker_whose_shard_is_taken_ends(tasking: Tasking) -> None:
    """It notices when it moves the cursor, and forgets the shard."""
    worker = Worker(await owned(tasking), tasking.parts())
    tasking.expire()
    await owned(tasking)
    await tasking.post(ROOM, "a")

    with pytest.raises(errors.Superseded):
        await worker.run()

    assert tasking.dispatch.shards == []
    assert not await tasking.is_settled()


async def test_new_epoch_ends_the_worker(tasking: Tasking) -> None:
    """What it has read may be from before it: nothing of that is routed."""
    await tasking.gateway(ROOM)
    worker = Worker(await owned(tasking), tasking.parts())
    tasking.restart()
    await tasking.post(ROOM, "a")

    with pytest.raises(errors.Superseded):
        await worker.run()

    assert tasking.waiting == 0
    assert not await tasking.is_settled()


@pytest.mark.parametrize("failure", [errors.Unavailable(), errors.OutcomeUnknown()])
@pytest.mark.parametrize("step", ["entries", "holders", "copy", "renew", "advance", "gateways", "set_aside"])
async def test_steps_are_repeated_while_redis_is_away(tasking: Tasking, step: str, failure: errors.ChatError) -> None:
    """Each of them, until it is made; nothing is lost and nothing is done twice."""
    port = tasking.presence if step == "gateways" else tasking.log
    await tasking.post(TALK, "a")
    tasking.spoil(TALK)
    port.refused[step] = failure
    async with working(tasking, TALK_SHARD):
        await eventually(lambda: port.refusals[step] > workers.TRIES)
        assert not await tasking.is_settled(TALK_SHARD)
        port.refused.clear()
        await eventually(lambda: tasking.is_settled(TALK_SHARD))

    assert await tasking.history(ids.inbox(BOB)) == ["a"]


@pytest.mark.parametrize("step", ["entries", "holders", "copy", "renew", "advance", "gateways", "set_aside"])
async def test_step_that_redis_itself_fails_ends_the_worker(tasking: Tasking, step: str) -> None:
    """After some tries, counted; the lease is left to run out."""
    port = tasking.presence if step == "gateways" else tasking.log
    await tasking.post(TALK, "a")
    tasking.spoil(TALK)
    port.refused[step] = errors.OutcomeUnknown(lasting=True)
    before = counted("chat_shards_stuck_total", step="copy" if step == "renew" else step)

    with pytest.raises(workers.Stuck):
        async with asyncio.timeout(5):
            await Worker(await owned(tasking, TALK_SHARD), tasking.parts()).run()

    inboxes = 2 if step == "copy" else 1  # they are in two shards
    assert port.refusals[step] == inboxes * workers.TRIES
    assert counted("chat_shards_stuck_total", step="copy" if step == "renew" else step) == before + 1
    assert tasking.dispatch.shards == []
    assert tasking.server.shards[TALK_SHARD].owner_until is not None


async def test_failures_between_which_redis_was_away_are_not_in_a_row(tasking: Tasking) -> None:
    """A server that restarts may answer strangely; that alone ends nobody."""
    failures: list[errors.ChatError] = [
        errors.OutcomeUnknown(lasting=number % 3 > 0) for number in range(4 * workers.TRIES)
    ]
    tasking.log.failing["advance"] = failures
    await tasking.post(ROOM, "a")
    async with working(tasking):
        await eventually(tasking.is_settled)

    assert failures == []


@pytest.mark.parametrize("step", ["copy", "advance", "set_aside"])
async def test_step_whose_answer_was_lost_is_repeated(tasking: Tasking, step: str) -> None:
    """It was made, and once more does no harm."""
    await tasking.post(TALK, "a")
    tasking.spoil(TALK)
    tasking.log.lost[step] = errors.OutcomeUnknown()
    async with working(tasking, TALK_SHARD):
        await eventually(lambda: tasking.is_settled(TALK_SHARD))
        await eventually(lambda: tasking.log.made.count(step) >= 2)

    assert await tasking.history(ids.inbox(BOB)) == ["a"]
    assert (await tasking.memory.backlog(TALK_SHARD)).dead_letters == 1


# -- private messages


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


# -- poison


async def test_undecodable_entry_is_set_aside_and_others_flow(tasking: Tasking) -> None:
    """It is kept with its reason and counted, and the chain breaks there so that the gateways read history."""
    before = counted("chat_dead_letters_total", reason=poison.UNDECODABLE)
    await tasking.gateway(ROOM)
    await tasking.post(ROOM, "a")
    tasking.spoil(ROOM)
    await tasking.memory.publish(log.Draft(ROOM, ANN, "bad", b"no message", b"12345678"))
    await tasking.post(ROOM, "b")
    async with working(tasking) as worker:
        await settle(tasking, worker.settled)

    assert tasking.texts == ["b"]
    assert [letter.reason for letter in tasking.server.shards[SHARD].dead] == ["torn", poison.UNDECODABLE]
    assert counted("chat_dead_letters_total", reason=poison.UNDECODABLE) == before + 2


async def test_entry_that_stood_at_five_takeovers_is_set_aside(tasking: Tasking) -> None:
    """It alone: what comes after it is dispatched."""
    before = counted("chat_dead_letters_total", reason=poison.DEADLY)
    await tasking.gateway(ROOM)
    await tasking.post(ROOM, "a", "b")
    async with working(tasking, takeovers=poison.GUILT) as worker:
        await settle(tasking, worker.settled)

    assert tasking.texts == ["b"]
    assert [letter.reason for letter in tasking.server.shards[SHARD].dead] == [poison.DEADLY]
    assert counted("chat_dead_letters_total", reason=poison.DEADLY) == before + 1


async def test_suspect_is_dispatched_alone(tasking: Tasking) -> None:
    """After two takeovers nothing is read behind the first entry until the cursor has passed it."""
    await tasking.gateway(ROOM)
    await tasking.post(ROOM, "a", "b", "c")
    async with working(tasking, takeovers=poison.CAUTION) as worker:
        await eventually(lambda: tasking.waiting == 1)
        assert tasking.log.made.count("entries") == 1
        await settle(tasking, worker.settled)

    assert tasking.texts == ["a", "b", "c"]


async def test_owners_that_die_with_nothing_to_do_condemn_nobody(tasking: Tasking) -> None:
    """The first message in a quiet shard is delivered, however often its task was killed before."""
    await tasking.gateway(ROOM)
    for _ in range(poison.GUILT + 1):
        last = await owned(tasking)
        tasking.expire()
    worker = Worker(await tasking.memory.acquire(SHARD, "task-1") or last, tasking.parts())
    async with running(worker.run()):
        await tasking.post(ROOM, "a")
        await settle(tasking, worker.settled)

    assert tasking.texts == ["a"]


async def test_poison_is_set_aside_before_holders_are_looked_up(tasking: Tasking) -> None:
    """Between the look-up and the routing nothing is waited for, in which it could grow old."""
    tasking.spoil(ROOM)
    async with working(tasking):
        await eventually(tasking.is_settled)

    made = [step for step in tasking.log.made if step in {"set_aside", "holders"}]
    assert made == ["set_aside", "holders"]


async def test_room_of_what_is_set_aside_is_not_looked_up(tasking: Tasking) -> None:
    """Its registrations may be what cannot be read."""
    await tasking.post(ROOM, "a")
    tasking.memory.broken = ROOM

    async with working(tasking, takeovers=poison.GUILT):
        await eventually(tasking.is_settled)

    assert (await tasking.memory.backlog(SHARD)).dead_letters == 1


async def test_rooms_of_a_shard_are_looked_up_together(tasking: Tasking) -> None:
    """One look-up for a batch."""
    await tasking.post(ROOM, "a")
    await tasking.post(RoomName(NEIGHBOUR), "b")
    async with working(tasking):
        await eventually(tasking.is_settled)

    assert tasking.log.made.count("holders") == 1


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
