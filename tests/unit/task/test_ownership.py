import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from chatcluster.core import errors, ids
from chatcluster.core.ids import ShardId, UserId
from chatcluster.log import log
from chatcluster.presence import presence
from chatcluster.task import ownership as ownerships, poison, worker as workers
from chatcluster.task.ownership import Ownership
from support.eventually import eventually
from support.tasking import ROOM, SHARD, SHARDS, Tasking, running

ALL = frozenset(ShardId(number) for number in range(SHARDS))


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    """Look more often than usual."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ownerships, "LOOK", 0.01)
        patch.setattr(ownerships, "RENEW", 0.02)
        yield


class Task:
    """A task's ownership, on the server of its tasking."""

    def __init__(self, name: str, tasking: Tasking) -> None:
        self.tasking = tasking
        self.ownership = Ownership(name, tasking.parts())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run as long as the block, then stop cleanly."""
        async with running(self.ownership.run()):
            yield

    @property
    def shards(self) -> frozenset[ShardId]:
        """The shards that it acts for."""
        return frozenset(self.tasking.dispatch.shards)

    async def has(self, shards: frozenset[ShardId]) -> None:
        """Wait until it acts for these."""
        await eventually(lambda: self.shards == shards, what=f"ownership of {sorted(shards)}")

    async def lose_all(self) -> None:
        """Have all workers notice a new epoch by what they dispatch, and end."""
        self.tasking.restart()
        for shard in range(SHARDS):
            room = next(name for n in range(1, 99) if ids.shard_of(name := ids.room(n), SHARDS) == shard)
            await self.tasking.post(room, "a")
        await eventually(lambda: not self.shards)

    async def has_renewed(self, times: int) -> None:
        """Wait until it has renewed leases so often."""
        await eventually(lambda: self.tasking.log.made.count("renew") >= times)


@pytest.fixture
def one() -> Task:
    """A task."""
    return Task("one", Tasking())


@pytest.fixture
def other(one: Task) -> Task:
    """Another one on the same server."""
    tasking = Tasking(one.tasking.server, one.tasking.clock)
    tasking.presence = one.tasking.presence
    return Task("other", tasking)


async def test_only_task_takes_all_shards(one: Task) -> None:
    """And works on each of them."""
    async with one.running():
        await one.has(ALL)
        await one.tasking.post(ROOM, "a")
        await eventually(one.tasking.is_settled)
        await one.has_renewed(SHARDS)

    assert one.tasking.log.made.count("acquire") == SHARDS


async def test_answers_reach_the_worker_of_their_shard(one: Task) -> None:
    """It moves the cursor; a shard that is not owned here is no matter."""
    await one.tasking.gateway(ROOM)
    await one.tasking.post(ROOM, "a")
    async with one.running():
        await eventually(lambda: one.tasking.waiting)
        one.tasking.deliver()
        one.ownership.settled([SHARD, ShardId(99)])
        await eventually(one.tasking.is_settled)


async def test_second_task_is_given_its_share(one: Task, other: Task) -> None:
    """Each has half, and every shard has an owner."""
    async with one.running():
        await one.has(ALL)
        async with other.running():
            await eventually(lambda: len(one.shards) == len(other.shards) == SHARDS // 2)
            assert one.shards | other.shards == ALL


async def test_clean_stop_hands_over_at_once(one: Task, other: Task) -> None:
    """No lease has to run out, and no takeover is counted."""
    await one.tasking.post(ROOM, "a")
    async with one.running():
        async with other.running():
            await eventually(lambda: len(other.shards) == SHARDS // 2)
        await one.has(ALL)

    assert not any(shard.takeovers for shard in one.tasking.server.shards)
    assert all(shard.owner_until is None for shard in one.tasking.server.shards)


async def test_shards_of_a_killed_task_are_taken_over(one: Task, other: Task) -> None:
    """As soon as its leases have run out, and not before."""
    dead = [await other.tasking.memory.acquire(shard, "dead") for shard in sorted(ALL)[:2]]
    await other.tasking.presence.beat("dead")
    async with one.running():
        await one.has(ALL - {taken.shard for taken in dead if taken})
        one.tasking.clock.time += log.OWNER_TTL + 0.1
        await one.has(ALL)


async def test_leases_are_renewed(one: Task) -> None:
    """Of the task and of its shards: nobody else gets them however long it takes."""
    async with one.running():
        await one.has(ALL)
        for _ in range(5):
            one.tasking.clock.time += min(log.OWNER_TTL, presence.TASK_TTL) - 0.1
            await one.has_renewed(one.tasking.log.made.count("renew") + 2 * SHARDS)
            assert await one.tasking.memory.acquire(SHARD, "thief") is None
        assert one.shards == ALL


async def test_shard_that_was_lost_is_not_worked_on(one: Task) -> None:
    """Another task has its lease now; this one waits until that is free."""
    async with one.running():
        await one.has(ALL)
        one.tasking.expire()
        thief = await one.tasking.memory.acquire(SHARD, "thief")
        assert thief is not None
        await one.has(ALL - {SHARD})

        await one.tasking.memory.release(thief)
        await one.has(ALL)


async def test_new_epoch_is_begun_anew_at_once(one: Task) -> None:
    """The shards are still this task's: they are given up and taken again, which is no takeover."""
    await one.tasking.gateway(ROOM)
    await one.tasking.post(ROOM, "a")
    async with one.running():
        await one.has(ALL)
        before = {shard: state.epoch for shard, state in enumerate(one.tasking.server.shards)}
        one.tasking.restart()
        await eventually(
            lambda: all(
                state.epoch > before[shard] and state.owner_until
                for shard, state in enumerate(one.tasking.server.shards)
            )
        )
        await one.has(ALL)
        await eventually(lambda: one.tasking.deliver() or "a" in one.tasking.texts)

    assert not any(shard.takeovers for shard in one.tasking.server.shards)


