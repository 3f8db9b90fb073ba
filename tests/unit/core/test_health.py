import pytest
from prometheus_client import REGISTRY

from chatcluster.core import environment, health
from chatcluster.core.health import Readiness


def up(dependency: str) -> float | None:
    """What the metric says of a dependency."""
    return REGISTRY.get_sample_value("chat_dependency_up", {"dependency": dependency})


def test_every_dependency_holds_readiness_back_once() -> None:
    """Ready is who reached each dependency once; losing one again is shown and gates nothing."""
    readiness = Readiness()
    logic, redis = readiness.dependency("logic"), readiness.dependency("redis")
    assert not readiness.ready
    logic.reached()
    assert not readiness.ready
    redis.reached()
    assert readiness.ready

    assert up("redis") == 1

    redis.lost("connection refused")

    assert (up("logic"), up("redis")) == (1, 0)
    assert readiness.ready
    assert readiness.detail() == {
        "ready": True,
        "draining": False,
        "dependencies": {"logic": "ok", "redis": "connection refused"},
    }


def test_a_strict_program_is_ready_while_its_dependencies_answer() -> None:
    """It is sent no work that would have to go elsewhere: being unready only says how it is."""
    readiness = Readiness(strict=True)
    report = readiness.dependency("report")
    report.reached()
    assert readiness.ready

    report.lost("no answer")

    assert not readiness.ready
    report.reached()
    assert readiness.ready


def test_a_draining_program_is_unready_for_good() -> None:
    """Nothing that is reached makes a draining program ready again."""
    readiness = Readiness()

    readiness.drain()
    readiness.dependency("logic").reached()

    assert not readiness.ready


def test_a_dependency_is_known_by_its_name() -> None:
    """Asking twice for a name gives the same dependency."""
    readiness = Readiness()

    assert readiness.dependency("logic") is readiness.dependency("logic")


def test_settings() -> None:
    """The health port has a default and bounds."""
    assert health.Settings.from_env({}) == health.Settings("127.0.0.1", 9070)
    assert health.Settings.from_env({"CHATCLUSTER_HEALTH_PORT": "0"}).port == 0
    with pytest.raises(environment.WrongSetting, match="CHATCLUSTER_HEALTH_PORT"):
        health.Settings.from_env({"CHATCLUSTER_HEALTH_PORT": "70000"})
