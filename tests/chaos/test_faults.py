"""Programs die, hang and are cut off while people chat; the checker finds what was lost, doubled or out of order.

20 rounds of each with --full (20 to 25 minutes), else 2. Faults strike at seeded random moments.
"""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from support import checker, proxy, system
from support.eventually import eventually
from support.load import Load
from support.rounds import SETTINGS, Fault, Rounds, Scene, present

BACK_AFTER = 1.0
"""Seconds that a supervisor takes to bring a program back."""
FLUSHED = 2.0
"""Seconds for which Redis may put off writing to its file while a sync is under way."""


@pytest.fixture
def pause(request: pytest.FixtureRequest) -> float:
    """Return how long a program is stopped or cut off: 60 s with --full, else 18, longer than every lease."""
    return 60.0 if request.config.getoption("--full") else 18.0


@pytest.fixture
def kills(request: pytest.FixtureRequest, rounds: int, figure: Callable[[str], None]) -> Rounds:
    """Return rounds for several faults one after the other: 60 s each with --full, else 30."""
    return Rounds(rounds, 60 if request.config.getoption("--full") else 30, 5, figure)


@pytest.fixture
def pauses(rounds: int, pause: float, figure: Callable[[str], None]) -> Rounds:
    """Return rounds for a fault that lasts for `pause`, which has to end within one."""
    return Rounds(rounds, pause + 14, pause + 6, figure)


def _kill(part: str) -> Fault:
    """SIGKILL of one of that part's processes."""

    async def fault(scene: Scene) -> None:
        process: system.Process = scene.load.random.choice(getattr(scene.system, part))
        scene.diary.note(f"{process.name} is killed, {scene.load.in_flight} messages on their way")
        await process.kill()
        await asyncio.sleep(BACK_AFTER)
        await process.start()
        scene.diary.note(f"{process.name} is back")

    return fault


async def _restart_redis(scene: Scene) -> None:
    """Kill it and have it back with its append-only file, which is written anew then, as by every supervisor of ours:
    nobody is told to reload.
    """
    scene.diary.note(f"redis is killed, {scene.load.in_flight} messages on their way")
    await scene.system.redis.kill()
    await scene.system.redis.start()
    scene.diary.note("redis is back")
    await scene.system.redis.rewrite()


async def test_killed_programs_and_a_restarted_redis_lose_nothing(tmp_path: Path, kills: Rounds) -> None:
    """In every round SIGKILL of a task, a gateway, a logic, the api and Redis, with time to recover between them."""
    await kills.run(tmp_path, *map(_kill, ("task", "connect", "logic", "api")), _restart_redis)


async def test_a_task_and_a_gateway_that_hang_lose_nothing(tmp_path: Path, pauses: Rounds, pause: float) -> None:
    """SIGSTOP of both at once: the task's work is taken over, the gateway's waits for it, and when they wake up they do
    no harm.
    """

    async def fault(scene: Scene) -> None:
        hanging = [scene.load.random.choice(group) for group in (scene.system.task, scene.system.connect)]
        names = " and ".join(process.name for process in hanging)
        scene.diary.note(f"{names} hang, {scene.load.in_flight} messages on their way")
        for process in hanging:
            process.pause()
        await asyncio.sleep(pause)
        for process in hanging:
            process.resume()
        scene.diary.note(f"{names} go on")

    await pauses.run(tmp_path, fault)


async def test_a_gateway_that_task_cannot_reach_loses_nothing(tmp_path: Path, pauses: Rounds, pause: float) -> None:
    """Task is cut off from one gateway, which still reaches logic: its members read on when dispatch comes back."""
    async with proxy.running() as cable:
        ways = itertools.cycle([cable.stall, cable.cut])  # no answer at all, and connections that are reset

        async def fault(scene: Scene) -> None:
            if not cable.target:
                await _lay(cable, scene)
            break_cable = next(ways)
            scene.diary.note(f"task -> connect-0: {break_cable.__name__}, {scene.load.in_flight} messages on their way")
            break_cable()
            await asyncio.sleep(pause)
            cable.heal()
            scene.diary.note("task -> connect-0 works again")

        await pauses.run(tmp_path, fault)


async def _lay(cable: proxy.Proxy, scene: Scene) -> None:
    """Have tasks reach the first gateway through the proxy."""
    gateway = scene.system.connect[0]
    gateway.environ = {**gateway.environ, "CHATCLUSTER_CONNECT_ADDRESS": f"127.0.0.1:{cable.port}"}
    cable.target = gateway.ports["grpc"]
    await gateway.restart()
    await eventually(lambda: all(member.connected for member in scene.load.members), within=30)


async def test_a_cut_tail_is_never_silent(tmp_path: Path, rounds: int, figure: Callable[[str], None]) -> None:
    """Redis comes back without the end of its append-only file: what is gone is told by a new epoch."""
    told: list[bool] = []
    lost: set[str] = set()
    torn: set[str] = set()

    async def fault(scene: Scene) -> None:
        load, server = scene.load, scene.system.redis
        shown = _inboxes(load)  # this much is in the part of the file that is not cut
        await asyncio.sleep(FLUSHED)
        before = server.written()
        await asyncio.sleep(0.7)
        rooms = {s.room: s.position for s in load.sent if s.result == "ok" and s.position}
        await server.kill()
        sent = {message.id for message in load.sent}
        server.cut_tail(before, load.random.random())
        await server.start()
        load.ends.clear()
        scene.diary.note("redis is back without its tail")
        await server.rewrite()
        for room, position in rooms.items():
            told.append(await _is_told(load, room, position))
        for place, ids in _inboxes(load).items():
            torn.update(sent.intersection(ids[len(shown.get(place, ())) :]))

    def excuse(record: checker.Record) -> checker.Record:
        lost.update(checker.missing(record))
        return checker.without(record, frozenset(lost), frozenset(torn))

    await Rounds(rounds, 20, 6, figure, excuse).run(tmp_path, fault)
    figure(f"{len(lost)} acknowledged messages cut off, {told.count(False)} of {len(told)} readers told to reload")
    assert lost, "the cuts took nothing: the run proves nothing"
    assert not all(told), "something was lost and every reader was told that nothing was"


def _inboxes(load: Load) -> dict[int, list[str]]:
    """What each connection was shown of its user's inbox, so far."""
    segments = [segment for member in load.members for segment in member.segments.values()]
    return {id(segment): list(segment.ids) for segment in segments if segment.room.startswith("user:")}


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
            await eventually(lambda: present(load), within=20)
            gone = [member for member in load.members if member.gateway == 0]
            load.gateways = [load.gateways[0]]  # nobody moves to the other one
            for member in gone:
                load.members.remove(member)
            await running.connect[0].kill()

            await eventually(lambda: present(load), within=20 + 5, every=0.2)
        finally:
            await load.close()
