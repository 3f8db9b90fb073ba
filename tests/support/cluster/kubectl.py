"""What this folder asks an API server: by kubectl, which is there anyway, and which a person can repeat."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.cluster.commands import ClusterError, run
from support.cluster.tools import kubernetes

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with one kubeconfig; in one namespace, or without one in "default" and wherever manifests say."""

    kubeconfig: Path
    namespace: str = ""

    def __call__(self, *arguments: str, text: str | None = None, within: float = 60.0) -> str:
        """Run it, and return its output; raises `ClusterError` when it fails."""
        place = [f"--namespace={self.namespace}"] if self.namespace else []
        kubeconfig = f"--kubeconfig={self.kubeconfig}"
        return run(kubernetes("kubectl"), kubeconfig, *place, *arguments, text=text, within=within)

    def apply(self, *manifests: Manifest) -> None:
        """Apply manifests; in this one's namespace, if it has one, only those that name no other."""
        self("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))

    def get(self, kind: str, name: str = "", *options: str) -> Manifest:
        """Return an object, or a list of all of a kind."""
        found: Manifest = json.loads(self("get", kind, *([name] if name else []), *options, "-o", "json"))
        return found

    def ready(self) -> bool:
        """Whether the API server says that it is ready; never raises."""
        try:
            return self("get", "--raw", "/readyz", within=10) == "ok"
        except ClusterError:
            return False

    def runs_pods(self) -> bool:
        """Whether a node is ready and the controllers have made the account that pods run under; never raises."""
        try:
            nodes = self.get("nodes")["items"]
            self.get("serviceaccount", "default")
        except ClusterError:
            return False
        conditions = [condition for node in nodes for condition in node["status"].get("conditions", [])]
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
