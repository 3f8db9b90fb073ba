"""The operator as a process of a test, and the API server as its tests look at it."""

import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import kubernetes

from chatcluster.local.programs import Program
from chatcluster_operator import errors, kinds, kube, names
from chatcluster_operator.spec import COMPONENTS
from support import crd, manifests
from support.cluster.commands import until
from support.cluster.kubectl import Kubectl
from support.eventually import eventually
from support.system import Process

MANAGER = "a-person"


class Api:
    """Requests of a person, or of a controller that a test stands in for. Everything in one namespace."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        self.server = kube.ApiServer(configuration, 4)
        self.namespace = namespace

    async def get(self, kind: str, name: str) -> Any:
        """Return an object, None if there is none."""
        return await self.server.get(kinds.BY_NAME[kind], self.namespace, name)

    async def chatcluster(self, name: str, spec: Mapping[str, Any] | None = None) -> Any:
        """Apply a ChatCluster as `kubectl apply` would."""
        return await self.apply(names.KIND, name, api_version=names.API_VERSION, spec=spec or {})

    async def apply(self, kind: str, name: str, *, api_version: str = "v1", **fields: Any) -> Any:
        """Server-side apply."""
        metadata = {"name": name, "namespace": self.namespace, **fields.pop("metadata", {})}
        manifest = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
        return await self.server.apply(manifest, manager=MANAGER)

    async def patch(self, kind: str, name: str, patch: Mapping[str, Any]) -> None:
        """Change single fields, as `kubectl patch --type merge` does."""
        await self.server.merge(kinds.BY_NAME[kind], self.namespace, name, dict(patch))

    async def delete(self, kind: str, name: str) -> None:
        """Delete an object that is there."""
        await self.server.delete(await self.get(kind, name))

    async def condition(self, name: str, kind: str) -> Any:
        """Return a ChatCluster's condition; empty if it has none of that type."""
        found = (await self.get(names.KIND, name)).get("status", {}).get("conditions", [])
        return next((condition for condition in found if condition["type"] == kind), {})

    async def becomes(self, name: str, kind: str, status: str, *, within: float = 30, reason: str = "") -> Any:
        """Wait for a condition of a ChatCluster at its present generation; returns it."""

        async def look() -> Any:
            body = await self.get(names.KIND, name)
            found = await self.condition(name, kind)
            assert found.get("observedGeneration") == body["metadata"]["generation"], found
            assert (found["status"], found["reason"]) == (status, reason or found["reason"]), found
            return found

        return await eventually(look, within=within, every=0.1, what=f"{kind}={status} {reason}")

    def close(self) -> None:
        """Let go of its connections."""
        self.server.close()


@asynccontextmanager
async def running(kubeconfig: Path, folder: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """Yield an operator that has listed everything."""
    folder.mkdir(parents=True, exist_ok=True)
    variables = {
        "KUBECONFIG": str(kubeconfig),
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CHATCLUSTER_HEALTH_PORT": "0",
        "CHATCLUSTER_OPERATOR_SERVICES_IMAGE": "chatcluster/services:test",
        **(environ or {}),
    }
    command = (sys.executable, "-P", "-m", "chatcluster_operator")
    operator = Process(lambda _: Program("operator", command, variables), folder, {})
    await operator.start()
    try:
        yield operator
    finally:
        await operator.stop()


async def written(operator: Process) -> float:
    """Return how many writes an operator has sent."""
    counts = [
        await operator.metric("chat_operator_api_calls_total", verb=verb) for verb in ("patch", "create", "delete")
    ]
    return sum(counts)


async def quiet(operator: Process, *, within: float = 30, every: float = 1) -> None:
    """Wait until nothing is waiting to be looked at, and nothing more is looked at between two looks at it."""
    last = -1.0

    async def look() -> bool:
        nonlocal last
        before, last = last, await operator.metric("chat_operator_reconciles_total")
        return before == last and not await operator.metric("chat_operator_queue_depth")

    await eventually(look, within=within, every=every)


async def play_controllers(api: Api, cluster: str) -> None:
    """Stand in for what an API server alone does not have: every pod runs, orphans are let go, and messages arrive."""
    await play_workloads(api, cluster, (*COMPONENTS, names.SYNTHETIC))
    await answer(api, cluster)


async def play_workloads(api: Api, cluster: str, components: Iterable[str]) -> None:
    """Have the pods of these components run, and those of Redis."""
    for component in components:
        await _complete(api, "Deployment", f"{cluster}-{component}")
    await _complete(api, "StatefulSet", f"{cluster}-redis")


async def answer(api: Api, cluster: str, culprit: str = "") -> None:
    """Stand in for the synthetic user: it answers what it is asked, that all is well or who is to blame."""
    name = f"{cluster}-{names.SYNTHETIC}"
    report = await api.get("ConfigMap", name)
    if report is None:
        return
    said = manifests.answer(report["data"]["question"], culprit)
    if not said.items() <= report["data"].items():
        await api.patch("ConfigMap", name, {"data": said})


async def _complete(api: Api, kind: str, name: str) -> None:
    live = await api.get(kind, name)
    if live is None:
        return
    if "deletionTimestamp" in live["metadata"]:
        await api.patch(kind, name, {"metadata": {"finalizers": None}})
        return
    replicas = live["spec"]["replicas"]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    status = {**counts, "observedGeneration": live["metadata"]["generation"]}
    if {**live.get("status", {}), **status} == live.get("status"):
        return
    manifest = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": api.namespace}}
    try:
        await api.server.apply({**manifest, "status": status}, manager="controllers", subresource="status")
    except errors.OperatorError as exc:
        raise AssertionError(str(exc)) from exc


def install_crd(kubectl: Kubectl) -> None:
    """Have an API server know ChatClusters."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(crd.PATH))
    until(lambda: _is_established(kubectl), within=30, what="ChatCluster is a kind that is served")


def _is_established(kubectl: Kubectl) -> bool:
    found = kubectl.get("crd", f"{names.PLURAL}.{names.GROUP}").get("status", {}).get("conditions") or []
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in found)
