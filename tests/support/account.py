"""The operator's account as the chart makes it, for an operator that a test runs outside of the cluster.

Owns putting the account and its rights into an API server, and the way to be that account: what the chart does not
grant is refused there as in a real release.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from support import chart
from support.cluster import kubeconfigs
from support.cluster.audit import Right
from support.cluster.kubectl import Kubectl

USER = f"system:serviceaccount:{chart.NAMESPACE}:{chart.NAME}"
"""Who the operator is to the API server."""

_KINDS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
_HOURS = 12
_HELD = "# Held to grant:"
"""What the chart says above the rights that the operator does not use itself."""


def enrolled(kubectl: Kubectl, folder: Path, values: Mapping[str, Any] | None = None) -> Path:
    """Put the account of a release with these values into an API server, and return a kubeconfig to be it."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": chart.NAMESPACE}}
    kubectl.apply(namespace, *(found for found in chart.render(values) if found["kind"] in _KINDS))
    place, life = f"--namespace={chart.NAMESPACE}", f"--duration={_HOURS}h"
    token = kubectl("create", "token", chart.NAME, place, life).strip()
    return kubeconfigs.of_account(folder / "operator.kubeconfig", kubectl.kubeconfig, token)


def rights(values: Mapping[str, Any] | None = None) -> set[Right]:
    """Return all that its role grants, in each namespace alike."""
    roles = [found for found in chart.render(values) if found["kind"] in {"ClusterRole", "Role"}]
    return set().union(*(granted(role["rules"]) for role in roles))


def held() -> set[Right]:
    """Return the rights that the chart marks as held only to grant them."""
    below = chart.rendered().partition(_HELD)[2].partition("\n")[2]
    rule = [line for line in below.partition("\n#")[0].splitlines() if line.startswith(("-", " "))]
    return granted(yaml.safe_load("\n".join(rule)))


def granted(rules: list[dict[str, Any]]) -> set[Right]:
    """Return what these rules grant; of single objects by their name, as `configmaps/demo-synthetic`."""
    return {
        (group, "/".join(filter(None, (resource, name))), verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or [""]
        for verb in rule["verbs"]
    }
