"""What is pure of it; the calls themselves are tested over real gRPC in tests/integration/test_task.py."""

from prometheus_client import REGISTRY

from chatcluster.core.ids import ShardId
from chatcluster.task.callers import Callers, Observation
from chatcluster.task.dispatch import Dispatch
from chatcluster.task.lane import Bounds
from support.tasking import GATEWAY, Reasons


def counted(name: str, **labels: str) -> float:
    """A metric's value."""
    return REGISTRY.get_sample_value(name, labels) or 0


def test_passing_over_is_counted_by_its_reason() -> None:
    """A lane that overflowed is counted besides."""
    before = [
        counted("chat_gateways_passed_over_total", reason="silent"),
        counted("chat_gateways_passed_over_total", reason="overflow"),
        counted("chat_lane_overflows_total"),
    ]
    for reason in ("silent", "overflow", "silent"):
        Observation().passed_over(reason)

    assert [
        counted("chat_gateways_passed_over_total", reason="silent"),
        counted("chat_gateways_passed_over_total", reason="overflow"),
        counted("chat_lane_overflows_total"),
    ] == [before[0] + 2, before[1] + 1, before[2] + 1]


def test_dropped_ephemerals_are_counted() -> None:
    """With those that logic drops."""
    before = counted("chat_ephemerals_dropped_total")
    Observation().dropped(3)

    assert counted("chat_ephemerals_dropped_total") == before + 3


def test_lanes_are_made_before_there_are_callers() -> None:
    """What is routed while the program still starts is not lost."""
    dispatch = Dispatch("demo", Reasons(), Bounds())
    told: list[ShardId] = []
    callers = Callers(dispatch, "secret", 4, lambda: 0.0, told.extend)

    callers.follow({GATEWAY: "127.0.0.1:1"})

    assert list(dispatch.lanes) == [GATEWAY]
    assert told == []
