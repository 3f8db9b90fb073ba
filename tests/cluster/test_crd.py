"""The ChatCluster's schema on a real API server: defaults, rules in CEL, immutable fields, what kubectl shows."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatcluster_operator import names
from chatcluster_operator.resources import environment
from chatcluster_operator.spec import COMPONENTS
from support import crd, manifests
from support.cluster.commands import ClusterError
from support.cluster.fixtures import Target
from support.cluster.kubectl import Kubectl
from support.manifests import nested

EXAMPLES = sorted((crd.ROOT / "examples").glob("*.yaml"))
DEFINITION = f"crd/{names.PLURAL}.{names.GROUP}"
EXTERNAL = {"external": {"urlSecretRef": {"name": "redis", "key": "url"}}}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "minDomains": 2}

RULES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    (
        "rooms.historyBytes",
        {"rooms": {"historyBytes": 16_384}, "limits": {"textBytes": 4_097}},
        "must be at least four times limits.textBytes",
        {"rooms": {"historyBytes": 16_384}},
    ),
    (
        "api.autoscaling.minReplicas",
        {"api": {"autoscaling": {"maxReplicas": 1}}},
        "minReplicas (2 if it is not set) must not be more than maxReplicas",
        {"api": {"autoscaling": {"minReplicas": 1, "maxReplicas": 1}}},
    ),
    (
        "task.resources.requests.cpu",
        {"task": {"resources": {"requests": {"cpu": "1500m"}, "limits": {"cpu": 1}}}},
        "must not be more than limits.cpu",
        {"task": {"resources": {"requests": {"cpu": 1}, "limits": {"cpu": "1000m"}}}},
    ),
    (
        "connect.resources.requests.memory",
        {"connect": {"resources": {"limits": {"memory": "127Mi"}}}},
        "must not be more than limits.memory",
        {"connect": {"resources": {"requests": {"memory": 67_108_864}, "limits": {"memory": "64Mi"}}}},
    ),
    (
        "redis.managed.resources.limits.memory",
        {"redis": {"managed": {"resources": {"limits": {"memory": "67108863"}}}}},
        "must be at least 64Mi, or the program is killed",
        {"redis": {"managed": {"resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "67108864"}}}}},
    ),
    (
        "logic.resources.requests.cpu",
        {"logic": {"resources": {"requests": {"cpu": "0.000"}}}},
        "must be more than 0",
        {"logic": {"resources": {"requests": {"cpu": "0.001"}}}},
    ),
    (
        "api.podTemplate.labels",
        {"api": {"podTemplate": {"labels": {"app.kubernetes.io/name": "mine"}}}},
        "keys below app.kubernetes.io/ and chatcluster.io/ belong to the operator",
        {"api": {"podTemplate": {"labels": {"example.com/team": "chat"}}}},
    ),
    (
        "exposure.connect.annotations",
        {"exposure": {"connect": {"annotations": {"chatcluster.io/desired-hash": "0"}}}},
        "keys below app.kubernetes.io/ and chatcluster.io/ belong to the operator",
        {"exposure": {"connect": {"annotations": {"example.com/nlb": "{}"}}}},
    ),
    (
        "task.podTemplate.nodeSelector",
        {"task": {"podTemplate": {"nodeSelector": {"solid state": "yes"}}}},
        "keys are names, as team, or names with a prefix, as example.com/team",
        {"task": {"podTemplate": {"nodeSelector": {"node.example.com/Solid_State": "yes"}}}},
    ),
    (
        "exposure.api.annotations",
        {"exposure": {"api": {"annotations": {"a/b/c": "yes"}}}},
        "keys are names, as team, or names with a prefix, as example.com/team",
        {"exposure": {"api": {"annotations": {"Example.COM/team": "yes"}}}},
    ),
    (
        "logic.podTemplate.tolerations[0].operator",
        {"logic": {"podTemplate": {"tolerations": [{"effect": "NoSchedule"}]}}},
        "must be Exists where there is no key",
        {"logic": {"podTemplate": {"tolerations": [{"operator": "Exists"}, {"key": "a"}]}}},
    ),
    (
        "logic.podTemplate.tolerations[0].value",
        {"logic": {"podTemplate": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}}},
        "must not be set with operator Exists",
        {"logic": {"podTemplate": {"tolerations": [{"key": "a", "operator": "Equal", "value": "b"}]}}},
    ),
    (
        "logic.podTemplate.tolerations[0].tolerationSeconds",
        {"logic": {"podTemplate": {"tolerations": [{"key": "a", "tolerationSeconds": 1}]}}},
        "can only be set with effect NoExecute",
        {"logic": {"podTemplate": {"tolerations": [{"key": "a", "effect": "NoExecute", "tolerationSeconds": 1}]}}},
    ),
    (
        "task.podTemplate.topologySpreadConstraints[0].minDomains",
        {"task": {"podTemplate": {"topologySpreadConstraints": [{**SPREAD, "whenUnsatisfiable": "ScheduleAnyway"}]}}},
        "can only be set with whenUnsatisfiable DoNotSchedule",
        {"task": {"podTemplate": {"topologySpreadConstraints": [{**SPREAD, "whenUnsatisfiable": "DoNotSchedule"}]}}},
    ),
    (
        "connect.podTemplate.env[0].name",
        {"connect": {"podTemplate": {"env": [{"name": "CHATCLUSTER_REDIS_MODE", "value": "cluster"}]}}},
        "belongs to the operator",
        {"connect": {"podTemplate": {"env": [{"name": "CHATCLUSTER_TELEMETRY_LEVEL", "value": "debug"}]}}},
    ),
    (
        "connect.websocket.pingTimeoutSeconds",
        {"connect": {"websocket": {"pingSeconds": 6}}},
        "pingTimeoutSeconds (6 if it is not set) must be less than pingSeconds",
        {"connect": {"websocket": {"pingSeconds": 7}}},
    ),
    (
        "redis",
        {"redis": {"managed": {}, **EXTERNAL}},
        "exactly one of managed and external must be set",
        {"redis": EXTERNAL},
    ),
    (
        "redis.managed.storage.size",
        {"redis": {"managed": {"storage": {"size": "63.9Mi"}}}},
        "must be at least 64Mi",
        {"redis": {"managed": {"storage": {"size": "64Mi"}}}},
    ),
    (
        "exposure.ingress.host",
        {"exposure": {"ingress": {"host": "192.0.2.7"}}},
        "must be a host name, not an address",
        {"exposure": {"ingress": {"host": "chat.example.com"}}},
    ),
    (
        "exposure.tcpAddress",
        {"exposure": {"tcpAddress": "chat.example.com:65536"}},
        "must be a host and a port of at most 65535, as chat.example.com:7001",
        {"exposure": {"tcpAddress": "chat.example.com:65535"}},
    ),
    (
        "exposure.tcpAddress",
        {"exposure": {"tcpAddress": "[fd00:7]:7001"}},
        "must be a host and a port of at most 65535, as chat.example.com:7001",
        {"exposure": {"tcpAddress": "[fd00::7]:7001"}},
    ),
    (
        "exposure.trustedProxies[0]",
        {"exposure": {"trustedProxies": ["10.0.0.0/33"]}},
        "must be a network, as 10.0.0.0/8 or fd00::/8, or an address",
        {"exposure": {"trustedProxies": ["10.0.0.0/8", "fd00::/8", "192.0.2.7", "::1"]}},
    ),
]
"""Field, a spec that breaks its rule, what its user is told, and one next to it that keeps the rule."""

MANAGED = {"managed": {"storage": {"size": "2Gi", "storageClassName": "fast"}}}
TRANSITIONS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("shards", {"shards": 16}, {"shards": 32}, "shards cannot change"),
    ("redis", {}, {"redis": {"managed": None, **EXTERNAL}}, "cannot change between a managed and an external Redis"),
    ("redis", {"redis": EXTERNAL}, {"redis": {"external": None, "managed": {}}}, "cannot change between a managed and"),
    ("redis", {}, {"redis": EXTERNAL}, "a ChatCluster that was made with neither has managed, and keeps it"),
    ("redis.managed.storage.size", {"redis": MANAGED}, nested("redis.managed.storage.size", "2047Mi"), "shrink"),
    (
        "redis.managed.storage.storageClassName",
        {"redis": MANAGED},
        nested("redis.managed.storage.storageClassName", "slow"),
        "storageClassName cannot change, as a volume's cannot",
    ),
    (
        "redis.managed.storage.storageClassName",
        {},
        nested("redis.managed.storage.storageClassName", "fast"),
        "storageClassName cannot change, as a volume's cannot",
    ),
]
"""Field, a spec, a merge patch that is refused, and what its user is told."""


@pytest.fixture(scope="module")
def kubectl(api_server: Target) -> Kubectl:
    """Return kubectl on an API server that knows ChatClusters, for what leaves nothing behind."""
    api_server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(crd.PATH))
    api_server.kubectl("wait", "--for=condition=Established", DEFINITION)
    return api_server.kubectl


@pytest.fixture
def own(kubectl: Kubectl, api_namespace: Kubectl) -> Kubectl:
    """Return kubectl in a namespace of the test's own, for what has to be there."""
    return api_namespace


