"""Rounds of faults under load: people chat, programs are struck at seeded random moments, and the checker has the word.

200 messages a second: 20 rooms of 10 members on two gateways, and private messages. What a run ends with is printed
(`pytest -s`); when something does not hold, the assertion names a report of what happened around it (`diary`).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support import checker, diary, system
from support.diary import Diary
from support.eventually import eventually
from support.load import Load
from support.system import System

RATE = 200
ROOMS = 20
SETTINGS = {
    "CHATCLUSTER_LOGIC_REGISTER_RATE": "100000",
    "CHATCLUSTER_LOGIC_PASSWORD_MEMORY": "64",
    "CHATCLUSTER_API_MESSAGE_RATE": "1000",
    "CHATCLUSTER_API_MESSAGE_BURST": "1000",
    "CHATCLUSTER_LOG_HISTORY_SIZE": "100000",
    "CHATCLUSTER_LOG_HISTORY_BYTES": str(2**28),
}
"""What a load of a few busy senders needs; the product's defaults are for people."""
ACKNOWLEDGED = 0.99
"""The part of all messages that has to be."""
REFUSAL = 10.0
"""Seconds in which nothing at all is acknowledged, at the most."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A running system, the people in it, and what has been done to it."""

    system: System
    load: Load
    diary: Diary


Fault = Callable[[Scene], Awaitable[None]]
"""Strikes, and returns when what it struck runs again."""


@asynccontextmanager
async def crowd(folder: Path, seed: int) -> AsyncIterator[Scene]:
    """A running system with people in it."""
    async with system.running(folder, environ=SETTINGS) as running:
        load = Load(running.api_url, [running.websocket_url(0), running.websocket_url(1)], seed)
        try:
            await load.populate(rooms=ROOMS, members=10, people=40)
            yield Scene(running, load, Diary())
        finally:
            await load.close()


@dataclass(slots=True)
class Rounds:
    """How often faults strike, and for how long people chat each time."""

    count: int
    seconds: float
    calm: float
    """Seconds at the end of a round in which nothing new strikes."""
    figure: Callable[[str], None]
    excuse: Callable[[checker.Record], checker.Record] = lambda record: record
    """Takes out of a record what the faults explain."""
    struck: int = 0
    """Faults that struck while a message was being sent."""
    worst: float = 1.0
    """The part of its messages that were acknowledged, in the round in which it was smallest."""

    async def run(self, folder: Path, *faults: Fault) -> checker.Record:
        """Chat through all rounds with every fault in each of them, in any order; then everything has to settle and
        to hold. Returns the record.
        """
        seed = random.SystemRandom().randrange(10**6)
        self.figure(f"seed {seed}")
        async with crowd(folder, seed) as scene:
            try:
                await self._play(scene, faults)
                await self._settle(scene)
                self._hold(scene)
            except Exception as failure:
                scene.diary.note(f"the run ended by {type(failure).__name__}: {failure}")
                failure.add_note(f"Report: {self._report(folder, scene)}")
                raise
            return scene.load.record()

    async def _play(self, scene: Scene, faults: Sequence[Fault]) -> None:
        watching = asyncio.create_task(_watch_generator(scene.diary))
        for number in range(self.count):
            scene.diary.note(f"round {number + 1}")
            before = len(scene.load.sent)
            chatting = asyncio.create_task(scene.load.run(self.seconds, RATE))
            await self._strike(scene, faults)
            await chatting
            await _last_words(scene.load)
            self.worst = min(self.worst, checker.acknowledged(scene.load.sent[before:]))
        watching.cancel()

    async def _strike(self, scene: Scene, faults: Sequence[Fault]) -> None:
        loop, draw = asyncio.get_running_loop(), scene.load.random
        began, part = loop.time(), (self.seconds - self.calm) / len(faults)
        for number, fault in enumerate(draw.sample(faults, len(faults))):
            # In the first half of its own part of the round: the other half is for recovery.
            await asyncio.sleep(max(0, began + part * (number + draw.uniform(0, 0.5)) - loop.time()))
            self.struck += scene.load.in_flight > 0
            await fault(scene)

    async def _settle(self, scene: Scene) -> None:
        scene.diary.note("the last round is over")
        await scene.load.settle()
        await eventually(lambda: _quiet(scene.system), within=90, every=0.5, what="no backlog")
        await eventually(lambda: present(scene.load), within=90, every=0.5, what="presence is the truth")

    def _hold(self, scene: Scene) -> None:
        load, record = scene.load, self.excuse(scene.load.record())
        self.figure(
            f"{self.count} rounds of {self.seconds:.0f} s, {len(load.sent)} messages, "
            f"{checker.acknowledged(load.sent):.3%} acknowledged ({self.worst:.3%} in the worst round), "
            f"longest refusal {load.longest_refusal():.1f} s, "
            f"{len(record.segments)} rooms of connections checked, {len(load.readings)} read on after one was lost, "
            f"{self.struck} faults struck while a message was on its way"
        )
        found = checker.violations(record)
        assert not found, f"{len(found)} violations, the first of them: {found[0]}"
        assert checker.acknowledged(load.sent) >= ACKNOWLEDGED
        assert load.longest_refusal() <= REFUSAL
        assert self.struck, "no fault struck while a message was on its way: the run proves little"
        assert "Traceback" not in system.logged(scene.system.processes)

    def _report(self, folder: Path, scene: Scene) -> Path:
        record = scene.load.record()
        if record.history:  # else it ended before anything could be compared with what is stored
            record = self.excuse(record)
        found = checker.violations(record) if record.history else []
        logs = [process.log for process in scene.system.processes] + [scene.system.redis.log]
        return diary.write(folder, scene.diary, record, found, logs)


async def _watch_generator(diary: Diary) -> None:
    """Write down when the generator itself got no time: what it then says of others is worth little."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.2
        await asyncio.sleep(0.2)
        if (late := loop.time() - due) > 0.3:
            diary.note(f"the generator itself was {late:.1f} s late")


async def _last_words(load: Load) -> None:
    """In some rooms, one message that none follows."""
    for room in load.random.sample(range(1, ROOMS + 1), 3):
        await load.publish(f"room:{room}", f"/v1/rooms/room:{room}/messages")


async def _quiet(running: System) -> bool:
    backlogs = [await task.metric("chat_dispatch_backlog_entries") for task in running.task if task.running]
    return not any(backlogs)


async def present(load: Load) -> bool:
    """Whether every room is shown with who is in it and nobody else; raises AssertionError for one that is not."""
    for room in sorted({member.room for member in load.members}):
        users = {member.user.id for member in load.members if member.room == room}
        members = await load.shown(room)
        assert members == users, f"room {room}: {len(members)} shown, {len(users)} there"
    return True
