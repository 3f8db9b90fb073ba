import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

import chatcluster
from chatcluster.core import errors, telemetry

METRICS = {name: value for name, value in vars(telemetry).items() if isinstance(value, MetricWrapperBase)}
SOURCES = Path(chatcluster.__file__).parent


def exported(program: str) -> set[str]:
    """Return the names in code of the metrics that a program exports."""
    page = telemetry.PAGES[program]
    return {name for name, metric in METRICS.items() if metric in page._collector_to_names}


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_called_here_as_outside(name: str) -> None:
    """A metric's name in code is its name in Prometheus, in capitals and without the prefix; each has a help text."""
    described = next(iter(METRICS[name].describe()))
    suffix = "_total" if described.type == "counter" else ""

    assert f"chat_{name.lower()}" == described.name + suffix
    assert re.fullmatch(r"[A-Z0-9].*\.", described.documentation)


@pytest.mark.parametrize("program", telemetry.PAGES)
def test_a_program_exports_what_it_counts(program: str) -> None:
    """Whatever stands in its package is on its page."""
    counted = {
        name
        for path in (SOURCES / program).glob("*.py")
        for name in re.findall(r"telemetry\.([A-Z_]+)\.", path.read_text())
    }

    assert counted <= exported(program)


def test_a_page_has_the_program_s_metrics_and_no_others() -> None:
    """A gauge that is 0 in a program that does not know its value would be taken for a measurement."""
    task, connect = telemetry.page("task").decode(), telemetry.page("connect").decode()

    assert "chat_shards_owned " in task
    assert "chat_shards_owned" not in connect
    assert "chat_event_loop_lag_seconds_count" in task
    assert "process_resident_memory_bytes" in task
    assert "_created" not in task


def test_what_alerts_count_is_there_before_it_happens() -> None:
    """A series that began with its first event would show no increase."""
    page = telemetry.page("task").decode()

    assert 'chat_gateways_passed_over_total{reason="silent"} ' in page
    for code in ("ok", *telemetry.FAULTS):
        assert f'chat_sends_total{{outcome="{code}"}} ' in telemetry.page("api").decode()


def test_the_clusters_own_faults_are_told_from_its_users() -> None:
    """A publish error ratio counts what no client could have done better."""
    assert {"busy", "unavailable", "outcome_unknown", "internal"} == set(telemetry.FAULTS)
    assert errors.RateLimited.code not in telemetry.FAULTS


def test_build_info_names_the_component() -> None:
    """Which version of which component runs can be read off the metrics."""
    telemetry.identify("task")

    assert REGISTRY.get_sample_value("chat_build_info", {"component": "task", "version": chatcluster.__version__}) == 1
