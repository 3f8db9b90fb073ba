"""ChatClusters as kubectl shows them: explained, in lists, and scaled."""

import json
import re

import pytest

from chatcluster_operator import names
from chatcluster_operator.spec import COMPONENTS
from support import crd, manifests
from support.cluster.commands import ClusterError
from support.cluster.kubectl import Kubectl

CASE = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": "case"}, "spec": {}}


pytestmark = pytest.mark.usefixtures("kubeconfig")


@pytest.fixture(name="kubectl")
def _kubectl(api_namespace: Kubectl) -> Kubectl:
    """Return kubectl in a namespace of the test's own."""
    return api_namespace


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("", ["real-time chat backend", "An empty spec is a working one"]),
        (".spec.connect.drainSeconds", ["FIELD: drainSeconds <integer>", "0 to 3,600. Default: 45."]),
        (".spec.redis.managed.appendfsync", ["ENUM: everysec always", "Default: everysec."]),
        (".spec.api.podTemplate.tolerations", ["operator <string>", "Equal (it is the same) or Exists (any value)"]),
        (".status.conditions", ["reason <string> -required-"]),
    ],
)
def test_explain_reads_like_documentation(kubectl: Kubectl, path: str, texts: list[str]) -> None:
    """`kubectl explain` tells of every field what it is for, with unit, bounds and default."""
    told = re.sub(r"\s+", " ", kubectl("explain", f"chatcluster{path}"))

    assert [text for text in texts if text not in told] == []


def test_explain_shows_the_whole_tree(kubectl: Kubectl) -> None:
    """No field is hidden: `kubectl explain --recursive` names each."""
    told = kubectl("explain", "chatcluster", "--recursive")

    fields = {node.path.rpartition(".")[2].rstrip("[]{}") for node in crd.nodes()}
    assert {field for field in fields if field and not re.search(rf"^\s*{field}\t", told, re.MULTILINE)} == set()


def test_kubectl_scales_the_gateways(kubectl: Kubectl) -> None:
    """The scale subresource reads and writes the replicas of connect, within bounds, and tells how to find the pods."""
    kubectl.apply(CASE)
    report(kubectl)
    kubectl("scale", "chatcluster", "case", "--replicas=4")

    path = f"/apis/{names.API_VERSION}/namespaces/{kubectl.namespace}/{names.PLURAL}/case/scale"
    scale = json.loads(kubectl("get", "--raw", path))
    assert kubectl.get("chatcluster", "case")["spec"]["connect"]["replicas"] == 4
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (4, 3)
    assert scale["status"]["selector"] == "app.kubernetes.io/component=connect"
    with pytest.raises(ClusterError, match="greater than or equal to 1"):
        kubectl("scale", "chatcluster", "case", "--replicas=0")


def report(kubectl: Kubectl) -> None:
    """Write a whole status, as the operator would."""
    image = "chatcluster/services:1"
    program = {"desired": 2, "replicas": 3, "updated": 1, "ready": 1, "summary": "1/2", "image": image}
    told = {"observedGeneration": 1, "lastTransitionTime": manifests.NOW}
    conditions = [
        {
            **told,
            "type": "Ready",
            "status": "False",
            "reason": "ImagePullBackOff",
            "message": "pod case-task-x: no such image",
        },
        {**told, "type": "Delivering", "status": "Unknown", "reason": "NotYetKnown", "message": "no word yet"},
    ]
    status = {
        "observedGeneration": 1,
        "conditions": conditions,
        "components": dict.fromkeys(COMPONENTS, program),
        "redis": {"ready": True},
        "endpoints": {"api": "http://a:7070", "websocket": "ws://a:7000/ws", "tcp": "a:7001"},
        "version": "1",
        "selector": "app.kubernetes.io/component=connect",
    }
    patch = json.dumps({"status": status})
    kubectl("patch", "chatcluster", "case", "--subresource=status", "--type=merge", "-p", patch)
    assert kubectl.get("chatcluster", "case")["status"] == status


def test_a_list_shows_where_it_stands(kubectl: Kubectl) -> None:
    """The columns of `kubectl get cc` are the summary; -o wide adds why. It also stands in `kubectl get all`."""
    kubectl.apply(CASE)
    report(kubectl)
    head, row = kubectl("get", "cc", "-o", "wide").splitlines()

    assert head.split() == [
        *("NAME", "READY", "API", "LOGIC", "GATEWAYS", "TASK", "DELIVERING", "VERSION", "AGE", "MESSAGE")
    ]
    assert row.split()[:8] == ["case", "False", "1/2", "1/2", "1/2", "1/2", "Unknown", "1"]
    assert row.endswith("pod case-task-x: no such image")
    assert "MESSAGE" not in kubectl("get", "cc")
    for name in ("all", "chat", "chatcluster", "chatclusters"):
        assert "case" in kubectl("get", name)
