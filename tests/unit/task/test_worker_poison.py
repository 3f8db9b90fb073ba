from collections.abc import Iterator

import pytest

from chatcluster.log import log
from chatcluster.task import poison, worker as workers
from chatcluster.task.worker import Worker
from support.eventually import eventually
from support.tasking import ROOM, SHARD, Tasking, running, settle
from support.working import ANN, counted, owned, working


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
