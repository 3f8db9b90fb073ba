"""What a person did to children, and no watch told of: the next list finds it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chatcluster_operator import kinds, names
from support import operating
from support.eventually import eventually
from support.gate import Gate, Watches
from support.operating import Api

SPEC = {"logic": {"autoscaling": {"maxReplicas": 5}}, "exposure": {"ingress": {"host": "chat.example.com"}}}
"""Leads to children of all kinds."""
EDITS: dict[tuple[str, str], dict[str, Any]] = {
    ("ServiceAccount", "demo-api"): {"automountServiceAccountToken": True},
    ("ConfigMap", "demo-redis"): {"data": {"redis.conf": ""}},
    ("Service", "demo-api"): {"spec": {"selector": {names.COMPONENT: "another"}}},
    ("Deployment", "demo-task"): {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}},
    ("StatefulSet", "demo-redis"): {"spec": {"replicas": 0}},
    ("PodDisruptionBudget", "demo-api"): {"spec": {"maxUnavailable": 2}},
    ("HorizontalPodAutoscaler", "demo-logic"): {"spec": {"maxReplicas": 50}},
    ("NetworkPolicy", "demo-redis"): {"spec": {"ingress": [{}]}},
    ("Ingress", "demo"): {"spec": {"rules": [{"host": "elsewhere.example.com"}]}},
    ("Role", "demo-discovery"): {"rules": []},
    ("RoleBinding", "demo-discovery"): {"subjects": []},
}
"""One child of each kind, and what is done to it."""


@pytest.mark.parametrize("fate", [Watches.ROBBED, Watches.SILENT], ids=lambda fate: fate.value)
async def test_drift_is_repaired_though_no_watch_tells_of_it(
    api: Api, kubeconfig: Path, tmp_path: Path, fate: Watches, request: pytest.FixtureRequest
) -> None:
    """One child of each kind, edited and then deleted: all are back 10 s after the next list at the latest.

    With --full the interval between lists is the one that users have, else it is shorter.
    """
    resync = 60 if request.config.getoption("--full") else 5
    async with operator_behind_gate(api, kubeconfig, tmp_path, resync) as gate:
        before = {child: await api.get(*child) for child in EDITS}
        gate.watches = fate

        for (kind, name), patch in EDITS.items():
            await api.patch(kind, name, patch)
        edited = {child: await api.get(*child) for child in EDITS}
        assert not any(said(edited[child]) == said(before[child]) for child in EDITS), "an edit changed nothing"
        await eventually(lambda: are_as(api, before), within=resync + 10, every=0.1, what="edits are undone")

        for child in EDITS:
            await api.delete(*child)
        await eventually(lambda: are_as(api, before), within=resync + 10, every=0.1, what="all are back")


@asynccontextmanager
async def operator_behind_gate(api: Api, kubeconfig: Path, folder: Path, resync: int) -> AsyncIterator[Gate]:
    """Yield the gate of an operator that has made a ChatCluster ready, and has heard of everything."""
    gate = Gate(kubeconfig, folder)
    environ = {
        "CHATCLUSTER_OPERATOR_NAMESPACES": api.namespace,
        "CHATCLUSTER_OPERATOR_RESYNC_SECONDS": f"{resync}",
    }
    async with gate.open(), operating.running(gate.kubeconfig, folder, environ) as operator:
        await api.chatcluster("demo", SPEC)
        await eventually(lambda: is_ready(api), within=60, every=0.1, what="ready")
        await operating.quiet(operator, every=0.5)
        yield gate


async def is_ready(api: Api) -> bool:
    """Play the controllers; whether status says that all is well."""
    await operating.play_controllers(api, "demo")
    return bool((await api.condition("demo", "Ready")).get("status") == "True")


async def are_as(api: Api, before: dict[tuple[str, str], Any]) -> bool:
    """Whether children say what they said."""
    for child, body in before.items():
        live = await api.get(*child)
        assert live is not None, child
        assert said(live) == said(body), child
    return True


def said(live: Any) -> Any:
    """Return what an object says, without what the API server gives each object anew."""
    spec = {name: value for name, value in live.get("spec", {}).items() if name not in {"clusterIP", "clusterIPs"}}
    return {**{name: value for name, value in live.items() if name not in {"metadata", "status"}}, "spec": spec}


def test_every_kind_is_edited() -> None:
    """The table above has them all."""
    assert {kind for kind, _ in EDITS} == {kind.name for kind in kinds.CHILDREN}
