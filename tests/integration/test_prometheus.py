"""A real Prometheus at a running system: what alerts and dashboards ask for is there, and does not grow without end."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from support import prometheus
from support.eventually import eventually
from support.load import Load
from support.prometheus import Api, Target
from support.system import System, running

OVER = "30s"
"""What dashboards look back over: the load, and the trouble that follows it."""
ELSEWHERE = ("chat_directory_", "chat_operator_")
"""Beginnings of what only Kubernetes brings about; tests/cluster/test_prometheus.py asks for the operator's."""
ONLY_IN_NEED = {"chat_dead_letters_total"}
"""What is there only after it has happened, and is not brought about here: tests/integration/test_task.py does."""
TROUBLE = {"ChatTargetDown", "ChatDependencyLost", "ChatSyntheticFailing", "ChatOperatorAbsent"}
"""What is told of at once when a gateway dies and Redis hangs, where no operator is looked at."""

SLOWNESS = {"ChatDeliverySlow", "ChatEventLoopSlow", "ChatSyntheticSlow", "ChatBacklogOld"}
"""What a busy machine may bring about by itself."""
BY_CHANCE = 2 * 17
"""Series of a program that may come with time and not with people: two kinds of calls that were not made before."""


@pytest.fixture(name="watched")
async def _watched(tmp_path: Path) -> AsyncIterator[System]:
    """Yield a system with a synthetic user, over a Redis that has a limit."""
    prometheus.require()
    async with running(tmp_path / "system", redis_options={"maxmemory": "256mb"}) as system:
        await system.add_synthetic(CHATCLUSTER_SYNTHETIC_INTERVAL="1")
        await system.ready()
        yield system


@pytest.mark.process
async def test_alerts_and_dashboards_find_what_they_ask_for(
    watched: System, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """While all is well no alert is on its way, and more people and rooms make no series. When a gateway dies and Redis
    hangs, alerts say so; and then there is no query left that finds nothing.
    """
    load = Load(watched.api_url, [watched.websocket_url(number) for number in range(2)], seed=1)
    async with prometheus.running(tmp_path / "prometheus", targets(watched)) as api:
        await load.populate(rooms=2, members=2, people=3)
        await load.run(10, rate=10)
        before = await series(api)
        await load.join(rooms=12, members=1)
        await load.run(10, rate=10)

        after = await series(api)
        assert {name: after[name] - before[name] for name in before if after[name] > before[name] + BY_CHANCE} == {}
        assert await values_of_people(api, load) == set()
        assert await alerting(api, "firing") == set()
        assert await alerting(api, "pending") <= {"ChatOperatorAbsent", *SLOWNESS}

        async with load.chatting(rate=5):
            await look_in_and_leave(watched)
            await watched.connect[1].kill()
            watched.redis.pause()
            await eventually(partial(tells, api, TROUBLE), within=60, every=1)
            watched.redis.resume()
            await eventually(partial(answers, api), within=90, every=2)
        await load.close()

        assert [rule["name"] for rule in await api.rules() if rule["health"] != "ok"] == []
    figure(f"series of a program: {', '.join(f'{name} {count}' for name, count in sorted(before.items()))}")


def targets(system: System) -> Iterator[Target]:
    """Yield its programs."""
    for process in system.processes:
        yield Target(process.name, f"127.0.0.1:{process.ports['health']}", process.name.rpartition("-")[0])


async def series(api: Api) -> dict[str, int]:
    """Return how many series a program has; of several pods, the one that has most."""
    found: Counter[str] = Counter()
    for labels, count in await api.ask('count by (component, pod) ({component!="", __name__!="ALERTS"})'):
        found[labels["component"]] = max(found[labels["component"]], int(count))
    return dict(found)


async def values_of_people(api: Api, load: Load) -> set[str]:
    """Return the values of labels that come from people: their names, their numbers, their rooms."""
    people = [*load.people, *load.senders]
    theirs = {user.name for user in people} | {f"room:{number}" for number in range(1, 13)}
    theirs |= {f"{kind}:{user.id}" for user in people for kind in ("user", "dm")}
    values = {value for labels, _ in await api.ask('{chatcluster!=""}') for value in labels.values()}
    return {value for value in values if any(each in value for each in theirs)}


async def alerting(api: Api, *states: str) -> set[str]:
    """Return the alerts that are in these states."""
    return {rule["name"] for rule in await api.rules() if rule.get("state") in states}


async def tells(api: Api, expected: set[str]) -> bool:
    """Whether these alerts are pending or firing."""
    found = await alerting(api, "pending", "firing")
    assert expected <= found, found
    return True


async def look_in_and_leave(system: System) -> None:
    """Connect, and say nothing."""
    async with connect(system.websocket_url(0), compression=None):
        pass


async def answers(api: Api) -> bool:
    """Whether everything that panels and rules ask for has an answer."""
    silent = [asked async for asked in prometheus.unanswered(api, is_expected, OVER)]
    assert not silent, silent
    return True


def is_expected(metrics: set[str]) -> bool:
    """Whether what is made of these metrics has an answer here."""
    return not metrics & ONLY_IN_NEED and not any(metric.startswith(ELSEWHERE) for metric in metrics)
