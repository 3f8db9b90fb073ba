import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from chatcluster.core import errors, ids
from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.log import log
from chatcluster.task import dispatch, worker as workers
from chatcluster.task.lane import Bounds
from chatcluster.task.worker import Worker
from support.eventually import eventually
from support.tasking import ROOM, SHARD, SHARDS, Tasking, running, settle
from support.working import BOB, TALK, TALK_SHARD, counted, owned, working

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


async def test_the_wait_for_dispatch_is_measured(tasking: Tasking) -> None:
    """By Redis' stamp of the first entry in each read; a clock that is behind Redis' counts for nothing."""

    def measured(what: str) -> float:
        return REGISTRY.get_sample_value(f"chat_dispatch_latency_seconds_{what}") or 0.0

    before = measured("count"), measured("sum")
    await tasking.post(ROOM, "a")
    clock = tasking.clock.time + 3
    worker = Worker(await owned(tasking), replace(tasking.parts(), time=lambda: clock))
    async with running(worker.run()):
        await eventually(lambda: measured("count") > before[0])
        clock = 0
        await tasking.post(ROOM, "b")
        await eventually(lambda: measured("count") > before[0] + 1)

    assert measured("sum") - before[1] == pytest.approx(3, abs=0.01)


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


async def test_rooms_of_a_shard_are_looked_up_together(tasking: Tasking) -> None:
    """One look-up for a batch."""
    await tasking.post(ROOM, "a")
    await tasking.post(RoomName(NEIGHBOUR), "b")
    async with working(tasking):
        await eventually(tasking.is_settled)

    assert tasking.log.made.count("holders") == 1
