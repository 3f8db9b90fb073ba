"""What the containers of all our programs have in common: probes, secrets as files, and how they are scraped.

Owns these parts of a pod's template. Does not own what a program serves or reads (programs, synthetic). Pure.
"""

from collections.abc import Mapping

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import environment
from chatcluster_operator.spec import ChatCluster

HEALTH = {"name": "health", "containerPort": names.PORTS["health"], "protocol": "TCP"}
"""The port that every program has."""


def probes(ready: Manifest | None = None) -> Manifest:
    """The three probes of a program; `ready` is how to ask for its readiness, if not at its health port."""
    return {
        "startupProbe": {**_http("/healthz"), "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 60},
        "readinessProbe": {
            **(ready or _http("/readyz")),
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 2,
        },
        "livenessProbe": {**_http("/healthz"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
    }


def _http(path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": "health"}}


def command(component: str) -> list[str]:
    """What runs a program, wherever the image's working directory is."""
    return ["python", "-P", "-m", f"chatcluster.{component}"]


def variables(rendered: Mapping[str, str]) -> list[Manifest]:
    """The environment, in an order that is always the same."""
    return [{"name": name, "value": value} for name, value in sorted(rendered.items())]


def volume(name: str, secret: str, key: str, path: str) -> Manifest:
    """One key of a Secret, as a file."""
    items = [{"key": key, "path": path}]
    return {"name": name, "secret": {"secretName": secret, "items": items, "defaultMode": 0o440}}


def mounts(volumes: list[Manifest]) -> list[Manifest]:
    """Where the files of volumes are."""
    return [
        {"name": one["name"], "mountPath": f"{environment.SECRETS}/{one['name']}", "readOnly": True} for one in volumes
    ]


def scraped(cluster: ChatCluster) -> dict[str, str]:
    """The annotations by which Prometheus' usual configuration finds a pod; none where the spec turns them off."""
    if not cluster.spec.monitoring.scrape:
        return {}
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(names.PORTS["health"]),
        "prometheus.io/path": "/metrics",
    }
