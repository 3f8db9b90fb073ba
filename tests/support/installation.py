"""The product in a running cluster, put there as docs/install.md tells a person to.

Owns the chart's release and the example: the same steps on kind, on the cluster without Docker, and in tests. Does not
own the cluster, nor how images get to its nodes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.chart import CHART
from support.cluster import images, tools
from support.cluster.commands import run
from support.crd import ROOT

RELEASE, NAMESPACE = "chatcluster-operator", "chatcluster-system"
EXAMPLE, PORTS = ROOT / "examples/minimal.yaml", ROOT / "examples/kind/services.yaml"
DEMO = "demo"
"""The ChatCluster of the example."""
READY_WITHIN = 300
"""Seconds for an operator or a ChatCluster to be ready, pulling images included."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A release of the chart in one cluster."""

    kubeconfig: Path
    namespace: str = NAMESPACE
    release: str = RELEASE

    def install(self, values: Mapping[str, Any] | None = None, *, chart: Path = CHART) -> None:
        """Install or upgrade it, and wait until the operator is ready; raises `ClusterError` when it is not in time."""
        options = ("--install", "--create-namespace", "--wait", f"--timeout={READY_WITHIN}s", "--values=-")
        self._helm("upgrade", self.release, chart, *options, text=json.dumps(values or {}))

    def test(self) -> str:
        """Run the chart's own test, and return what helm says; raises `ClusterError` when it fails."""
        return self._helm("test", self.release, f"--timeout={READY_WITHIN}s")

    def uninstall(self) -> None:
        """Take the release away, if it is there, and wait until its pods are gone."""
        self._helm("uninstall", self.release, "--wait", "--ignore-not-found", f"--timeout={READY_WITHIN}s")

    def kubectl(self, *arguments: str | Path) -> str:
        """Run kubectl on the cluster, in the namespace of the example; raises `ClusterError` when it fails."""
        kubectl = _program("kubectl", tools.kubernetes("kubectl"))
        return run(kubectl, f"--kubeconfig={self.kubeconfig}", *arguments, within=READY_WITHIN + 30)

    def lives(self) -> str:
        """Return the operator's pods, each with how often it was restarted."""
        path = "{range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{end}"
        return self.kubectl("get", "pods", f"--namespace={self.namespace}", f"-o=jsonpath={path}")

    def start_demo(self, namespace: str = "default") -> None:
        """Apply the example, with the node ports that lead to it, and wait until it is ready."""
        place = f"--namespace={namespace}"
        self.kubectl("apply", place, "-f", EXAMPLE, "-f", PORTS)
        self.kubectl("wait", place, "--for=condition=Ready", f"chatcluster/{DEMO}", f"--timeout={READY_WITHIN}s")

    def _helm(self, *arguments: str | Path, text: str | None = None) -> str:
        helm = _program("helm", tools.program(tools.HELM))
        place = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        return run(helm, *arguments, *place, text=text, within=READY_WITHIN + 30)


def values_of(product_images: Mapping[str, str]) -> dict[str, Any]:
    """Return values that make a release run this tree's images."""
    repository, _, tag = product_images["operator"].rpartition(":")
    image = {"repository": repository, "tag": tag}
    return {"image": image, "servicesImage": product_images["services"], "redisImage": images.VALKEY}


def _program(name: str, built: Path) -> str | Path:
    # Of the version that tests use where it was built; a person who only wants to see it has one of their own.
    return built if built.exists() else name
