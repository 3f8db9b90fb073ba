"""The Helm chart as helm sees it: rendered, or refused.

Owns how helm is run on it without a cluster. Does not own installing it (`installation`), nor what its objects are held
against (`schemas`).
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from support import crd, tiers
from support.cluster import tools
from support.cluster.commands import run

CHART = crd.ROOT / "charts/chatcluster-operator"
RELEASE, NAMESPACE = "chat", "chat-system"
NAME = f"{RELEASE}-{CHART.name}"
"""What its objects are called in that release."""

TOOLS = (tools.HELM, tools.HELM_UNITTEST)

Manifest = dict[str, Any]

EVERYTHING: Mapping[str, Any] = {
    "image": {"repository": "registry.example.com/operator", "tag": "1.2.3", "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "pull"}],
    "servicesImage": "registry.example.com/services:1.2.3",
    "redisImage": "registry.example.com/valkey:9",
    "watchNamespaces": ["first", "second"],
    "crd": {"install": False},
    "logLevel": "debug",
    "resyncSeconds": 7,
    "workers": 3,
    "resources": {"requests": {"cpu": 1}, "limits": {"memory": "1Gi"}},
    "podAnnotations": {"example.com/team": "chat"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "system-cluster-critical",
    "monitoring": {
        "scrape": False,
        "podMonitor": {"enabled": True, "programs": False, "interval": "15s", "labels": {"release": "p"}},
        "alerts": {"enabled": True, "runbooks": "https://example.com/runbooks", "labels": {"release": "p"}},
        "dashboards": {"enabled": True, "labels": {"release": "g"}, "annotations": {"grafana_folder": "Chat"}},
    },
    "networkPolicy": {"enabled": False, "apiServerPorts": [16443]},
}
"""Every value, and none as it is by default."""


def helm(*arguments: str | Path, text: str | None = None) -> str:
    """Run helm, and return its output; raises `ClusterError` with what it says when it refuses."""
    return run(tools.program(tools.HELM), *arguments, text=text)


def render(values: Mapping[str, Any] | None = None) -> list[Manifest]:
    """Return all objects of a release with these values; raises `ClusterError` when the values are refused."""
    return list(filter(None, yaml.safe_load_all(rendered(values))))


def rendered(values: Mapping[str, Any] | None = None) -> str:
    """Return the same as text."""
    return _rendered(json.dumps(values or {}))


def require() -> None:
    """Skip the running test, loudly, where helm has not been built."""
    if lacking := tools.missing(tools.KUBERNETES, programs=(), tools=TOOLS):
        tiers.missing(f"not built: {', '.join(lacking)}", "make test-deps")


@cache
def _rendered(values: str) -> str:
    place = ("template", RELEASE, CHART, f"--namespace={NAMESPACE}", f"--kube-version={tools.KUBERNETES}")
    return helm(*place, "--values=-", text=values)
