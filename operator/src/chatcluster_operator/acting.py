"""Doing what was planned.

Owns how each action becomes requests, and that nobody else's object is ever taken over. Does not own what is planned.
Every action may be repeated.
"""

from collections.abc import Sequence

from chatcluster_operator import claims, errors, kinds, kube, names, plan, telemetry
from chatcluster_operator.names import Manifest
from chatcluster_operator.spec import ChatCluster


class Actor:
    """Acts for one ChatCluster."""

    def __init__(self, server: kube.Kube, cluster: ChatCluster) -> None:
        self._server = server
        self._cluster = cluster

    async def act(self, actions: Sequence[plan.Action]) -> list[errors.OperatorError]:
        """Do all of it, in order; what one action fails of does not keep the others from being done.

        Returns the failures. Raises `ApiUnavailable` at once: the rest would fare no better.
        """
        failures = list[errors.OperatorError]()
        for action in actions:
            try:
                await self._do(action)
            except errors.ApiUnavailable:
                raise
            except errors.OperatorError as exc:
                failures.append(exc)
        return failures

    async def _do(self, action: plan.Action) -> None:
        match action:
            case plan.Apply(manifest, why, holds_replicas):
                if holds_replicas:
                    await self._hold(manifest)
                await self._apply(manifest, why)
            case plan.Delete(live):
                await self._server.delete(live)
                _count(live["kind"], "unwanted")
            case plan.Orphan(live):
                await self._server.delete(live, orphan=True)
                _count(live["kind"], "growth")
            case plan.Blocked(why):
                raise errors.Foreign(why)
            case claims.Grow(name, size):
                await self._set_claim(name, {"spec": {"resources": {"requests": {"storage": size}}}}, "growth")
            case claims.Own(name, owners):
                await self._set_claim(name, {"metadata": {"ownerReferences": list(owners)}}, "retention")

    async def _apply(self, manifest: Manifest, why: plan.Why) -> None:
        if why == "missing":
            await self._check_free(manifest)
        await self._server.apply(manifest)
        _count(manifest["kind"], why)

    async def _check_free(self, manifest: Manifest) -> None:
        """Server-side apply would take over whatever is there."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        live = await self._server.get(kinds.BY_NAME[kind], self._cluster.namespace, name)
        if live is None or names.owned_by(self._cluster, live):
            return
        if any(owner["kind"] == names.KIND for owner in live["metadata"].get("ownerReferences", [])):
            raise errors.Foreign(f"{kind} {name} still belongs to an earlier ChatCluster, which is being deleted")
        raise errors.Foreign(f"{kind} {name} exists and does not belong to this ChatCluster: rename or delete it")

    async def _hold(self, manifest: Manifest) -> None:
        """Own the number of replicas under another name, as it is at this moment: what was seen may be older."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        live = await self._server.get(kinds.BY_NAME[kind], self._cluster.namespace, name)
        if live is None:
            return
        metadata = {"name": name, "namespace": self._cluster.namespace}
        held = {"apiVersion": manifest["apiVersion"], "kind": kind, "metadata": metadata}
        spec = {"replicas": live["spec"].get("replicas", 1)}
        await self._server.apply({**held, "spec": spec}, manager=names.SCALE_MANAGER)
        _count(kind, "autoscaler")

    async def _set_claim(self, name: str, patch: Manifest, why: str) -> None:
        await self._server.merge(kinds.BY_NAME["PersistentVolumeClaim"], self._cluster.namespace, name, patch)
        _count("PersistentVolumeClaim", why)


def _count(kind: str, why: str) -> None:
    telemetry.ACTIONS_TOTAL.labels(kind, why).inc()
