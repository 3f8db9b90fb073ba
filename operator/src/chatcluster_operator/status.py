"""What is said of a ChatCluster: conditions, counts, addresses.

Owns the status, one function for each condition. Pure: a function of what was wanted, what was seen, and what failed.
A condition's time moves only with its status; a status that says nothing new is not written.
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatcluster_operator import delivering, errors, names, observed, pods, rollout, scaling
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key, Observed
from chatcluster_operator.pods import Problem
from chatcluster_operator.spec import COMPONENTS, ChatCluster, Component

MESSAGE_LENGTH = 1_024
"""Characters of a condition's message, at most."""
_TITLES = {"task": "task", "logic": "logic", "api": "api", "connect": "gateways"}
_STATUS = {True: "True", False: "False", None: "Unknown"}


@dataclass(frozen=True, slots=True)
class View:
    """What a status is made from."""

    cluster: ChatCluster
    desired: Sequence[Manifest]
    """Before rollout holds anything back."""
    seen: Observed
    pending: Sequence[Key] = ()
    """The children that are not as specified, or were not until a moment ago."""
    failures: Sequence[errors.OperatorError] = ()
    """What this reconcile could not do."""
    image: str = ""
    """Of the programs, as the spec or the operator would have it."""


@dataclass(frozen=True, slots=True)
class _Condition:
    type: str
    status: bool | None
    """None: unknown."""
    reason: str
    message: str


