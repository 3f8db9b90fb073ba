"""Volumes for the cluster: directories of the machine, made, grown and deleted as claims ask for it.

Owns the life of the volumes of its StorageClass, as a storage driver's controllers would: it makes one when the
scheduler has chosen a node for a claim's pod, says that it has grown when the claim asks for more, and deletes it after
its claim unless its policy is to retain it. Volumes are of the kind `local`: hostPath ones know no fsGroup. Nothing
measures or limits what is in them.

A process of its own: `python -m support.cluster.provisioner KUBECONFIG FOLDER`.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import kubernetes

from support.cluster.manifests import PROVISIONER, STORAGE_CLASS

_EVERY = 0.5
_WITHIN = 10
_CHOSEN = "volume.kubernetes.io/selected-node"
_BY = "pv.kubernetes.io/provisioned-by"


class Provisioner:
    """Looks at all claims and volumes again and again: there are few of them, and no look depends on the last."""

    def __init__(self, api: kubernetes.client.CoreV1Api, folder: Path) -> None:
        self._api = api
        self._folder = folder

    def pass_once(self) -> None:
        """Do what the claims and volumes of this moment ask for."""
        volumes = {volume["metadata"]["name"]: volume for volume in _items(self._api.list_persistent_volume)}
        for claim in _items(self._api.list_persistent_volume_claim_for_all_namespaces):
            if claim["spec"].get("storageClassName") == STORAGE_CLASS:
                self._serve(claim, exists=_name(claim) in volumes)
        for name, volume in volumes.items():
            if _BY in volume["metadata"].get("annotations", {}) and _is_over(volume):
                self._delete(name)

    def _serve(self, claim: Any, *, exists: bool) -> None:
        asked = claim["spec"]["resources"]["requests"]["storage"]
        if not exists and _CHOSEN in claim["metadata"].get("annotations", {}) and "volumeName" not in claim["spec"]:
            self._make(claim)
        elif claim["status"]["phase"] == "Bound" and claim["status"]["capacity"]["storage"] != asked:
            self._grow(claim, {"capacity": {"storage": asked}})

    def _make(self, claim: Any) -> None:
        folder = self._folder / _name(claim)
        folder.mkdir(exist_ok=True)
        self._api.create_persistent_volume(_volume(claim, folder), _request_timeout=_WITHIN)

    def _grow(self, claim: Any, capacity: dict[str, Any]) -> None:
        name, namespace = claim["metadata"]["name"], claim["metadata"]["namespace"]
        self._api.patch_persistent_volume(claim["spec"]["volumeName"], {"spec": capacity}, _request_timeout=_WITHIN)
        self._api.patch_namespaced_persistent_volume_claim_status(
            name, namespace, {"status": capacity}, _request_timeout=_WITHIN
        )

    def _delete(self, name: str) -> None:
        shutil.rmtree(self._folder / name, ignore_errors=True)
        self._api.delete_persistent_volume(name, _request_timeout=_WITHIN)


def main(kubeconfig: str, folder: str) -> None:
    """Serve until killed; an API server that does not answer is asked again."""
    kubernetes.config.load_kube_config(kubeconfig)
    provisioner = Provisioner(kubernetes.client.CoreV1Api(), Path(folder))
    while True:
        try:
            provisioner.pass_once()
        except Exception as exc:  # noqa: BLE001 - whatever it was, the next look starts anew
            sys.stderr.write(f"{exc}\n")
        time.sleep(_EVERY)


def _items(list_all: Any) -> list[Any]:
    # Without the client's objects, whose making would cost more than everything else here.
    items: list[Any] = json.loads(list_all(_request_timeout=_WITHIN, _preload_content=False).data)["items"]
    return items


def _is_over(volume: Any) -> bool:
    state = (volume["status"].get("phase"), volume["spec"]["persistentVolumeReclaimPolicy"])
    return state == ("Released", "Delete")


def _name(claim: Any) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def _volume(claim: Any, folder: Path) -> dict[str, Any]:
    node = claim["metadata"]["annotations"][_CHOSEN]
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    identity = {key: claim["metadata"][key] for key in ("name", "namespace", "uid")}
    return {
        "metadata": {"name": _name(claim), "annotations": {_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "accessModes": claim["spec"]["accessModes"],
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": STORAGE_CLASS,
            "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1", **identity},
            "local": {"path": f"{folder}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
        },
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
