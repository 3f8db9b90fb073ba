"""The chart on a real cluster: installing, upgrading and uninstalling as docs/install.md says."""

import json
import shutil
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatcluster_operator import names
from support import replay
from support.chart import CHART
from support.cluster.cluster import Cluster
from support.cluster.commands import until
from support.cluster.kubectl import Kubectl
from support.installation import DEMO, Installation, values_of

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
PLACE = "chart-demo"
"""The namespace of the example."""
CRD = f"{names.PLURAL}.{names.GROUP}"
DEPLOYMENT = "deployment/chatcluster-operator"


@dataclass(frozen=True, slots=True)
class Installed:
    """The chart in a cluster, with the example running."""

    installation: Installation
    kubectl: Kubectl
    """In the example's namespace."""
    values: Mapping[str, Any]
    """Of the release, as every test finds and leaves it."""

    def pods(self) -> set[str]:
        """Return the ids of the example's pods that are not going."""
        pods = self.kubectl.get("pods")["items"]
        return {pod["metadata"]["uid"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}

    def restore(self) -> None:
        """Make the release what it was."""
        self.installation.install(self.values)


@pytest.fixture(scope="module")
def module_installed(own_cluster: Cluster, product_images: dict[str, str]) -> Iterator[tuple[Installed, float]]:
    """Yield the chart with the example, and the seconds from `kubectl apply` to Ready; take all of it away again."""
    installation = Installation(own_cluster.kubeconfig)
    for name in (installation.namespace, PLACE):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
        own_cluster.kubectl.apply(manifest)
    installed = Installed(installation, Kubectl(own_cluster.kubeconfig, PLACE), values_of(product_images))
    try:
        installed.restore()
        before = time.monotonic()
        installation.start_demo(PLACE)
        yield installed, time.monotonic() - before
    finally:
        installation.uninstall()
        own_cluster.kubectl("delete", "crd", CRD, "--ignore-not-found", "--wait", within=180)
        own_cluster.kubectl("delete", "namespace", installation.namespace, PLACE, "--wait", within=180)


@pytest.fixture
def installed(module_installed: tuple[Installed, float]) -> Iterator[Installed]:
    """Yield the chart with the example; a test may do to the release what it likes."""
    installed, _ = module_installed
    yield installed
    installed.restore()


def test_the_operator_says_that_it_is_ready(installed: Installed) -> None:
    """`helm test` passes, in a namespace that enforces Pod Security, and leaves no pod."""
    said = installed.installation.test()
    pods = installed.installation.kubectl("get", "pods", f"--namespace={installed.installation.namespace}", "-o=name")

    assert "Succeeded" in said
    assert len(pods.splitlines()) == 1


def test_clients_come_in_by_the_nodes_ports(
    module_installed: tuple[Installed, float], figure: Callable[[str], None]
) -> None:
    """The example answers where kind-config.yaml and examples/kind lead: REST, websocket and TCP."""
    node = address(module_installed[0].kubectl)
    body = json.dumps({"userName": "ada", "passWord": "secret"}).encode()
    request = urllib.request.Request(f"http://{node}:30070/user/register", body)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        said = json.load(answer)
    for port in (30000, 30001):
        socket.create_connection((node, port), timeout=10).close()

    assert said["code"] == 0, said
    figure(f"{module_installed[1]:.1f} s from kubectl apply to Ready")


async def test_gochat_s_capture_is_met_through_the_services(module_installed: tuple[Installed, float]) -> None:
    """What gochat answers, this does: REST through the Service, two gateways, TCP, and every frame."""
    kubectl = module_installed[0].kubectl
    api = kubectl.get("service", f"{DEMO}-api")["spec"]["clusterIP"]
    pods = kubectl.get("pods", "", "-l", f"{names.COMPONENT}=connect")["items"]
    first, second = (pod["status"]["podIP"] for pod in pods)

    await replay.replay(
        replay.Place(f"http://{api}:7070", (f"ws://{first}:7000/ws", f"ws://{second}:7000/ws"), (second, 7001))
    )


def test_an_upgrade_replaces_the_operator_and_nothing_else(installed: Installed) -> None:
    """A value of the operator's own rolls the operator; the example's pods are the same as before."""
    before = installed.pods()
    installed.installation.install({**installed.values, "logLevel": "debug"})

    assert '"debug"' in operator(installed)
    assert installed.pods() == before


def test_an_upgrade_brings_the_resources_new_fields(installed: Installed, tmp_path: Path) -> None:
    """An older release's definition of ChatCluster becomes the new one, with the ChatClusters that there are."""
    older = tmp_path / CHART.name
    shutil.copytree(CHART, older)
    definition = yaml.safe_load((older / "files/chatclusters.yaml").read_text())
    newest = definition["spec"]["versions"][0]["additionalPrinterColumns"].pop()
    (older / "files/chatclusters.yaml").write_text(yaml.safe_dump(definition))
    installed.installation.install(installed.values, chart=older)
    assert newest not in columns(installed)

    installed.installation.install(installed.values)

    assert newest in columns(installed)
    assert installed.kubectl.get(names.PLURAL, DEMO)["status"]["conditions"]


def test_uninstalling_leaves_every_chatcluster(installed: Installed) -> None:
    """The example and its pods live on without the operator, and a new release of the same name takes them over."""
    before = installed.pods()
    installed.installation.uninstall()

    assert installed.kubectl.get(names.PLURAL, DEMO)["metadata"].get("deletionTimestamp") is None
    assert installed.pods() == before

    installed.restore()
    installed.kubectl("scale", f"{names.PLURAL}/{DEMO}", "--replicas=1")

    until(lambda: gateways(installed) == 1, within=60, what="the new operator's scaling down to one gateway")
    assert installed.pods() < before


def test_the_operator_of_one_namespace_keeps_to_it(installed: Installed, namespace: Kubectl) -> None:
    """There it has no cluster-wide right, is ready all the same, and does not see ChatClusters elsewhere."""
    installed.installation.install({**installed.values, "watchNamespaces": [namespace.namespace]})
    installed.kubectl.apply(chatcluster("elsewhere"))
    namespace.apply(chatcluster("here"))

    until(
        lambda: namespace.get(names.PLURAL, "here").get("status"), within=60, what="status of the one that is watched"
    )
    assert "Succeeded" in installed.installation.test()
    assert "status" not in installed.kubectl.get(names.PLURAL, "elsewhere")
    assert "chatcluster-operator" not in installed.kubectl("get", "clusterroles,clusterrolebindings", "-o=name")
    installed.kubectl("delete", names.PLURAL, "elsewhere", "--wait")


def chatcluster(name: str) -> dict[str, Any]:
    """Return a ChatCluster that makes few pods, and none that anybody waits for."""
    few = {component: {"replicas": 1} for component in ("api", "logic", "connect", "task")}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": name}, "spec": few}


def address(kubectl: Kubectl) -> str:
    """Return the address of the cluster's node."""
    [node] = kubectl.get("nodes")["items"]
    [address] = [known["address"] for known in node["status"]["addresses"] if known["type"] == "InternalIP"]
    return str(address)


def operator(installed: Installed) -> str:
    """Return the operator's Deployment, as text."""
    return installed.installation.kubectl(
        "get", DEPLOYMENT, f"--namespace={installed.installation.namespace}", "-o=json"
    )


def columns(installed: Installed) -> list[dict[str, Any]]:
    """Return what `kubectl get chatclusters` shows."""
    found: list[dict[str, Any]] = installed.kubectl.get("crd", CRD)["spec"]["versions"][0]["additionalPrinterColumns"]
    return found


def gateways(installed: Installed) -> int:
    """Return how many gateways the example has, going ones left out."""
    pods = installed.kubectl.get("pods", "", f"--selector={names.COMPONENT}=connect")["items"]
    return sum("deletionTimestamp" not in pod["metadata"] for pod in pods)
