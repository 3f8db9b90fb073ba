"""The task program over a real Redis: what it tells gateways, what it moves, and who takes over."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from chatcluster.connect.chain import SILENCE
from chatcluster.core import ids
from chatcluster.core.ids import ShardId
from chatcluster.local import programs
from chatcluster.log import log, wire
from chatcluster.task import dispatch, poison
from chatcluster.task.callers import Callers
from chatcluster.task.lane import Bounds
from chatcluster.task.worker import CURSOR_DELAY
from support.eventually import eventually
from support.task_world import ANN, BOB, EVERYWHERE, NEIGHBOURS, PREFIX, ROOM, SHARDS, TALK, World, world_of
from support.tasking import Reasons, running

pytestmark = pytest.mark.process

MARGIN = 5.0
"""Seconds that a slow machine is given besides what the protocol promises."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Yield a world without tasks."""
    async with world_of(tmp_path) as made:
        yield made


def texts(count: int, prefix: str = "m") -> Sequence[str]:
    """So many different messages."""
    return [f"{prefix}{number}" for number in range(count)]


async def test_entries_reach_the_gateway_in_one_unbroken_chain(world: World) -> None:
    """In order and once, those from before the task began too; the cursor moves when the gateway has answered."""
    gateway = await world.gateway("gw", ROOM)
    await world.post(ROOM, *texts(20, "early"))
    gateway.answering.clear()
    await world.system.add_task()
    await eventually(lambda: gateway.asked)
    assert await world.backlog() == 20

    gateway.answering.set()
    await world.settled()
    await world.post(ROOM, *texts(200))
    await world.settled()

    assert gateway.told(ROOM) == [*texts(20, "early"), *texts(200)]
    assert gateway.breaks() == 0
    assert gateway.chain()[0][0] == ids.ZERO


async def test_only_holders_are_told(world: World) -> None:
    """Others hear of the shard in batches without items; who takes a room up later is told from then on."""
    one, other = await world.gateway("one", ROOM), await world.gateway("other", NEIGHBOURS[0])
    await world.system.add_task()
    await world.post(ROOM, "a")
    await world.post(NEIGHBOURS[0], "b")
    await world.settled()
    await world.log.register(other.incarnation, 2, [log.Read(ROOM)])
    await world.post(ROOM, "c")
    await world.settled()

    everything = (ROOM, NEIGHBOURS[0])
    assert (one.told(*everything), other.told(*everything)) == (["a", "c"], ["b", "c"])


async def test_silent_gateway_is_passed_over(world: World) -> None:
    """Within 15 seconds; others are served all the time, its lease stays, and its answer brings it back."""
    well, hung = await world.gateway("well", ROOM), await world.gateway("hung", ROOM)
    await world.system.add_task()
    await world.post(ROOM, "first")
    await world.settled()
    hung.answering.clear()
    began = time.monotonic()
    await world.post(ROOM, "second")
    await eventually(lambda: well.told(ROOM) == ["first", "second"])
    assert await world.backlog() == 1

    await world.settled(within=15 + MARGIN)
    assert time.monotonic() - began >= dispatch.PATIENCE
    assert await world.passed_over("silent") == 1
    await world.post(ROOM, "third")
    await world.settled()
    assert hung.incarnation in await world.presence.gateways()

    more = iter(texts(1000))
    hung.answering.set()

    async def is_served_again() -> bool:
        await world.post(ROOM, next(more))
        return hung.told(ROOM)[-1][0] == "m"

    await eventually(is_served_again, within=5 + MARGIN)
    assert hung.breaks() > 0
    assert well.told(ROOM)[:3] == ["first", "second", "third"]
    assert well.breaks() == 0


async def test_refusal_by_another_incarnation_passes_over_at_once(world: World) -> None:
    """The gateway that was meant is gone, whatever its lease says."""
    gateway = await world.gateway("gw", ROOM)
    await world.system.add_task()
    await world.post(ROOM, "a")
    await world.settled()
    gateway.answering.clear()
    await world.post(ROOM, "b")
    await eventually(lambda: gateway.is_asked("b"))
    asked = time.monotonic()
    await eventually(lambda: time.monotonic() > asked + 3 * CURSOR_DELAY)
    assert await world.backlog() == 1

    gateway.refusing = True
    gateway.answering.set()

    await world.settled(within=MARGIN)
    assert await world.passed_over("refused") == 1


async def test_nobody_waits_for_a_gateway_that_is_gone(world: World) -> None:
    """The only gateway hangs and gives its lease up: the cursor passes what it never answered, without new entries."""
    gateway = await world.gateway("gw", ROOM)
    await world.system.add_task()
    await world.owned()
    await world.post(ROOM, "first")
    await world.settled()  # the empty batches by which a new owner shows itself are out of the way
    gateway.answering.clear()
    await world.post(ROOM, "a")
    await eventually(lambda: gateway.is_asked("a"))

    await world.presence.release(gateway.incarnation)

    await world.settled(within=5 + MARGIN)
    assert await world.passed_over("silent") == 0


