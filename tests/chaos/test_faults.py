"""Programs die, hang and are cut off while people chat; the checker finds what was lost, doubled or out of order.

Every round has its faults at seeded random moments, under 200 messages a second: 20 rooms of 10 members on two
gateways, and private messages. The figures that a round ends with are printed (`pytest -s`).
"""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import checker, proxy, system
from support.eventually import eventually
from support.load import Load
from support.servers import RedisServer
from support.system import Process, System

RATE = 200
SETTINGS = {
    "CHATCLUSTER_LOGIC_REGISTER_RATE": "100000",
    "CHATCLUSTER_LOGIC_PASSWORD_MEMORY": "64",
    "CHATCLUSTER_API_MESSAGE_RATE": "1000",
    "CHATCLUSTER_API_MESSAGE_BURST": "1000",
    "CHATCLUSTER_LOG_HISTORY_SIZE": "100000",
    "CHATCLUSTER_LOG_HISTORY_BYTES": str(2**28),
}
"""What a load of a few busy senders needs; the product's defaults are for people."""

TORN = 2.0
"""Seconds before a cut in which a private message was sent whose copies the cut may have taken."""

Fault = Callable[[System, Load], Awaitable[None]]


@pytest.fixture
def pause(request: pytest.FixtureRequest) -> float:
    """Return how long a program is stopped or cut off: 60 s with --full, else 18, longer than every lease."""
    return 60.0 if request.config.getoption("--full") else 18.0


