from typing import Any

import pytest

from chatcluster_operator.names import Manifest
from support import manifests

PODS = {
    key: child["spec"]["template"] for key, child in manifests.children().items() if "template" in child.get("spec", {})
}
ALLOWED_VOLUMES = {"configMap", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
HARMLESS = {
    "labels": {"a": "b"},
    "annotations": {"container.apparmor.security.beta.kubernetes.io/api": "unconfined"},
    "nodeSelector": {"a": "b"},
    "affinity": {"nodeAffinity": {"securityContext": {"privileged": True}}},
    "tolerations": [{"operator": "Exists"}],
    "priorityClassName": "system-node-critical",
    "env": [{"name": "A", "value": "b"}],
}


@pytest.mark.parametrize("template", PODS.values(), ids=["-".join(key) for key in PODS])
def test_every_pod_is_restricted(template: Manifest) -> None:
    """Field by field what https://kubernetes.io/docs/concepts/security/pod-security-standards/ asks for."""
    pod = template["spec"]

    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers", "initContainers", "ephemeralContainers"} & pod.keys()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"sysctls", "seLinuxOptions", "windowsOptions", "appArmorProfile"} & pod["securityContext"].keys()
    kinds = {kind for volume in pod.get("volumes", []) for kind in volume.keys() - {"name"}}
    assert kinds <= ALLOWED_VOLUMES
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert not [port for port in container["ports"] if "hostPort" in port or "hostIP" in port]


@pytest.mark.parametrize("template", PODS.values(), ids=["-".join(key) for key in PODS])
def test_every_container_is_bounded(template: Manifest) -> None:
    """Without a memory limit one pod could take a node's."""
    for container in template["spec"]["containers"]:
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("template", PODS.values(), ids=["-".join(key) for key in PODS])
def test_only_who_looks_for_others_gets_a_token(template: Manifest) -> None:
    """api, the gateways and the synthetic user read EndpointSlices; nobody else speaks to the API server."""
    component = template["metadata"]["labels"]["app.kubernetes.io/component"]

    assert template["spec"]["automountServiceAccountToken"] is (component in {"api", "connect", "synthetic"})
    assert template["spec"]["serviceAccountName"] == f"demo-{component}"
    assert template["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("component", ["api", "logic", "connect", "task"])
def test_nothing_that_a_user_adds_loosens_it(component: str) -> None:
    """What may be added has its own places, and none of them is a security context."""
    after: dict[str, Any] = manifests.children({component: {"podTemplate": HARMLESS}})[
        "Deployment", f"demo-{component}"
    ]
    before = PODS["Deployment", f"demo-{component}"]

    pod = after["spec"]["template"]["spec"]
    assert pod["securityContext"] == before["spec"]["securityContext"]
    assert [one["securityContext"] for one in pod["containers"]] == [
        one["securityContext"] for one in before["spec"]["containers"]
    ]
    added = {"nodeSelector", "affinity", "tolerations", "priorityClassName"}
    assert pod.keys() - before["spec"].keys() == added
