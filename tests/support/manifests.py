"""ChatClusters, what is wanted of them, and what an API server with all its controllers makes of that.

    PYTHONPATH=tests .venv/bin/python -P -m support.manifests > tests/unit/chatcluster_operator/golden/empty-spec.yaml

writes all children of an empty spec, the Secrets included, as they are applied; a test compares them.
"""

import copy
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from chatcluster_operator import desired, names, observed, plan, rollout
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key, Observed
from chatcluster_operator.resources import context, credentials
from chatcluster_operator.spec import COMPONENTS, ChatCluster

SECRETS = context.Secrets(cluster="c" * 16, redis="d" * 16, synthetic="e" * 16)
CONTEXT = context.Context("chatcluster/services:1.2.3", "", SECRETS)
PROGRAMS: tuple[str, ...] = (*COMPONENTS, names.REDIS, names.SYNTHETIC)
UID = "11111111-2222-3333-4444-555555555555"
NOW, LATER = "2026-11-01T12:00:00Z", "2026-11-01T12:05:00Z"

Spec = Mapping[str, Any]

EVERYTHING: Spec = {
    **{component: {"autoscaling": {"maxReplicas": 5}} for component in COMPONENTS},
    "exposure": {"ingress": {"host": "chat.example.com", "tlsSecretName": "certificate"}},
}
"""A spec that leads to every child that there can be."""
EXTERNAL: Spec = {
    "redis": {"external": {"urlSecretRef": {"name": "my-redis", "key": "url"}}},
}
"""A spec with somebody else's Redis."""


def resource(spec: Spec | None = None, *, name: str = "demo", generation: int = 1, **annotations: str) -> Manifest:
    """Return a ChatCluster as the API server has it; annotations without their prefix."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {
            "name": name,
            "namespace": "chat",
            "uid": UID,
            "generation": generation,
            "annotations": {f"{names.GROUP}/{key}": value for key, value in annotations.items()},
        },
        "spec": dict(spec or {}),
    }


def chatcluster(spec: Spec | None = None, **metadata: Any) -> ChatCluster:
    """Return it as the operator reads it."""
    return ChatCluster.parse(resource(spec, **metadata))


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return a spec with one field: `a.b.c` and a value become {a: {b: {c: value}}}."""
    name, _, rest = path.partition(".")
    return {name: nested(rest, value) if rest else value}


def merged(*specs: Spec) -> dict[str, Any]:
    """Return one spec with the fields of all; of two that say the same thing the last one wins."""
    result: dict[str, Any] = {}
    for spec in specs:
        for name, value in spec.items():
            before = result.get(name)
            is_both = isinstance(before, Mapping) and isinstance(value, Mapping)
            result[name] = merged(before, value) if is_both else copy.deepcopy(value)  # type: ignore[arg-type]
    return result


def children(spec: Spec | None = None, *, name: str = "demo") -> dict[Key, Manifest]:
    """Return all children that a spec leads to, but the Secrets."""
    return by_key(desired.children(chatcluster(spec, name=name), CONTEXT))


def by_key(manifests: Iterable[Manifest]) -> dict[Key, Manifest]:
    """Return objects by kind and name."""
    return {observed.key_of(manifest): manifest for manifest in manifests}


def live(manifest: Manifest, **status: Any) -> Manifest:
    """Return what the API server has after it was applied for the first time."""
    found = copy.deepcopy(plan.stamped(manifest))
    found["metadata"] |= {"uid": f"uid-of-{manifest['metadata']['name']}", "generation": 1, "resourceVersion": "7"}
    return found | ({"status": status} if status else {})


def running(manifest: Manifest) -> Manifest:
    """Return a live child of which, if it has pods, all are ready and new."""
    if manifest["kind"] not in {"Deployment", "StatefulSet"}:
        return live(manifest)
    replicas = manifest["spec"].get("replicas", 1)
    found = live(manifest, observedGeneration=1, **complete(replicas))
    found["spec"]["replicas"] = replicas
    return found


def complete(replicas: int) -> dict[str, int]:
    """Return the counts of a program whose pods are all ready and new."""
    return dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)


def settled(cluster: ChatCluster) -> Observed:
    """Return what there is of a ChatCluster to which nothing has happened for a while; but for its pods."""
    wanted = rollout.gated(cluster, desired.children(cluster, CONTEXT), Observed())
    found = by_key(running(manifest) for manifest in wanted)
    if report := found.get(("ConfigMap", names.child(cluster, names.SYNTHETIC))):
        report["data"] |= answer(report["data"]["question"])
    stateful_set = found.get(("StatefulSet", names.child(cluster, names.REDIS)))
    return Observed(children=found, claim=claim(stateful_set) if stateful_set else None)


def answer(question: str, culprit: str = "") -> dict[str, str]:
    """Return what the synthetic user writes beside a question: that messages arrive, or who is to blame."""
    message = f"{culprit}: does not work" if culprit else ""
    part = culprit.partition(" ")[0]
    return {"answered": question, "delivering": str(not culprit), "part": part, "message": message}


def claim(stateful_set: Manifest) -> Manifest:
    """Return the volume's claim that was made of a StatefulSet's template."""
    [template] = copy.deepcopy(stateful_set["spec"]["volumeClaimTemplates"])
    template["metadata"] |= {"name": f"{template['metadata']['name']}-{stateful_set['metadata']['name']}-0"}
    return {**template, "status": {"phase": "Bound"}}


def pod(component: str, status: Mapping[str, Any] | None = None, *, name: str = "", **metadata: Any) -> Manifest:
    """Return a pod of the ChatCluster `demo`; without a status it runs."""
    labels = names.selector(chatcluster(), component)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name or f"demo-{component}-x", "namespace": "chat", "labels": labels, **metadata},
        "status": status or container_status(running={}),
    }


def container_status(**state: Any) -> dict[str, Any]:
    """Return a pod's status with one container, in one of `waiting`, `running` and `terminated`."""
    return {"containerStatuses": [{"name": "api", "image": "chatcluster/services:1.2.3", "state": state}]}


def golden() -> str:
    """Return all that is applied for an empty spec, as YAML."""
    cluster = chatcluster()
    drawn = (credentials.cluster_secret, credentials.redis_secret, credentials.synthetic_secret)
    secrets = [secret(cluster, "DRAWN") for secret in drawn]
    documents = [*secrets, *(plan.stamped(child) for child in desired.children(cluster, CONTEXT))]
    text: str = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=120)
    return text


class _Dumper(yaml.SafeDumper):
    """Without anchors, and with texts of several lines as they are."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _Dumper.represent_text)


if __name__ == "__main__":
    sys.stdout.write(golden())