@asynccontextmanager
async def crowd(folder: Path, seed: int) -> AsyncIterator[tuple[System, Load]]:
    """A running system and the people in it."""
    async with system.running(folder, environ=SETTINGS) as running:
        load = Load(running.api_url, [running.websocket_url(0), running.websocket_url(1)], seed)
        try:
            await load.populate(rooms=20, members=10, people=40)
            yield running, load
        finally:
            await load.close()


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often a fault strikes, and for how long people chat each time."""

    count: int
    seconds: float
    moment: tuple[float, float]
    """Between which seconds of a round faults strike."""
    figure: Callable[[str], None]

    async def run(self, folder: Path, *faults: Fault) -> checker.Record:
        """Chat through all rounds with the faults in each of them, in any order; then let everything settle."""
        seed = random.SystemRandom().randrange(10**6)
        self.figure(f"seed {seed}")
        async with crowd(folder, seed) as (running, load):
            for _ in range(self.count):
                await self._round(faults, running, load)
            record = await load.settle()
            await eventually(lambda: _quiet(running), within=90, every=0.5, what="no backlog")
            await eventually(lambda: _present(load), within=90, every=0.5, what="presence is the truth")
            self.figure(
                f"{self.count} rounds of {self.seconds:.0f} s, {len(load.sent)} messages, "
                f"{checker.acknowledged(load.sent):.3%} acknowledged, longest refusal {load.longest_refusal():.1f} s, "
                f"{len(load.segments)} connections checked, {len(load.readings)} read on after losing theirs"
            )
            _no_traceback(running)
            assert load.longest_refusal() <= 10
        return record

    async def _round(self, faults: Sequence[Fault], running: System, load: Load) -> None:
        loop = asyncio.get_running_loop()
        began, (first, last) = loop.time(), self.moment
        chatting = asyncio.create_task(load.run(self.seconds, RATE))
        for number, fault in enumerate(load.random.sample(faults, len(faults))):
            # Each in its own part of the round, with time to recover before the next one's.
            moment = first + (last - first) * (number + load.random.uniform(0, 0.7)) / len(faults)
            await asyncio.sleep(max(0, began + moment - loop.time()))
            await fault(running, load)
        await chatting
        await _last_words(load)


@pytest.fixture
def short(request: pytest.FixtureRequest, rounds: int, figure: Callable[[str], None]) -> Rounds:
    """Return rounds for faults that last a moment: 20 of 60 s with --full, else 2 of 20 s."""
    if request.config.getoption("--full"):
        return Rounds(rounds, 60, (3, 55), figure)
    return Rounds(rounds, 20, (2, 16), figure)


@pytest.fixture
def long(rounds: int, pause: float, figure: Callable[[str], None]) -> Rounds:
    """Return rounds for faults that last for `pause`, which has to end within one."""
    return Rounds(rounds, pause + 12, (1, 6), figure)


async def _last_words(load: Load) -> None:
    """In some rooms, one message that none follows."""
    for room in load.random.sample(range(1, 21), 3):
        await load.publish(f"room:{room}", f"/v1/rooms/room:{room}/messages")


async def _quiet(running: System) -> bool:
    backlogs = [await task.metric("chat_dispatch_backlog_entries") for task in running.task if task.running]
    return not any(backlogs)


async def _present(load: Load) -> bool:
    for room in sorted({member.room for member in load.members}):
        users = {member.user.id for member in load.members if member.room == room}
        members = await load.shown(room)
        assert members == users, f"room {room}: {len(members)} shown, {len(users)} there"
    return True


def _no_traceback(running: System) -> None:
    assert "Traceback" not in system.logged(running.processes)


def holds(record: checker.Record) -> None:
    """Nothing was lost, doubled or out of order, and nearly everything was acknowledged."""
    found = checker.violations(record)
    assert not found, f"{len(found)} violations, by kind {Counter(text[:2] for text in found)}: {found[:5]}"
    assert checker.acknowledged(record.sent) >= 0.99


async def _crash(process: Process) -> None:
    await process.kill()
    await asyncio.sleep(1)  # as long as a supervisor takes to bring it back
    await process.start()


def _kill(part: str) -> Fault:
    async def fault(running: System, load: Load) -> None:
        await _crash(load.random.choice(getattr(running, part)))

    return fault


async def _restart_redis(running: System, _: Load) -> None:
    """Kill it and have it back with its append-only file: nobody is told to reload."""
    await running.redis.kill()
    await running.redis.start()


async def test_killed_gateways_and_logics_lose_nothing(tmp_path: Path, short: Rounds) -> None:
    """SIGKILL of one at any moment: all that was acknowledged is in history and reached its members."""
    holds(await short.run(tmp_path, _kill("connect"), _kill("logic")))


async def test_killed_tasks_and_apis_and_a_restarted_redis_lose_nothing(tmp_path: Path, short: Rounds) -> None:
    """Likewise."""
    holds(await short.run(tmp_path, _kill("task"), _kill("api"), _restart_redis))


@pytest.mark.parametrize("part", ["task", "connect"])
async def test_a_stopped_program_loses_nothing(part: str, tmp_path: Path, long: Rounds, pause: float) -> None:
    """SIGSTOP: its work is taken over or waits for it, and when it wakes up it does no harm."""

    async def fault(running: System, load: Load) -> None:
        process: Process = load.random.choice(getattr(running, part))
        process.pause()
        await asyncio.sleep(pause)
        process.resume()

    holds(await long.run(tmp_path, fault))


async def test_a_gateway_that_task_cannot_reach_loses_nothing(tmp_path: Path, long: Rounds, pause: float) -> None:
    """Task is cut off from one gateway, which still reaches logic: its members read on when dispatch comes back."""
    async with proxy.running() as cable:
        ways = itertools.cycle([cable.stall, cable.cut])  # no answer at all, and connections that are reset

        async def fault(running: System, load: Load) -> None:
            gateway = running.connect[0]
            if not cable.target:
                gateway.environ = {**gateway.environ, "CHATCLUSTER_CONNECT_ADDRESS": f"127.0.0.1:{cable.port}"}
                cable.target = gateway.ports["grpc"]
                await gateway.restart()
                await eventually(lambda: all(m.connected for m in load.members), within=30)
            break_cable = next(ways)
            break_cable()
            await asyncio.sleep(pause)
            cable.heal()

        holds(await long.run(tmp_path, fault))


async def test_a_cut_tail_is_never_silent(tmp_path: Path, short: Rounds) -> None:
    """Redis comes back without the end of its append-only file: what is gone is told by a new epoch."""
    told: list[bool] = []
    torn: set[str] = set()

    async def fault(running: System, load: Load) -> None:
        before = [file.stat().st_size for file in running.redis.append_only_files]
        await asyncio.sleep(0.7)
        rooms = {s.room: s.position for s in load.sent if s.result == "ok" and s.position}
        await running.redis.kill()
        since = asyncio.get_running_loop().time() - TORN
        torn.update(s.id for s in load.sent if s.at > since and s.room.startswith("user:"))
        for file, size in zip(running.redis.append_only_files, before, strict=True):
            with file.open("r+b") as handle:
                handle.truncate(load.random.randint(size, file.stat().st_size))
        await running.redis.start()
        await _rewrite(running.redis)
        for room, position in rooms.items():
            told.append(await _is_told(load, room, position))

    record = await short.run(tmp_path, fault)
    lost = frozenset(sent.id for sent in record.sent if sent.result == "ok") - {
        each for entries in record.history.values() for _, each in entries
    }
    short.figure(
        f"{len(lost)} acknowledged messages cut off, {told.count(False)} of {len(told)} readers told to reload"
    )
    assert lost, "the cut took nothing: the round proves nothing"
    assert not all(told), "something was lost and every reader was told that nothing was"
    holds(checker.without(record, lost, frozenset(torn)))


async def _rewrite(server: RedisServer) -> None:
    """Have Redis write its file anew: 7.0 keeps half of a torn transaction there, and a second crash would run it."""
    async with server.client() as client:
        await client.bgrewriteaof()
        await eventually(lambda: _is_rewritten(server), within=30, what="a new append-only file")


async def _is_rewritten(server: RedisServer) -> bool:
    async with server.client() as client:
        found = await client.info("persistence")
    return not found["aof_rewrite_in_progress"] and not found["aof_rewrite_scheduled"]


async def _is_told(load: Load, room: str, position: checker.Position) -> bool:
    path = f"/v1/rooms/{room}/messages"
    _, recovered, _ = await load.patiently(lambda: load.api.read(load.people[0], path, position))
    return bool(recovered)


async def test_presence_is_true_soon_after_a_crash(tmp_path: Path) -> None:
    """A gateway is killed and stays dead: 20 s later nobody is shown who was only there."""
    async with system.running(tmp_path, environ=SETTINGS) as running:
        load = Load(running.api_url, [running.websocket_url(0), running.websocket_url(1)], 1)
        try:
            await load.populate(rooms=2, members=4, people=8)
            await eventually(lambda: _present(load), within=20)
            gone = [member for member in load.members if member.gateway == 0]
            load.gateways = [load.gateways[0]]  # nobody moves to the other one
            for member in gone:
                load.members.remove(member)
            await running.connect[0].kill()

            await eventually(lambda: _present(load), within=20 + 5, every=0.2)
        finally:
            await load.close()