async def test_gateway_that_comes_back_is_found(world: World) -> None:
    """Under another incarnation and address, after the old one answered nothing any more."""
    old = await world.gateway("old", ROOM)
    await world.system.add_task()
    await world.post(ROOM, "a")
    await world.settled()
    await world.presence.release(old.incarnation)
    new = await world.gateway("new", ROOM)
    await world.post(ROOM, "b")
    await world.settled()

    assert (old.told(ROOM), new.told(ROOM)) == (["a"], ["b"])


async def test_caller_of_a_gateway_that_is_gone_ends(world: World) -> None:
    """With the call that was on its way: nothing is left of it in the task."""
    gateway = await world.gateway("gw")
    gateway.answering.clear()
    dispatching = dispatch.Dispatch("demo", Reasons(), Bounds())
    dispatching.own(log.Ownership(ShardId(0), "token", ids.ShardEpoch("1.a"), ids.ZERO, 0))
    told: list[ShardId] = []
    callers = Callers(dispatching, world.system.secrets.cluster.read_text(), 30, time.monotonic, told.extend)
    async with running(callers.run()):
        await eventually(lambda: callers._group is not None)
        callers.follow(world.addresses)
        await eventually(lambda: gateway.asked)
        assert calling()

        callers.follow({})

        await eventually(lambda: not calling())
        assert told == [ShardId(0)]


def calling() -> list[str]:
    """The tasks of this process that call gateways."""
    return [text for task in asyncio.all_tasks() if "_call_for_ever" in (text := repr(task.get_coro()))]


async def test_undecodable_entry_is_set_aside(world: World) -> None:
    """Whoever put it there: it is kept with its reason and counted, the break shows, and all others flow."""
    gateway = await world.gateway("gw", ROOM)
    await world.system.add_task()
    await world.post(ROOM, "a")
    await world.settled()
    shard = ids.shard_of(ROOM, SHARDS)
    async with world.system.redis.client() as client:
        await client.xadd(f"{{{PREFIX}:{shard}}}:dispatch", {"k": "p", "r": ROOM, "b": "torn"})
    await world.post(ROOM, "b")
    await world.settled()
    await world.post(ROOM, "c")
    await world.settled()

    assert gateway.told(ROOM) == ["a", "b", "c"]
    assert gateway.breaks() == 1
    assert (await world.log.backlog(shard)).dead_letters == 1
    assert await world.system.task[0].metric("chat_dead_letters_total", reason="undecodable") == 1


async def test_private_messages_are_copied_to_both_inboxes(world: World) -> None:
    """Once and in order, also when owners are killed in the middle of it."""
    gateway = await world.gateway("gw", ids.inbox(BOB))
    sent: list[str] = []
    for _ in range(3):
        await world.system.add_task()
        await world.owned()
        more = texts(100, f"{len(sent)}-")
        sent += more
        await world.post(TALK, *more)
        await world.system.task[-1].kill()
    await world.system.add_task()
    await world.settled([TALK, ids.inbox(ANN), ids.inbox(BOB)], within=20)

    assert await world.inbox(ANN) == sent
    assert await world.inbox(BOB) == sent
    told = gateway.told(ids.inbox(BOB))
    assert sorted(set(told), key=told.index) == sent


@pytest.mark.full
async def test_message_that_redis_cannot_copy_is_set_aside_in_the_end(world: World) -> None:
    """Somebody spoiled an inbox: its shard is left again and again, counted, until the message is blamed for it. It is
    among the dead letters then, and everything behind it goes on.
    """
    shard, inbox = ids.shard_of(TALK, SHARDS), ids.inbox(BOB)
    spoiled = wire.Keys(PREFIX).room(ids.shard_of(inbox, SHARDS), inbox)
    async with world.system.redis.client() as client:
        await client.set(spoiled, "nonsense")
    gateway = await world.gateway("gw", TALK)
    await world.system.add_task()
    await world.post(TALK, "a")

    await world.settled([TALK], within=60)

    [letter] = await world.log.dead_letters(shard, 10)
    assert letter.reason == poison.DEADLY
    assert await world.system.task[0].metric("chat_shards_stuck_total", step="copy") == poison.GUILT
    async with world.system.redis.client() as client:
        await client.delete(spoiled)
    await world.post(TALK, "b")
    await eventually(lambda: "b" in gateway.told(TALK), within=10)
    await eventually(lambda: world.has_copies(BOB, "b"), within=10)
    assert await world.log.replay(shard, letter.entry.id)
    await eventually(lambda: world.has_copies(BOB, "b", "a"), within=10)