@pytest.mark.parametrize("step", ["renew", "acquire", "release"])
async def test_task_outlives_an_outage(one: Task, step: str) -> None:
    """Whatever fails is done again later."""
    async with one.running():
        await one.has(ALL)
        one.tasking.log.refused[step] = errors.Unavailable()
        one.tasking.presence.refused["beat"] = errors.OutcomeUnknown()
        one.tasking.restart()
        await eventually(lambda: one.tasking.log.refusals[step] > 3 or one.tasking.presence.refusals["beat"] > 3)
        one.tasking.log.refused.clear()
        one.tasking.presence.refused.clear()
        one.tasking.clock.time += log.OWNER_TTL + 0.1

        await eventually(lambda: one.shards == ALL and all(s.owner_until for s in one.tasking.server.shards))


async def test_stop_during_an_outage_ends(one: Task) -> None:
    """What cannot be given up runs out by itself."""
    async with one.running():
        await one.has(ALL)
        one.tasking.log.refused["release"] = errors.Unavailable()
        one.tasking.presence.refused["beat"] = errors.Unavailable()

    assert one.shards == frozenset()
    assert one.tasking.log.refusals["release"] == SHARDS


async def test_shards_that_end_by_themselves_while_others_are_given_up(one: Task) -> None:
    """A new epoch ends all workers just when a second task wants its share: nobody stumbles."""
    async with one.running():
        await one.has(ALL)
        one.tasking.log.held["release"] = release = asyncio.Event()
        await one.tasking.presence.beat("other")
        await eventually(lambda: not one.tasking.log.held)
        await one.lose_all()
        release.set()

        await eventually(lambda: len(one.shards) == SHARDS // 2)


async def test_shard_that_ends_by_itself_while_its_lease_is_renewed(one: Task) -> None:
    """It is over already when the renewal says so."""
    async with one.running():
        await one.has(ALL)
        one.tasking.log.held["renew"] = renew = asyncio.Event()
        await eventually(lambda: not one.tasking.log.held)
        await one.lose_all()
        renew.set()

        await one.has(ALL)


async def test_message_that_cannot_be_copied_is_set_aside_in_the_end(
    one: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shard is left to the next owner, again and again, until that one blames the entry; then others flow."""
    monkeypatch.setattr(workers, "PAUSES", (0.001, 0.01))
    talk = ids.conversation(UserId(1), UserId(2))
    shard, tasking = ids.shard_of(talk, SHARDS), one.tasking
    await tasking.post(talk, "a", "bad", "b")
    tasking.memory.broken = "bad"

    async def is_passed() -> bool:
        if shard not in one.shards:
            tasking.clock.time += 0.5  # its lease has to run out
        return await tasking.is_settled(shard)

    async with one.running():
        await eventually(is_passed)

    [letter] = await tasking.memory.dead_letters(shard, 10)
    assert letter.reason == poison.DEADLY
    assert await tasking.history(ids.inbox(UserId(2))) == ["a", "b"]
