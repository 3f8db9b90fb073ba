"""What is wrong with a pod, in words for whoever reads a status.

Owns the reading of a pod's status. Pure.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from dataclasses import dataclass

from chatcluster_operator.names import Manifest

_HARMLESS = {"ContainerCreating", "PodInitializing"}
"""What a container waits for that is about to start."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something does not run."""

    reason: str
    """CamelCase, Kubernetes' own where it has one."""
    message: str
    """Names the object."""


def problem(pod: Manifest) -> Problem | None:
    """Why this pod does not run; None while it does, or is about to."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Problem(condition.get("reason", "Unschedulable"), f"pod {name}: {condition.get('message', '')}")
    for container in status.get("containerStatuses", []):
        if found := _of_container(container):
            return Problem(found.reason, f"pod {name}: {found.message}")
    return None


def _of_container(status: Manifest) -> Problem | None:
    waiting = status.get("state", {}).get("waiting", {})
    reason = waiting.get("reason", "")
    if reason == "CrashLoopBackOff":
        return Problem(reason, _last_end(status))
    if reason and reason not in _HARMLESS:
        return Problem(reason, f"{waiting.get('message') or reason} (image {status.get('image', '')})")
    if ended := status.get("state", {}).get("terminated"):
        return Problem(ended.get("reason", "Error"), _end(ended))
    if status.get("lastState", {}).get("terminated") and not status.get("ready"):
        return Problem("Restarting", _last_end(status))  # between two crashes a container runs, which is no recovery
    return None


def _last_end(status: Manifest) -> str:
    ended = status.get("lastState", {}).get("terminated", {})
    return f"{_end(ended)}, restarted {status.get('restartCount', 0)} times"


def _end(ended: Manifest) -> str:
    said = str(ended.get("message", "")).strip()
    how = f"ended with exit code {ended.get('exitCode', '?')} ({ended.get('reason', 'Error')})"
    return f"{how}: {said}" if said else how
