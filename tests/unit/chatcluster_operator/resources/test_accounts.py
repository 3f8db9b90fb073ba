import pytest

from chatcluster_operator.resources import accounts
from support import manifests


@pytest.mark.parametrize("component", manifests.PROGRAMS)
def test_every_component_is_somebody(component: str) -> None:
    """With an account of its own, whose token is mounted only by a pod that says so."""
    found = manifests.children()["ServiceAccount", f"demo-{component}"]

    assert found == accounts.service_account(manifests.chatcluster(), component)
    assert found["automountServiceAccountToken"] is False


def test_pods_may_read_endpoint_slices_and_nothing_else() -> None:
    """Of their own namespace: a Role, not a ClusterRole."""
    [rule] = accounts.role(manifests.chatcluster())["rules"]

    assert rule == {
        "apiGroups": ["discovery.k8s.io"],
        "resources": ["endpointslices"],
        "verbs": ["list", "watch"],
    }
    assert {kind for kind, _ in manifests.children(manifests.EVERYTHING) if "Role" in kind} == {"Role", "RoleBinding"}


def test_only_who_has_a_token_is_bound() -> None:
    """The two that look for logic."""
    children = manifests.children()
    binding = children["RoleBinding", "demo-discovery"]

    mounting = {
        child["spec"]["template"]["spec"]["serviceAccountName"]
        for child in children.values()
        if child["kind"] == "Deployment" and child["spec"]["template"]["spec"]["automountServiceAccountToken"]
    }
    assert {subject["name"] for subject in binding["subjects"]} == mounting == {"demo-api", "demo-connect"}
    assert {(subject["kind"], subject["namespace"]) for subject in binding["subjects"]} == {("ServiceAccount", "chat")}


def test_the_binding_is_of_the_role() -> None:
    """By its name and group."""
    cluster = manifests.chatcluster()
    reference = accounts.role_binding(cluster)["roleRef"]

    assert reference == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": accounts.role(cluster)["metadata"]["name"],
    }
