from google.protobuf.message import DecodeError
from prometheus_client import REGISTRY

from chatcluster.connect.observation import Observation
from chatcluster.connect.room import Gap, Item
from chatcluster.core.ids import RoomName
from chatcluster.v1 import types_pb2 as pb

GAP = Gap(RoomName("room:1"), 1, 2)


def value(name: str, **labels: str) -> float:
    """What a metric stands at."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_deliveries_are_counted_by_connection_and_timed_by_publication() -> None:
    """Two publications to three connections are six deliveries and two latencies; nothing else counts."""
    before = value("chat_deliveries_total", protocol="test"), value("chat_delivery_latency_seconds_sum")
    items: list[Item] = [pb.Publication(time_ms=9_000), pb.Publication(time_ms=9_500), pb.Ephemeral(), GAP]
    Observation(lambda: 10.0).served("test", items, 3)

    assert value("chat_deliveries_total", protocol="test") - before[0] == 6
    assert value("chat_delivery_latency_seconds_sum") - before[1] == 1.5


def test_what_was_missed_and_what_failed_is_counted() -> None:
    """Operators see gaps by outcome, and items that nobody could be shown."""
    gaps, failures = value("chat_gaps_total", outcome="gap"), value("chat_rejected_total", reason="undecodable")
    observation = Observation(lambda: 10.0)
    observation.missed("gap")
    observation.failed(pb.Publication(), DecodeError())

    assert value("chat_gaps_total", outcome="gap") - gaps == 1
    assert value("chat_rejected_total", reason="undecodable") - failures == 1