def chatcluster(spec: dict[str, Any] | None = None, name: str = "case") -> dict[str, Any]:
    """Return a ChatCluster as its user writes it."""
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": name}, "spec": spec or {}}


def created(kubectl: Kubectl, body: dict[str, Any]) -> dict[str, Any]:
    """Return what the API server would make of a new object; raises `ClusterError` when it refuses it."""
    answer = kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", text=json.dumps(body))
    stored: dict[str, Any] = json.loads(answer)
    return stored


def refusal(kubectl: Kubectl, *arguments: str, body: dict[str, Any] | None = None) -> str:
    """Return why a command is refused, on one line."""
    with pytest.raises(ClusterError) as refused:
        kubectl(*arguments, text=json.dumps(body) if body else None)
    return re.sub(r"\s+", " ", str(refused.value))


def patched(kubectl: Kubectl, spec: dict[str, Any], *options: str) -> list[str]:
    """Return the command that patches the spec of `case`."""
    return ["patch", "chatcluster", "case", "--type=merge", "-p", json.dumps({"spec": spec}), *options]


def test_the_definition_is_accepted(kubectl: Kubectl) -> None:
    """The schema is structural, and its rules fit the API server's budget."""
    conditions = kubectl.get(DEFINITION)["status"]["conditions"]

    assert {one["type"]: one["status"] for one in conditions} == {"NamesAccepted": "True", "Established": "True"}


