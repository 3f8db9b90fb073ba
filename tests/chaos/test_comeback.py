"""A gateway is killed, and all who were on it come to the other one at once, each with a gap to fill."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from support import system
from support.audience import Audience, Listener
from support.eventually import eventually
from support.system import System

MISSED = 12
"""Messages in each room that the killed gateway never served."""
ENVIRON = {
    "CHATCLUSTER_API_MESSAGE_RATE": "10000",
    "CHATCLUSTER_API_MESSAGE_BURST": "10000",
    "CHATCLUSTER_LOGIC_REGISTER_RATE": "100000",
    "CHATCLUSTER_LOGIC_PASSWORD_MEMORY": "8",
    "CHATCLUSTER_LOGIC_PASSWORD_PASSES": "1",
}
"""One speaker a room, and accounts that are made by the hundred; what limits connections and joins is the default."""
WITHIN = 30.0
"""Seconds; on a machine that has nothing else to do, half of it."""
ASKED = ("CheckSession", "CheckSessions", "RegisterRooms", "ReadHistory")
CALLS = 5
"""Calls of logic for a client that comes back, if none of them were one for many: its session, its inbox' registration,
the check of sessions that follows, and reading on in two rooms. The faster they come, the fewer they are."""
SCRIPTS = 10
"""Scripts of Redis for each of them, with all that goes on besides."""


async def test_a_crowd_comes_back_with_its_gaps_filled(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """Half of 1,000 clients lose their gateway, and more than ten messages each: all are back soon, nothing is missing
    or shown twice, and each costs logic and Redis a few steps, however many messages it missed.
    """
    async with (
        system.running(tmp_path, counts=(1, 1, 2, 1), environ=ENVIRON) as running,
        Audience(running, rooms=20, members=50) as audience,
    ):
        lost = audience.of(0)
        await audience.say(1)
        await eventually(lambda: all(each.offset == 1 for each in audience.listeners), within=WITHIN)
        running.connect[0].pause()
        await audience.say(MISSED)
        gaps = [MISSED + 1 - listener.offset for listener in lost]
        before, moment = await _costs(running), asyncio.get_running_loop().time()
        await running.connect[0].kill()
        await eventually(lambda: _are_whole(audience.listeners, 1 + MISSED), within=WITHIN, every=0.1)
        whole = asyncio.get_running_loop().time() - moment
        asked = await _costs(running) - before
        await audience.say(1)
        await eventually(lambda: _are_whole(audience.listeners, 2 + MISSED), within=WITHIN, every=0.1)

        slowest = max(listener.back_after(moment) for listener in lost)
        figure(f"{len(lost)} of {len(audience.listeners)} clients with gaps of {min(gaps)} to {max(gaps)} messages: "
               f"all connected after {slowest:.1f} s, all gaps filled after {whole:.1f} s")  # fmt: skip
        calls, scripts = sum(asked[name] for name in ASKED), asked["redis evalsha"]
        each = f"{calls / len(lost):.1f} calls of logic and {scripts / len(lost):.1f} scripts of Redis for each of them"
        figure(f"{each}; {', '.join(f'{name} {count}' for name, count in asked.most_common(12))}")
        assert min(gaps) > 10
        assert calls <= CALLS * len(lost)
        assert scripts <= SCRIPTS * len(lost)
        for room in audience.rooms:
            history = await audience.history(room)
            for listener in audience.listeners:
                if listener.name == room:
                    assert listener.fault is None, listener.fault
                    assert listener.room
                    listener.shown.check(history, 1, listener.room.track.joined_at)
                    assert len(listener.shown.log) == len(history)


def _are_whole(listeners: list[Listener], upto: int) -> bool:
    behind = [each.user.name for each in listeners if not each.is_there or each.offset < upto]
    assert not behind, f"{len(behind)} are not there yet: {behind[:3]}"
    return True


async def _costs(running: System) -> Counter[str]:
    """What logic was called for, by method, and Redis, by command."""
    found = Counter[str]()
    for name in (*ASKED, "UnregisterRooms", "ReportPresence"):
        for logic in running.logic:
            labels = {"side": "server", "method": name}
            found[name] += int(await logic.metric("chat_rpc_latency_seconds_count", **labels))
    async with running.redis.client() as client:
        stats = await client.info("commandstats")
    found.update({f"redis {name.removeprefix('cmdstat_')}": each["calls"] for name, each in stats.items()})
    return found