def status(view: View, previous: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The whole status. `previous` is the one that is live; `now` in RFC 3339 is for conditions that changed."""
    since = {condition["type"]: condition for condition in previous.get("conditions", [])}
    generation = view.cluster.generation
    conditions = [_stamped(condition, generation, since, now) for condition in _conditions(view)]
    return {
        "observedGeneration": generation,
        "conditions": conditions,
        "components": {component: _component(view, component) for component in COMPONENTS},
        "endpoints": _endpoints(view.cluster),
        "selector": ",".join(f"{name}={value}" for name, value in names.selector(view.cluster, "connect").items()),
        "redis": {"ready": _redis_answers(view)},
        "version": version_of(view.image),
    }


def of_invalid(
    body: Mapping[str, Any], problem: errors.OperatorError, previous: Mapping[str, Any], now: str
) -> dict[str, Any]:
    """The status of a resource that cannot be read: what was known of its pods stays, and the reason is told."""
    since = {condition["type"]: condition for condition in previous.get("conditions", [])}
    generation = body["metadata"]["generation"]
    told = {
        name: _stamped(_Condition(name, status, problem.reason, str(problem)), generation, since, now)
        for name, status in (("Ready", False), ("Degraded", True))
    }
    # Each in its old place: the same things said in another order would be written again and again.
    conditions = list({**since, **told}.values())
    return {**previous, "observedGeneration": generation, "conditions": conditions}


def _stamped(condition: _Condition, generation: int, since: Mapping[str, Any], now: str) -> dict[str, Any]:
    status, before = _STATUS[condition.status], since.get(condition.type, {})
    return {
        "type": condition.type,
        "status": status,
        "reason": condition.reason,
        "message": condition.message[:MESSAGE_LENGTH],
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if before.get("status") == status else now,
    }


def _conditions(view: View) -> list[_Condition]:
    told = delivering.verdict(view.cluster, view.seen)
    found = [_Condition(delivering.CONDITION, told.delivering, told.reason, told.message)] if told else []
    return [_ready(view), _progressing(view), _degraded(view), _redis_ready(view), *found, _paused(view)]


def _ready(view: View) -> _Condition:
    """Everything runs what the spec says, with all pods ready."""
    if problem := next(_problems(view), None):
        return _Condition("Ready", False, problem.reason, problem.message)
    if missing := _incomplete(view):
        return _Condition("Ready", False, "Progressing", f"waiting for {', '.join(missing)}")
    return _Condition("Ready", True, "AllReady", f"all programs run as specified, with all pods ready{_kept(view)}")


def _kept(view: View) -> str:
    """Which programs stay at the number of pods that their autoscaler has left behind."""
    found = scaling.kept(view.cluster, view.seen)
    return "".join(
        f"; {_TITLES[component]}: {left.replicas} pods stay, as the autoscaler left them, "
        f"until spec.{component}.replicas is changed"
        for component, left in found.items()
    )


def _progressing(view: View) -> _Condition:
    """Something is on its way to what the spec says."""
    turn = rollout.turn(view.cluster, view.desired, view.seen)
    missing = _incomplete(view)
    if not missing:
        return _Condition("Progressing", False, "Complete", "nothing is being changed")
    text = f"waiting for {', '.join(missing)}"
    if held := [component for component in turn.waiting if component in COMPONENTS]:
        text += f"; next: {', '.join(held)}"
    if turn.watched:
        text += f", when messages are seen to arrive after the change of {_last(turn.watched)}"
    return _Condition("Progressing", True, "RollingOut", text)


def _degraded(view: View) -> _Condition:
    """Something keeps it from getting there, or from staying there."""
    problems = list(_problems(view))
    if not problems:
        return _Condition("Degraded", False, "NoProblem", "no problem is known")
    text = "; ".join(problem.message for problem in problems)
    return _Condition("Degraded", True, problems[0].reason, text)


def _redis_ready(view: View) -> _Condition:
    if view.cluster.spec.redis.external:
        return _Condition(
            "RedisReady", True, "External", "Redis is not run by this operator: the pods' readiness tells"
        )
    live = view.seen.program(view.cluster, names.REDIS)
    if live and observed.is_complete(live):
        return _Condition("RedisReady", True, "Running", "the managed Redis is ready")
    return _Condition("RedisReady", False, "NotReady", f"{names.child(view.cluster, names.REDIS)} is not ready")


def _paused(view: View) -> _Condition:
    if view.cluster.paused:
        return _Condition("Paused", True, "Annotated", "nothing is changed while chatcluster.io/paused is true")
    return _Condition("Paused", False, "NotPaused", "changes are applied")


def _problems(view: View) -> Iterator[Problem]:
    yield from (Problem(failure.reason, str(failure)) for failure in view.failures)
    if missing := view.seen.unknown_storage_class:
        yield Problem("UnknownStorageClass", f"Redis' volume waits for StorageClass {missing!r}, which does not exist")
    for component in (*_redis_components(view), *COMPONENTS):
        yield from _problems_of(view, component)
    yield from _problems_of_delivery(view)


def _redis_components(view: View) -> tuple[str, ...]:
    return (names.REDIS,) if view.cluster.spec.redis.managed else ()


def _problems_of(view: View, component: str) -> Iterator[Problem]:
    """The first problem of its pods, what keeps it from having more pods, and a rollout that does not get on."""
    found = (pods.problem(pod) for pod in view.seen.pods_of(component))
    yield from filter(None, [next(filter(None, found), None)])
    live = view.seen.program(view.cluster, component)
    for condition in (live or {}).get("status", {}).get("conditions", []):
        if (condition["type"], condition["status"]) in {("ReplicaFailure", "True"), ("Progressing", "False")}:
            yield Problem(condition["reason"], f"{names.child(view.cluster, component)}: {condition['message']}")


def _problems_of_delivery(view: View) -> Iterator[Problem]:
    told = delivering.verdict(view.cluster, view.seen)
    if told is None or told.delivering is not False:
        return
    if watched := rollout.turn(view.cluster, view.desired, view.seen).watched:
        stop = f"the rollout stops after {_last(watched)}, until messages arrive"
        yield Problem("RolloutStopped", f"{stop}, or spec.monitoring.syntheticUser is turned off; {told.message}")
    else:
        yield Problem(told.reason, told.message)


def _last(watched: Mapping[str, str]) -> str:
    return _TITLES[list(watched)[-1]]


def _incomplete(view: View) -> list[str]:
    """The programs that do not run what the spec says with all pods ready; if all do, other children to wait for."""
    desired = {manifest["metadata"]["name"]: manifest for manifest in view.desired if manifest["kind"] == "Deployment"}
    missing = []
    for component in COMPONENTS:
        live = view.seen.program(view.cluster, component)
        wanted = desired.get(names.child(view.cluster, component))
        if live is None or wanted is None or not rollout.has_arrived(wanted, live):
            missing.append(_TITLES[component])
    redis = view.seen.program(view.cluster, names.REDIS)
    is_there = not view.cluster.spec.redis.managed or (redis is not None and observed.is_complete(redis))
    waits_for = missing if is_there else ["Redis", *missing]
    return waits_for or [f"{kind} {name}" for kind, name in view.pending]


def _redis_answers(view: View) -> bool:
    """Of an external one logic tells: it is not ready before it has reached it."""
    if view.cluster.spec.redis.external:
        return bool(_component(view, "logic")["ready"])
    live = view.seen.program(view.cluster, names.REDIS)
    return live is not None and observed.is_complete(live)


def version_of(image: str) -> str:
    """The tag of an image, or its digest; `latest` where it has neither."""
    name, at, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return digest if at else tag or "latest"


def _component(view: View, component: Component) -> dict[str, Any]:
    live = view.seen.program(view.cluster, component) or {"spec": {}, "status": {}}
    counts = live.get("status", {})
    desired, ready = live["spec"].get("replicas", 0), counts.get("readyReplicas", 0)
    containers = live["spec"].get("template", {}).get("spec", {}).get("containers", [])
    return {
        "desired": desired,
        "scaledBy": _scaled_by(view, component),
        "replicas": counts.get("replicas", 0),
        "updated": counts.get("updatedReplicas", 0),
        "ready": ready,
        "summary": f"{ready}/{desired}",
        "image": next((container["image"] for container in containers if container["name"] == component), ""),
    }


def _scaled_by(view: View, component: Component) -> str:
    if view.cluster.spec.program(component).autoscaling:
        return "Autoscaler"
    return "Kept" if component in scaling.kept(view.cluster, view.seen) else "Spec"


def _endpoints(cluster: ChatCluster) -> dict[str, str]:
    connect, tcp = f"{names.child(cluster, 'connect')}.{cluster.namespace}", cluster.spec.connect.tcp.enabled
    api = f"http://{names.child(cluster, 'api')}.{cluster.namespace}:{names.PORTS['api']}"
    websocket = f"ws://{connect}:{names.PORTS['websocket']}/ws"
    return {"api": api, "websocket": websocket} | ({"tcp": f"{connect}:{names.PORTS['tcp']}"} if tcp else {})
