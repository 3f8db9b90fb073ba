from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from chatcluster_operator import desired, names, observed
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key
from chatcluster_operator.spec import COMPONENTS
from support import crd, leaves, manifests
from support.changes import CHANGES, SCALED
from support.manifests import EXTERNAL

GOLDEN = Path(__file__).parent / "golden" / "empty-spec.yaml"
DEPLOYMENT, SERVICE, AUTOSCALER = "Deployment", "Service", "HorizontalPodAutoscaler"


def template(child: Manifest) -> Any:
    """Return what a program's pods are made from; None for what has none."""
    return child["spec"]["template"] if child["kind"] in {DEPLOYMENT, "StatefulSet"} else None


def children(spec: Mapping[str, Any]) -> dict[Key, Manifest]:
    """Return what a spec leads to when the API server has filled in its defaults."""
    return manifests.children(crd.defaulted(spec, crd.schema()["properties"]["spec"]))


@pytest.mark.parametrize("path", CHANGES)
def test_a_changed_field_concerns_only_what_it_says(path: str) -> None:
    """Pods are replaced only if they read it, and no object is touched for nothing."""
    change = CHANGES[path]
    before, after = children(change.base), children(leaves.changed(change.base, path, change.value))
    found = leaves.differences(leaves.by_role(before.values()), leaves.by_role(after.values()))

    expected = {key: value for key, value in change.shows.items() if names.SECRETS_HASH not in key}
    assert {key: ... if expected.get(key) is ... else value for key, value in found.items()} == expected


@pytest.mark.parametrize("path", CHANGES)
def test_the_digest_of_a_template_tells_whether_pods_are_replaced(path: str) -> None:
    """Rollouts are gated by it, and what does not change the template waits for nobody."""
    change = CHANGES[path]
    before, after = children(change.base), children(leaves.changed(change.base, path, change.value))

    for component in COMPONENTS:
        old, new = (found[DEPLOYMENT, f"demo-{component}"] for found in (before, after))
        digests = {observed.annotation(child, names.TEMPLATE_HASH) for child in (old, new)}
        assert (len(digests) == 2) is (template(old) != template(new))


@pytest.mark.parametrize("component", COMPONENTS)
def test_switching_an_autoscaler_on_replaces_no_pod(component: str) -> None:
    """The Deployment only lets go of its number, and the autoscaler is made."""
    before, after = manifests.children(), manifests.children({component: SCALED[component]})
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
