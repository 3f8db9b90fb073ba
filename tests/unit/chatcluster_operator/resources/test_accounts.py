from collections.abc import Callable

import pytest

from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import accounts
from chatcluster_operator.spec import ChatCluster
from support import manifests


@pytest.mark.parametrize("component", manifests.PROGRAMS)
def test_every_component_is_somebody(component: str) -> None:
    """With an account of its own, whose token is mounted only by a pod that says so."""
    found = manifests.children()["ServiceAccount", f"demo-{component}"]

    assert found == accounts.service_account(manifests.chatcluster(), component)
    assert found["automountServiceAccountToken"] is False


def test_pods_may_read_endpoint_slices_and_nothing_else() -> None:
    """Of their own namespace: a Role, not a ClusterRole."""
    role, _ = accounts.discovery(manifests.chatcluster())

    assert role["rules"] == [
        {
            "apiGroups": ["discovery.k8s.io"],
            "resources": ["endpointslices"],
            "verbs": ["list", "watch"],
        }
    ]
    assert {kind for kind, _ in manifests.children(manifests.EVERYTHING) if "Role" in kind} == {"Role", "RoleBinding"}


def test_the_synthetic_user_may_change_the_object_that_it_reports_in() -> None:
    """And no other one."""
    role, binding = accounts.reporting(manifests.chatcluster())

    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["demo-synthetic"],
            "verbs": ["get", "patch"],
        }
    ]
    assert ("ConfigMap", "demo-synthetic") in manifests.children()
    assert [subject["name"] for subject in binding["subjects"]] == ["demo-synthetic"]


def test_only_who_has_a_token_is_bound() -> None:
    """The two that look for logic, and who looks for the gateways."""
    children = manifests.children()
    binding = children["RoleBinding", "demo-discovery"]

    mounting = {
        child["spec"]["template"]["spec"]["serviceAccountName"]
        for child in children.values()
        if child["kind"] == "Deployment" and child["spec"]["template"]["spec"]["automountServiceAccountToken"]
    }
    assert {subject["name"] for subject in binding["subjects"]} == mounting
    assert mounting == {"demo-api", "demo-connect", "demo-synthetic"}
    assert {(subject["kind"], subject["namespace"]) for subject in binding["subjects"]} == {("ServiceAccount", "chat")}


@pytest.mark.parametrize("granted", [accounts.discovery, accounts.reporting])
def test_a_binding_is_of_its_role(granted: Callable[[ChatCluster], list[Manifest]]) -> None:
    """By its name and group."""
    role, binding = granted(manifests.chatcluster())

    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": role["metadata"]["name"],
    }
