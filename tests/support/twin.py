"""An API server with its controllers, as far as plans depend on it: all that is applied runs at once."""

import copy
from collections.abc import Sequence

from chatcluster_operator import names, observed
from chatcluster_operator.claims import Grow
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key, Observed
from chatcluster_operator.plan import Action, Apply, Delete, Orphan
from support import manifests


class Twin:
    """An API server with its controllers, as far as plans depend on it: who owns `replicas`, and what grows."""

    def __init__(self) -> None:
        self.objects: dict[Key, Manifest] = {}
        self.claim: Manifest | None = None

    def seen(self) -> Observed:
        """Return what there is, once all pods run, and the synthetic user has answered that all is well."""
        for found in self.objects.values():
            if found["kind"] in {"Deployment", "StatefulSet"}:
                generation = found["metadata"]["generation"]
                found["status"] = {"observedGeneration": generation, **manifests.complete(found["spec"]["replicas"])}
            elif found["kind"] == "ConfigMap" and "question" in found["data"]:
                found["data"] |= manifests.answer(found["data"]["question"])
        return Observed(children=copy.deepcopy(self.objects), claim=copy.deepcopy(self.claim))

    def act(self, actions: Sequence[Action]) -> None:
        """Do what was planned."""
        for action in actions:
            match action:
                case Apply(manifest, _, holds_replicas):
                    name = manifest["metadata"]["name"]
                    if holds_replicas:
                        self.scale(name, self.replicas(name), names.SCALE_MANAGER)
                    self._apply(manifest)
                case Delete(live) | Orphan(live):
                    del self.objects[observed.key_of(live)]
                case Grow(_, size):
                    assert self.claim
                    self.claim["spec"]["resources"]["requests"]["storage"] = size

    def replicas(self, name: str) -> int:
        """Return how many pods a Deployment has."""
        number: int = self.objects["Deployment", name]["spec"]["replicas"]
        return number

    def scale(self, name: str, replicas: int, manager: str) -> None:
        """Set a Deployment's replicas, as an autoscaler does."""
        live = self.objects["Deployment", name]
        managers = managers_of(live) if live["spec"]["replicas"] == replicas else set()
        live["spec"]["replicas"] = replicas
        live["metadata"]["managedFields"] = fields(managers | {manager})

    def _apply(self, manifest: Manifest) -> None:
        key = observed.key_of(manifest)
        before, found = self.objects.get(key), copy.deepcopy(manifest)
        found["metadata"] |= {"uid": "u", "generation": (before or found)["metadata"].get("generation", 0) + 1}
        found["metadata"].setdefault("annotations", {})["deployment.kubernetes.io/revision"] = "1"
        if manifest["kind"] == "Deployment":
            found["spec"]["template"]["spec"].setdefault("restartPolicy", "Always")
            _own_replicas(found, before)
        if manifest["kind"] == "StatefulSet" and self.claim is None:
            self.claim = manifests.claim(manifest)
        self.objects[key] = found


def fields(managers: set[str]) -> list[Manifest]:
    """Return the managedFields of a Deployment whose replicas these own, beside one who owns something else."""
    owning = [{"manager": one, "fieldsV1": {"f:spec": {"f:replicas": {}}}} for one in sorted(managers)]
    return [*owning, {"manager": "kube-controller-manager", "fieldsV1": {"f:status": {}}}]


def managers_of(live: Manifest) -> set[str]:
    """Return who owns the replicas of a Deployment."""
    return {entry["manager"] for entry in live["metadata"]["managedFields"] if "f:spec" in entry["fieldsV1"]}


def _own_replicas(found: Manifest, before: Manifest | None) -> None:
    """What server-side apply does: who applies a field owns it; a field that its last owner drops falls back to 1."""
    managers, live = (managers_of(before), before["spec"]["replicas"]) if before else (set[str](), 1)
    if "replicas" in found["spec"]:
        others = managers if found["spec"]["replicas"] == live else set[str]()
        managers = others | {names.FIELD_MANAGER}
    else:
        rest = managers - {names.FIELD_MANAGER}
        found["spec"]["replicas"] = 1 if managers and not rest else live
        managers = rest
    found["metadata"]["managedFields"] = fields(managers)