async def test_shards_of_a_killed_task_are_taken_over(world: World) -> None:
    """Within five seconds another task delivers in all of them, and gateways have not lost their trust by then."""
    gateway = await world.gateway("gw", *EVERYWHERE)
    await world.system.add_task(2)
    await world.owned(2)
    for room in EVERYWHERE:
        await world.post(room, "before")
    await world.settled(EVERYWHERE)

    await world.system.task[0].kill()
    died = time.monotonic()
    for room in EVERYWHERE:
        await world.post(room, "after")
    await eventually(lambda: gateway.told(*EVERYWHERE).count("after") >= SHARDS, within=5 + MARGIN)

    assert time.monotonic() - died < SILENCE
    assert all(gateway.told(room) == ["before", "after"] for room in EVERYWHERE)
    assert not any(gateway.breaks(room) for room in EVERYWHERE)


async def test_clean_stop_hands_over_at_once(world: World) -> None:
    """No lease has to run out: nobody counts a takeover, and nothing is delivered twice or left out."""
    gateway = await world.gateway("gw", *EVERYWHERE)
    await world.system.add_task(2)
    await world.owned(2)
    for room in EVERYWHERE:
        await world.post(room, "before")
    await world.settled(EVERYWHERE)
    gateway.answering.clear()
    for room in EVERYWHERE:
        await world.post(room, "after")

    assert await world.system.task[0].stop() == 0
    gateway.answering.set()
    await world.settled(EVERYWHERE, within=log.OWNER_TTL + MARGIN)

    assert [await world.state(ShardId(shard), "takeovers") for shard in range(SHARDS)] == ["0"] * SHARDS
    assert all(sorted(set(gateway.told(room))) == ["after", "before"] for room in EVERYWHERE)
    await world.system.task[1].stop()
    assert [await world.state(ShardId(shard), "until") for shard in range(SHARDS)] == [None] * SHARDS


async def test_full_lane_shows_the_break(tmp_path: Path) -> None:
    """The gateway was too slow: what was left out is passed, and the next batch begins behind it."""
    async with world_of(tmp_path, TASK_LANE_ITEMS="10", TASK_BATCH="5") as world:
        gateway = await world.gateway("gw", ROOM)
        await world.system.add_task()
        await world.post(ROOM, "first")
        await world.settled()
        gateway.answering.clear()
        await world.post(ROOM, *texts(30))
        await eventually(lambda: world.passed_over("overflow"))
        gateway.answering.set()
        await world.settled()
        await world.post(ROOM, "last")
        await world.settled()

        told = gateway.told(ROOM)
        assert (told[0], told[-1]) == ("first", "last")
        assert len(told) < 32
        assert gateway.breaks() >= 1
        assert world.system.task[0].running


async def test_redis_that_restarts_is_dispatched_from_again(world: World) -> None:
    """In a new epoch, which the gateway hears of; nothing that was stored is left out."""
    gateway = await world.gateway("gw", ROOM)
    await world.system.add_task()
    await world.post(ROOM, "a")
    await world.settled()

    await world.system.redis.restart()
    await world.post(ROOM, "b")
    await eventually(lambda: "b" in gateway.told(ROOM), within=10 + MARGIN)

    epochs = [batch.epoch for batch in gateway.batches if batch.shard == ids.shard_of(ROOM, SHARDS)]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) == 2
    await world.settled()


async def test_dead_letters_are_listed_replayed_and_discarded_by_a_command(world: World) -> None:
    """What still cannot be decoded is set aside again, under its new id; a wrong command or setting exits with 2."""
    await world.system.add_task()
    shard = ids.shard_of(ROOM, SHARDS)
    async with world.system.redis.client() as client:
        await client.xadd(f"{{{PREFIX}:{shard}}}:dispatch", {"k": "p", "r": ROOM, "b": "torn"})
    letters: list[log.DeadLetter] = []

    async def has_others() -> bool:
        known = list(letters)
        letters[:] = await world.log.dead_letters(shard, 10)
        return bool(letters) and letters != known

    await eventually(has_others)
    [first] = letters
    code, listed = await command(world, "list")
    assert (code, listed.splitlines()[1].split()[:2]) == (0, [str(shard), str(first.entry.id)])

    assert await command(world, "replay", str(shard), str(first.entry.id)) == (
        0,
        f"{shard} {first.entry.id} is in dispatch again\n",
    )
    await eventually(has_others)
    [second] = letters
    assert second.entry.id > first.entry.id
    assert (await command(world, "replay-all"))[1] == f"{shard} {second.entry.id} is in dispatch again\n"
    assert (await command(world, "replay", str(shard), str(first.entry.id)))[0] == 1
    await eventually(has_others)
    assert (await command(world, "discard-all", str(shard)))[1].endswith(f"{letters[0].entry.id} is discarded\n")
    assert (await command(world, "list"))[1] == "0 dead letters\n"
    assert (await command(world, "replay", "99", "1-0"))[0] == 2
    world.system.secrets.redis_url.write_text("nonsense")
    assert (await command(world, "list"))[0] == 2


async def command(world: World, *words: str) -> tuple[int, str]:
    """Run the command where a task runs; its exit code and what it wrote."""
    environ = {**os.environ, **programs.task(world.system.secrets, 0, health=0).environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "chatcluster.task.deadletters", *words, env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    written, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, written.decode()
