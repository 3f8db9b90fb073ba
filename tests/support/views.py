"""What a ChatCluster looks like to the operator's status, settled or not, and what is said of it."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chatcluster_operator import desired, names, status
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key
from chatcluster_operator.status import View
from support import manifests
from support.manifests import NOW, container_status


def view(spec: dict[str, Any] | None = None, **metadata: Any) -> View:
    """Return the view of a ChatCluster that has settled."""
    cluster = manifests.chatcluster(spec, **metadata)
    wanted = desired.children(cluster, manifests.CONTEXT)
    return View(cluster, wanted, manifests.settled(cluster), image="chatcluster/services:1.2.3")


def with_status(given: View, component: str, **counts: Any) -> View:
    """Return a view in which one program's status differs."""
    key: Key = ("StatefulSet" if component == names.REDIS else "Deployment", names.child(given.cluster, component))
    found = copy.deepcopy(dict(given.seen.children))
    found[key]["status"] |= counts
    return replace(given, seen=replace(given.seen, children=found))


def with_answer(given: View, culprit: str = "", templates: Mapping[str, str] | None = None) -> View:
    """Return a view in which the synthetic user was asked about these templates, and says who is to blame."""
    found, key = copy.deepcopy(dict(given.seen.children)), ("ConfigMap", names.child(given.cluster, names.SYNTHETIC))
    question = " ".join(f"{component}={template}" for component, template in (templates or {}).items())
    found[key]["data"] = {"question": question, **manifests.answer(question, culprit)}
    return replace(given, seen=replace(given.seen, children=found))


def with_pods(given: View, *pods: Manifest) -> View:
    """Return a view with these pods."""
    return replace(given, seen=replace(given.seen, pods=pods))


def conditions(given: View) -> dict[str, tuple[str, str, str]]:
    """Return status, reason and message of each condition."""
    told = status.status(given, {}, NOW)["conditions"]
    return {one["type"]: (one["status"], one["reason"], one["message"]) for one in told}


def short(given: View) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition."""
    return {name: told[:2] for name, told in conditions(given).items()}


def waiting(image: str = "ImagePullBackOff") -> Manifest:
    """Return a pod of api whose image cannot be had."""
    return manifests.pod("api", container_status(waiting={"reason": image, "message": "no such image"}))
