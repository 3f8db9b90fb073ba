from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from prometheus_client import REGISTRY

from chatcluster.core import errors
from chatcluster.task import servers
from support.eventually import eventually
from support.tasking import running

NODE = "redis:6379"
WELL: Mapping[str, Any] = {
    "run_id": "a",
    "uptime_in_seconds": 60,
    "connected_clients": 9,
    "used_memory": 300,
    "maxmemory": 1000,
    "aof_enabled": 1,
    "aof_current_size": 77,
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "total_commands_processed": 100,
    "used_cpu_user": 20.0,
    "used_cpu_sys": 10.0,
    "used_cpu_user_main_thread": 2.0,
    "used_cpu_sys_main_thread": 1.0,
}


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    """Look more often than usual, and leave nothing behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "TICK", 0.01)
        yield


@pytest.fixture
def shown() -> Iterator[servers.Servers]:
    """Nothing yet, and nothing afterwards."""
    shown = servers.Servers(0.85)
    yield shown
    shown.show({})


def value(name: str, node: str = NODE) -> float | None:
    """What a metric of a master says."""
    return REGISTRY.get_sample_value(f"chat_redis_{name}", {"node": node})


def test_figures_of_a_master_are_shown(shown: servers.Servers) -> None:
    """Its memory against both limits, its append-only file, and how busy it is."""
    shown.show({NODE: WELL})

    assert (value("memory_used_bytes"), value("memory_limit_bytes"), value("memory_usable_bytes")) == (300, 1000, 850)
    assert (value("aof_enabled"), value("aof_bytes"), value("clients"), value("uptime_seconds")) == (1, 77, 9, 60)
    assert (value("aof_last_write_ok"), value("aof_last_rewrite_ok")) == (1, 1)


def test_a_file_that_cannot_be_written_is_shown(shown: servers.Servers) -> None:
    """Each of the two ways by itself."""
    shown.show({NODE: {**WELL, "aof_last_write_status": "err"}})
    assert (value("aof_last_write_ok"), value("aof_last_rewrite_ok")) == (0, 1)

    shown.show({NODE: {**WELL, "aof_last_bgrewrite_status": "err"}})
    assert (value("aof_last_write_ok"), value("aof_last_rewrite_ok")) == (1, 0)


def test_a_master_without_a_limit_shows_none(shown: servers.Servers) -> None:
    """A limit of 0 would be one that is always passed."""
    shown.show({NODE: WELL})
    shown.show({NODE: {**WELL, "maxmemory": 0}})

    assert value("memory_used_bytes") == 300
    assert value("memory_limit_bytes") is None
    assert value("memory_usable_bytes") is None


def test_counters_count_from_the_first_look_and_across_a_restart(shown: servers.Servers) -> None:
    """What was before is not this task's to count, nor what another server under the same name has counted."""
    shown.show({NODE: WELL})
    assert value("commands_total") == 0
    shown.show({NODE: {**WELL, "total_commands_processed": 150, "used_cpu_user_main_thread": 2.5}})
    assert (value("commands_total"), value("cpu_seconds_total")) == (50, 0.5)

    taken_over = {**WELL, "run_id": "b", "total_commands_processed": 9000}
    shown.show({NODE: taken_over})
    assert value("commands_total") == 50
    shown.show({NODE: {**taken_over, "total_commands_processed": 9007}})

    assert value("commands_total") == 57


def test_where_threads_are_not_told_apart_all_of_them_count(shown: servers.Servers) -> None:
    """macOS has no figure for one thread."""
    info = {name: figure for name, figure in WELL.items() if not name.endswith("_main_thread")}
    shown.show({NODE: info})
    shown.show({NODE: {**info, "used_cpu_user": 21.0}})

    assert value("cpu_seconds_total") == 1


def test_a_master_that_is_none_any_more_goes(shown: servers.Servers) -> None:
    """So that there are never more series than masters."""
    shown.show({NODE: WELL, "other:6379": WELL})
    shown.show({"other:6379": WELL})

    assert value("memory_used_bytes") is None
    assert value("commands_total") is None
    assert value("memory_limit_bytes") is None
    assert value("memory_used_bytes", "other:6379") == 300


async def test_nothing_is_shown_while_redis_is_away() -> None:
    """Old figures would pass for new ones."""
    answers: list[Mapping[str, servers.Info] | errors.Busy] = [{NODE: WELL}]

    async def look(*sections: str) -> Mapping[str, servers.Info]:
        assert sections == servers.SECTIONS
        if isinstance(answers[0], errors.Busy):
            raise answers[0]
        return answers[0]

    async with running(servers.measure(look, 0.85)):
        await eventually(lambda: value("memory_used_bytes") == 300)
        answers[0] = errors.Unavailable()
        await eventually(lambda: value("memory_used_bytes") is None)
        answers[0] = {NODE: WELL}
        await eventually(lambda: value("memory_used_bytes") == 300)
        answers[0] = {}
        await eventually(lambda: value("memory_used_bytes") is None)
