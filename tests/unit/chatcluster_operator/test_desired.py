from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec import inspect

from chatcluster_operator import desired, names, observed
from chatcluster_operator.names import Manifest
from chatcluster_operator.spec import COMPONENTS, Spec
from support import manifests
from support.manifests import EXTERNAL, merged, nested

GOLDEN = Path(__file__).parent / "golden" / "empty-spec.yaml"
DEPLOYMENT, SERVICE, AUTOSCALER = "Deployment", "Service", "HorizontalPodAutoscaler"
WITH_AUTOSCALER: dict[str, Any] = {component: {"autoscaling": {"maxReplicas": 5}} for component in COMPONENTS}
WITH_INGRESS = nested("exposure.ingress", {"host": "a.example.com", "tlsSecretName": "certificate"})
WITH_CA = merged(EXTERNAL, nested("redis.external.caSecretRef", {"name": "ca", "key": "ca.crt"}))


@dataclass(frozen=True)
class Change:
    """Another value of one field of the spec, and what that comes to."""

    value: Any
    rolls: str = ""
    """The components whose pods are replaced."""
    kinds: str = DEPLOYMENT
    """The kinds of which any object changes, comes or goes."""
    base: Mapping[str, Any] | None = None
    """A spec in which the field has a meaning; empty by default."""


ALL, AUTHORS, STORES = "task logic api connect", "api connect", "task logic"
POD_TEMPLATE = {
    "labels": {"team": "chat"},
    "annotations": {"example.com/a": "b"},
    "nodeSelector": {"disk": "ssd"},
    "affinity": {"nodeAffinity": {}},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    "priorityClassName": "high",
    "env": [{"name": "CHATCLUSTER_TELEMETRY_LEVEL", "value": "debug"}],
}


def of_program(component: str) -> Iterator[tuple[str, Change]]:
    """Yield the fields that all four programs have."""
    yield "replicas", Change(1, kinds=f"{DEPLOYMENT} PodDisruptionBudget")
    yield "resources.requests", Change({"cpu": "1"}, component)
    yield "resources.limits", Change({"memory": "1Gi"}, component)
    yield "autoscaling.maxReplicas", Change(9, kinds=AUTOSCALER, base=WITH_AUTOSCALER)
    yield "autoscaling.minReplicas", Change(1, kinds=f"{AUTOSCALER} PodDisruptionBudget", base=WITH_AUTOSCALER)
    yield "autoscaling.targetCPUUtilization", Change(50, kinds=AUTOSCALER, base=WITH_AUTOSCALER)
    for name, value in POD_TEMPLATE.items():
        yield f"podTemplate.{name}", Change(value, component)


