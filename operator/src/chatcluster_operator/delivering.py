"""What the synthetic user says of delivery, and whether a rollout may go on by it.

Owns the verdict as the operator understands it, and the question that makes sure of its age. Both stand in a ConfigMap:
the operator asks by naming the pod templates that have arrived, and the answer rests on messages alone that were sent
after the question was heard. So no clock has to be trusted, and nothing is written while nothing is rolled out. Pure.

A rollout goes on after a component when messages arrive. It stops while a part is to blame that is new already. It
goes on while the blame is on a part whose turn is still to come: the new template may be what repairs it. And it goes
on when nothing has been known for `PATIENCE` seconds, or eight messages' time: the synthetic user itself does not run
then, and is there to help, not to stand in the way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chatcluster_operator import names, pods
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Observed
from chatcluster_operator.resources import synthetic
from chatcluster_operator.spec import COMPONENTS, ChatCluster

CONDITION = "Delivering"
PATIENCE = 120
"""Seconds."""
_MESSAGES = 8
"""In whose time a question is heard, judged and answered: at longer intervals patience has to last for so many."""
_REASONS = {
    "api": "ApiAtFault",
    "logic": "LogicAtFault",
    "Redis": "RedisAtFault",
    "task": "TaskAtFault",
    "gateway": "GatewayAtFault",
}
_NEW_WITH = {"task": "task", "Redis": "logic", "logic": "logic", "api": "api", "gateway": "connect"}
"""The component by whose change a part becomes new: it is logic that finds Redis at fault, by its own settings."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of delivery."""

    delivering: bool | None
    """None: nothing."""
    reason: str
    message: str
    part: str = ""
    """Of a message's way, that is to blame."""


def verdict(cluster: ChatCluster, seen: Observed) -> Verdict | None:
    """What the synthetic user says now; None where there is none."""
    if not cluster.spec.monitoring.synthetic_user.enabled:
        return None
    live = seen.program(cluster, names.SYNTHETIC) or {}
    # Whether its controller has looked at its last change does not matter: each annotation is one.
    if not live.get("status", {}).get("readyReplicas"):
        return Verdict(None, "SyntheticUserNotReady", _why_not_ready(cluster, seen))
    data = _data(cluster, seen)
    if "delivering" not in data:
        return Verdict(None, "NotYetKnown", "the synthetic user has not sent enough messages yet")
    if data.get(synthetic.QUESTION, "") != data.get("answered", ""):
        return Verdict(None, "Judging", "messages are watched after a change")
    if data["delivering"] == "True":
        return Verdict(True, "Delivered", "messages are stored, and every gateway shows them")
    part = data.get("part", "")
    return Verdict(False, _REASONS.get(part, "NotDelivered"), data.get("message", ""), part)


def question(cluster: ChatCluster, seen: Observed, watched: Mapping[str, str], settled: Mapping[str, str]) -> str:
    """What is to be asked: about the components of `watched` with these templates, unless that was asked already.

    It stays as it is while nothing is watched; the first one is about all that are `settled`, and so is the one after a
    rollout that was taken back: what was learnt of templates that are gone must not answer for their next attempt.
    """
    asked = _data(cluster, seen).get(synthetic.QUESTION, "")
    is_over = not watched and settled.keys() >= set(COMPONENTS)
    if _report(cluster, seen) is None or (is_over and not set(asked.split()) <= set(_written(settled).split())):
        return _written(settled)
    return asked if _is_asked(cluster, seen, watched) else _written(watched)


def lets_on(cluster: ChatCluster, seen: Observed, arrived: Mapping[str, str]) -> bool:
    """Whether a rollout may go on after these components, which have arrived with these templates."""
    told = verdict(cluster, seen)
    if told is None or not arrived:
        return True
    if told.delivering is None:
        return seen.is_out_of_patience
    if not _is_asked(cluster, seen, arrived):
        return False  # whatever is known was learnt before
    return told.delivering or _comes_after(told.part, list(arrived)[-1])


def is_out_of_patience(conditions: Iterable[Mapping[str, Any]], now: str, interval: int) -> bool:
    """Whether nothing has been known for so long that nobody waits for it any more.

    `now` is in RFC 3339; `interval`: seconds between two messages.
    """
    told = next((one for one in conditions if one["type"] == CONDITION), None)
    if told is None or told["status"] != "Unknown":
        return False
    waited = datetime.fromisoformat(now) - datetime.fromisoformat(told["lastTransitionTime"])
    return waited.total_seconds() >= max(PATIENCE, _MESSAGES * interval)


def _comes_after(part: str, component: str) -> bool:
    order, turn = [str(one) for one in COMPONENTS], _NEW_WITH.get(part)
    return turn is not None and order.index(turn) > order.index(component)


def _is_asked(cluster: ChatCluster, seen: Observed, templates: Mapping[str, str]) -> bool:
    asked = _data(cluster, seen).get(synthetic.QUESTION, "")
    return set(_written(templates).split()) <= set(asked.split())


def _written(templates: Mapping[str, str]) -> str:
    return " ".join(f"{component}={template}" for component, template in templates.items())


def _report(cluster: ChatCluster, seen: Observed) -> Manifest | None:
    return seen.children.get(("ConfigMap", names.child(cluster, names.SYNTHETIC)))


def _data(cluster: ChatCluster, seen: Observed) -> dict[str, str]:
    data: dict[str, str] = (_report(cluster, seen) or {}).get("data", {})
    return data


def _why_not_ready(cluster: ChatCluster, seen: Observed) -> str:
    found = (pods.problem(pod) for pod in seen.pods_of(names.SYNTHETIC))
    problem = next(filter(None, found), None)
    return problem.message if problem else f"{names.child(cluster, names.SYNTHETIC)} is not ready"
