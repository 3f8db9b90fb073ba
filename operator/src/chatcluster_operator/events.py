"""What happened to a ChatCluster, for whoever reads `kubectl describe`.

Owns which transitions of conditions are events, and an event's form. Pure.
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chatcluster_operator import hashing, names
from chatcluster_operator.names import Manifest

_TOLD = {
    ("Ready", "True"),
    ("Progressing", "True"),
    ("Degraded", "True"),
    ("Paused", "True"),
    ("Delivering", "True"),
    ("Delivering", "False"),
}
"""The other side of each is told by one of these: what is not ready progresses, or is degraded."""
_WARNINGS = {("Degraded", "True"), ("Delivering", "False")}


def transitions(body: Manifest, before: Mapping[str, Any], after: Mapping[str, Any], now: str) -> Iterator[Manifest]:
    """An event for each condition that says something new."""
    said = {condition["type"]: condition for condition in before.get("conditions", [])}
    for condition in after["conditions"]:
        if (condition["type"], condition["status"]) in _TOLD and _is_news(said.get(condition["type"]), condition):
            yield _event(body, condition, now)


def _is_news(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
    return before is None or any(before[what] != after[what] for what in ("status", "reason"))


def _event(body: Manifest, condition: Mapping[str, Any], now: str) -> Manifest:
    metadata = body["metadata"]
    kind = "Warning" if (condition["type"], condition["status"]) in _WARNINGS else "Normal"
    # One name for one transition: telling it twice makes no second event.
    name = f"{metadata['name']}.{hashing.digest([metadata['uid'], condition['type'], condition['reason'], now])}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": kind,
        "reason": condition["reason"],
        "message": condition["message"],
        "source": {"component": names.FIELD_MANAGER},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