def test_an_empty_spec_expands_to_all_defaults(kubectl: Kubectl) -> None:
    """What holds is in the stored resource, also when there was no spec at all."""
    bare = {key: value for key, value in chatcluster().items() if key != "spec"}
    expected = crd.defaulted({}, crd.schema())["spec"]

    assert created(kubectl, chatcluster())["spec"] == expected
    assert created(kubectl, bare)["spec"] == expected


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_can_be_applied(kubectl: Kubectl, path: Path) -> None:
    """Nothing is pruned from it, nothing refused, and defaults are filled in as the tests' own validator does."""
    body = yaml.safe_load(path.read_text())
    stored = json.loads(kubectl("apply", "--server-side", "--dry-run=server", "-o", "json", "-f", str(path)))

    assert stored["spec"] == crd.defaulted(body["spec"], crd.schema()["properties"]["spec"])


@pytest.mark.parametrize(("field", "broken", "told", "kept"), RULES, ids=[rule[0] for rule in RULES])
def test_a_rule_is_kept(kubectl: Kubectl, field: str, broken: dict[str, Any], told: str, kept: dict[str, Any]) -> None:
    """What breaks a rule is refused by field and in words; what is next to it is accepted."""
    answer = refusal(kubectl, "create", "--dry-run=server", "-f", "-", body=chatcluster(broken))

    assert f"spec.{field}: Invalid value" in answer
    assert told in answer
    assert created(kubectl, chatcluster(kept))


@pytest.mark.parametrize("name", ["a" * 41, "1st", "two.parts"])
def test_a_name_has_to_fit_its_children(kubectl: Kubectl, name: str) -> None:
    """Services and labels are made of it; the longest that fits is accepted."""
    answer = refusal(kubectl, "create", "--dry-run=server", "-f", "-", body=chatcluster(name=name))

    assert "metadata.name: Invalid value" in answer
    assert "a ChatCluster's name has at most 40 characters of a-z, 0-9 and -, and begins with a letter" in answer
    assert created(kubectl, chatcluster(name="a" * 39 + "1"))


def test_every_rule_has_a_case() -> None:
    """The tables above have a case for every message of a rule in the schema."""
    told = [rule[2] for rule in RULES] + [transition[3] for transition in TRANSITIONS]
    rules = itertools.chain.from_iterable(node.schema.get("x-kubernetes-validations", []) for node in crd.spec_nodes())

    assert {rule["message"] for rule in rules if not any(text in rule["message"] for text in told)} == set()


def wired() -> Iterator[str]:
    """Yield the variables by which programs find each other, which are not settings."""
    cluster = manifests.chatcluster()
    for component in COMPONENTS:
        yield from (variable["name"] for variable in environment.of_pod(component))
        rendered = environment.variables(cluster, component)
        yield from (name for name in rendered if re.search("HOST|CLUSTER_|REDIS", name[12:]))


@pytest.mark.parametrize("name", sorted({*wired(), "CHATCLUSTER_LOG_SHARDS", "CHATCLUSTER_CONNECT_DRAIN_SECONDS"}))
def test_what_wires_the_programs_cannot_be_overridden(kubectl: Kubectl, name: str) -> None:
    """A variable of the user's wins over the operator's, so that these must not be any user's."""
    body = chatcluster({"logic": {"podTemplate": {"env": [{"name": name, "value": "1"}]}}})

    assert "belongs to the operator" in refusal(kubectl, "create", "--dry-run=server", "-f", "-", body=body)


@pytest.mark.parametrize(("field", "before", "patch", "told"), TRANSITIONS)
def test_what_cannot_change_does_not(
    own: Kubectl, field: str, before: dict[str, Any], patch: dict[str, Any], told: str
) -> None:
    """A change that would lose or strand data is refused by field and in words."""
    own.apply(chatcluster(before))
    answer = refusal(own, *patched(own, patch))

    assert f"spec.{field}: Invalid value" in answer
    assert told in answer


def test_a_volume_can_grow(own: Kubectl) -> None:
    """Sizes are compared by what they are worth: the same one may be written anew, a larger one taken."""
    own.apply(chatcluster({"redis": MANAGED}))
    for size in ("2048Mi", "3G"):
        own(*patched(own, nested("redis.managed.storage.size", size)))

    assert own.get("chatcluster", "case")["spec"]["redis"]["managed"]["storage"]["size"] == "3G"


def test_a_typing_error_is_told(kubectl: Kubectl) -> None:
    """A field that does not exist is refused instead of being left out in silence."""
    answer = refusal(kubectl, "create", "--dry-run=server", "-f", "-", body=chatcluster({"conect": {}}))

    assert 'unknown field "spec.conect"' in answer