CHANGES: dict[str, Change] = {
    "image": Change("other", ALL),
    "imagePullPolicy": Change("Always", f"{ALL} redis", f"{DEPLOYMENT} StatefulSet"),
    "imagePullSecrets": Change([{"name": "registry"}], f"{ALL} redis", f"{DEPLOYMENT} StatefulSet"),
    **{f"{component}.{path}": change for component in COMPONENTS for path, change in of_program(component)},
    "connect.websocket.pingSeconds": Change(10, "connect"),
    "connect.websocket.pingTimeoutSeconds": Change(2, "connect"),
    "connect.tcp.enabled": Change(False, kinds=f"{SERVICE} NetworkPolicy"),
    "connect.drainSeconds": Change(10, "connect"),
    "connect.maxConnections": Change(10, "connect"),
    "connect.allowedOrigins": Change(["https://a.example.com"], "connect"),
    "redis.managed.image": Change("redis:7.0", "redis", "StatefulSet"),
    "redis.managed.storage.size": Change("2Gi", kinds="StatefulSet"),
    "redis.managed.storage.storageClassName": Change("fast", kinds="StatefulSet"),
    "redis.managed.appendfsync": Change("always", "redis", "ConfigMap StatefulSet"),
    "redis.managed.resources.requests": Change({"cpu": "1"}, "redis", "StatefulSet"),
    "redis.managed.resources.limits": Change({"memory": "1Gi"}, "redis", "ConfigMap StatefulSet"),
    "redis.managed.retention": Change("Delete", kinds="StatefulSet"),
    "redis.external.urlSecretRef.name": Change("other", STORES, base=EXTERNAL),
    "redis.external.urlSecretRef.key": Change("other", STORES, base=EXTERNAL),
    "redis.external.caSecretRef.name": Change("other", STORES, base=WITH_CA),
    "redis.external.caSecretRef.key": Change("other", STORES, base=WITH_CA),
    "redis.external.mode": Change("sentinel", STORES, base=EXTERNAL),
    "shards": Change(32, f"{STORES} connect"),
    "rooms.historySize": Change(7, STORES),
    "rooms.historyBytes": Change(20_000, STORES),
    "rooms.historyTTLSeconds": Change(60, STORES),
    "sessions.ttlSeconds": Change(60, "logic"),
    "limits.textBytes": Change(7, "logic"),
    "limits.messagesPerSecond": Change(7, AUTHORS),
    "limits.messageBurst": Change(7, AUTHORS),
    "limits.roomMessagesPerSecond": Change(7, "logic"),
    "limits.roomsPerUser": Change(7, "logic"),
    "limits.connectionsPerUser": Change(7, "connect"),
    "limits.connectionsPerAddress": Change(7, "connect"),
    "limits.connectionsPerSecond": Change(7, "connect"),
    "limits.registrationsPerMinute": Change(7, "logic"),
    "limits.loginsPerMinute": Change(7, "logic"),
    "exposure.api.serviceType": Change("NodePort", kinds=SERVICE),
    "exposure.api.annotations": Change({"a": "b"}, kinds=SERVICE),
    "exposure.connect.serviceType": Change("LoadBalancer", kinds=SERVICE),
    "exposure.connect.annotations": Change({"a": "b"}, kinds=SERVICE),
    "exposure.ingress.host": Change("b.example.com", kinds="Ingress", base=WITH_INGRESS),
    "exposure.ingress.className": Change("nginx", kinds="Ingress", base=WITH_INGRESS),
    "exposure.ingress.tlsSecretName": Change("other", kinds="Ingress", base=WITH_INGRESS),
    "exposure.ingress.annotations": Change({"a": "b"}, kinds="Ingress", base=WITH_INGRESS),
    "exposure.trustedProxies": Change(["10.0.0.0/8"], AUTHORS),
    "networkPolicy.enabled": Change(False, kinds="NetworkPolicy"),
    "monitoring.scrape": Change(False, ALL),
}


def leaves(kind: inspect.Type, path: str = "") -> Iterator[str]:
    """Yield the path of every field below a type that holds no fields itself."""
    if isinstance(kind, inspect.UnionType):
        [kind] = [one for one in kind.types if not isinstance(one, inspect.NoneType)] or [kind]
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield from leaves(field.type, f"{path}.{field.encode_name}")
    else:
        yield path.removeprefix(".")


def template(child: Manifest) -> Any:
    """Return what a program's pods are made from; None for what has none."""
    return child["spec"]["template"] if child["kind"] in {DEPLOYMENT, "StatefulSet"} else None


def test_every_field_has_its_change() -> None:
    """A new field of the spec says here what it does; one that is gone is forgotten here, too."""
    assert set(CHANGES) == set(leaves(inspect.type_info(Spec)))


@pytest.mark.parametrize("path", CHANGES)
def test_a_changed_field_concerns_only_what_it_says(path: str) -> None:
    """Pods are replaced only if they read it, and no object is touched for nothing."""
    change = CHANGES[path]
    before = manifests.children(change.base)
    after = manifests.children(merged(change.base or {}, nested(path, change.value)))

    differ = {key for key in before | after if before.get(key) != after.get(key)}
    rolled = {after[key]["metadata"]["labels"][names.COMPONENT] for key in differ & before.keys() & after.keys()
              if template(before[key]) != template(after[key])}  # fmt: skip
    assert rolled == set(change.rolls.split())
    assert {kind for kind, _ in differ} == set(change.kinds.split())


@pytest.mark.parametrize("path", CHANGES)
def test_the_digest_of_a_template_tells_whether_pods_are_replaced(path: str) -> None:
    """Rollouts are gated by it, and what does not change the template waits for nobody."""
    change = CHANGES[path]
    before = manifests.children(change.base)
    after = manifests.children(merged(change.base or {}, nested(path, change.value)))

    for component in COMPONENTS:
        old, new = (found[DEPLOYMENT, f"demo-{component}"] for found in (before, after))
        digests = {observed.annotation(child, names.TEMPLATE_HASH) for child in (old, new)}
        assert (len(digests) == 2) is (template(old) != template(new))


@pytest.mark.parametrize("component", COMPONENTS)
def test_switching_an_autoscaler_on_replaces_no_pod(component: str) -> None:
    """The Deployment only lets go of its number, and the autoscaler is made."""
    before, after = manifests.children(), manifests.children({component: WITH_AUTOSCALER[component]})
    key = DEPLOYMENT, f"demo-{component}"

    assert template(before[key]) == template(after[key])
    assert before[key]["spec"].keys() - after[key]["spec"].keys() == {"replicas"}
    assert after.keys() - before.keys() == {(AUTOSCALER, f"demo-{component}")}


def test_what_others_need_comes_first() -> None:
    """Pods find their accounts, their configuration, their policies and the Services that they ask for."""
    kinds = [
        child["kind"] for child in desired.children(manifests.chatcluster(manifests.EVERYTHING), manifests.CONTEXT)
    ]
    order = dict.fromkeys(kinds)

    first = min(kinds.index(kind) for kind in (DEPLOYMENT, "StatefulSet"))
    assert {"ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "ConfigMap", SERVICE} <= set(kinds[:first])
    assert list(order)[-3:] == ["PodDisruptionBudget", AUTOSCALER, "Ingress"]


@pytest.mark.parametrize("spec", [{}, manifests.EVERYTHING, EXTERNAL])
def test_every_child_says_whose_it_is(spec: Mapping[str, Any]) -> None:
    """Names are used once, everything is in the ChatCluster's namespace, owned by it and labelled as the operator's."""
    cluster = manifests.chatcluster(spec)
    children = desired.children(cluster, manifests.CONTEXT)

    assert len({observed.key_of(child) for child in children}) == len(children)
    for child in children:
        metadata = child["metadata"]
        assert metadata["namespace"] == "chat"
        assert metadata["ownerReferences"] == [names.owner(cluster)]
        assert metadata["labels"] == names.labels(cluster, metadata["labels"][names.COMPONENT])


@pytest.mark.parametrize("spec", [{}, manifests.EVERYTHING, EXTERNAL])
def test_no_child_holds_a_secret(spec: Mapping[str, Any]) -> None:
    """The Secrets are made elsewhere; pods get them as files, never as a variable."""
    children = manifests.children(spec)

    assert "Secret" not in {kind for kind, _ in children}
    for child in children.values():
        if template(child):
            [container] = template(child)["spec"]["containers"]
            assert "envFrom" not in container
            assert not [one for one in container.get("env", []) if "secretKeyRef" in one.get("valueFrom", {})]


def test_an_external_redis_is_left_alone() -> None:
    """Nothing of a managed one is made."""
    assert [name for _, name in manifests.children(EXTERNAL) if "redis" in name] == []


def test_the_golden_file_is_what_is_applied() -> None:
    """So that a change of what reaches a cluster is seen in a review. How to write it: support/manifests.py."""
    assert GOLDEN.read_text() == manifests.golden(), "see support/manifests.py"
