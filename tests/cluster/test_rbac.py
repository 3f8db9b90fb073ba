"""Rights: the operator has those that it uses and no others, the pods' accounts one, and pods are restricted."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from chatcluster_operator import kinds, names
from support import account, manifests, operating
from support.cluster import audit
from support.cluster.audit import Right
from support.cluster.commands import ClusterError
from support.cluster.fixtures import StartApiServer, Target
from support.cluster.kubectl import Kubectl, Manifest
from support.eventually import eventually
from support.operating import Api
from support.system import Process

PLACE = "restricted"
"""The namespace of the journey."""
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
MODES: Mapping[str, dict[str, Any]] = {"everywhere": {}, "in-one-namespace": {"watchNamespaces": [PLACE]}}
READERS = {"demo-api", "demo-connect", "demo-synthetic"}
"""The accounts of the pods that look for others."""


@pytest.mark.parametrize("values", MODES.values(), ids=MODES)
async def test_the_operator_uses_the_rights_that_it_has(
    start_api_server: StartApiServer, tmp_path: Path, values: dict[str, Any]
) -> None:
    """All that may happen to a ChatCluster happens to one: nothing is refused, and no right is left over.

    But for those that the chart marks as held to grant.
    """
    server = start_api_server(nodes=1)
    operating.install_crd(server.kubectl)
    server.kubectl.apply(namespace(PLACE))
    kubeconfig = account.enrolled(server.kubectl, tmp_path, values)
    environ = {"CHATCLUSTER_OPERATOR_NAMESPACES": ",".join(values.get("watchNamespaces", []))}
    api = Api(server.kubeconfig, PLACE)
    async with operating.running(kubeconfig, tmp_path / "operator", environ):
        await journey(api)
    api.close()

    asked = list(audit.requests(server.audit_log, account.USER))
    assert [request for request in asked if request.is_forbidden] == []
    assert set[Right]().union(*(request.rights for request in asked)) == account.rights(values) - account.held()


def test_what_is_held_to_grant_is_marked() -> None:
    """It is what the Roles of pods have, and the operator has it."""
    assert account.held() == {("discovery.k8s.io", "endpointslices", verb) for verb in ("list", "watch")}
    assert account.held() < account.rights()


async def test_a_pods_account_reads_endpoint_slices_and_nothing_else(
    api: Api, operator: Process, api_server: Target, namespaces: Callable[[], str]
) -> None:
    """Beyond what everybody may: api's, connect's and the synthetic user's in their own namespace; the others' not even
    that. The last of them may also change what it reports in, and nothing else of that kind.
    """
    await api.chatcluster("demo", manifests.EVERYTHING)
    accounts = [f"demo-{component}" for component in manifests.PROGRAMS]
    await eventually(lambda: api.get("RoleBinding", "demo-discovery"), within=30)
    elsewhere, slices = namespaces(), {("discovery.k8s.io", "endpointslices", verb) for verb in ("list", "watch")}

    for name in accounts:
        user = f"system:serviceaccount:{api.namespace}:{name}"
        own = may(api_server.kubectl, user, api.namespace) - may(api_server.kubectl, STRANGER, api.namespace)
        if name == "demo-synthetic":
            report = ("", "configmaps/demo-synthetic", "get"), ("", "configmaps/demo-synthetic", "patch")
            assert own >= {*report}
            own -= {*report}
        assert own == (slices if name in READERS else set()), name
        assert may(api_server.kubectl, user, elsewhere) == may(api_server.kubectl, STRANGER, elsewhere), name


def test_pods_that_are_not_restricted_are_refused(api_namespace: Kubectl) -> None:
    """Pod Security is enforced where these tests are: what runs there has passed it."""
    with pytest.raises(ClusterError, match='violates PodSecurity "restricted'):
        api_namespace("run", "loose", "--image=example.org/loose:1")


# -- the journey


async def journey(api: Api) -> None:
    """Take a ChatCluster through all for which the operator needs a right."""
    await turn_everything_on_and_off(api)
    await grow_the_storage(api)
    await leave_children_of_an_earlier_version(api)
    await ask_for_an_unknown_storage_class(api)
    await api.delete(names.KIND, "demo")
    await eventually(lambda: is_gone(api, "Deployment", "demo-api"), within=60, what="end of its children")


async def turn_everything_on_and_off(api: Api) -> None:
    """Every child is made; those that a field had brought are deleted with it."""
    await api.chatcluster("demo", manifests.EVERYTHING)
    await eventually(lambda: is_ready(api), within=120, every=0.5, what="ready")

    await api.chatcluster("demo", {"networkPolicy": {"enabled": False}, "api": {"replicas": 1}})
    for kind, name in (("Ingress", "demo"), ("HorizontalPodAutoscaler", "demo-api"), ("NetworkPolicy", "demo-api")):
        await eventually(lambda kind=kind, name=name: is_gone(api, kind, name), within=60)  # type: ignore[misc]
    await eventually(lambda: is_gone(api, "PodDisruptionBudget", "demo-api"), within=60)
    await eventually(lambda: is_ready(api), within=120, every=0.5, what="ready")


async def grow_the_storage(api: Api) -> None:
    """The claim is patched; the StatefulSet is deleted without its pod, and made anew."""
    before = await api.get("StatefulSet", "demo-redis")
    await api.chatcluster("demo", {"redis": {"managed": {"storage": {"size": "9Gi"}}}})

    async def is_new() -> bool:
        live = await api.get("StatefulSet", "demo-redis")
        return live is not None and live["metadata"]["uid"] != before["metadata"]["uid"]

    await eventually(is_new, within=60, every=0.1, what="a new StatefulSet")
    await eventually(lambda: is_ready(api), within=120, every=0.5, what="ready")


async def leave_children_of_an_earlier_version(api: Api) -> None:
    """What this version no longer wants is deleted, whatever kind it is of."""
    body = await api.get(names.KIND, "demo")
    left = manifests.children(manifests.EVERYTHING, name="demo").values()
    firsts = {child["kind"]: child for child in left}
    for child in firsts.values():
        metadata = {**child["metadata"], "name": "demo-former", "namespace": api.namespace}
        metadata["ownerReferences"] = [{**metadata["ownerReferences"][0], "uid": body["metadata"]["uid"]}]
        await api.server.apply({**child, "metadata": metadata}, manager=operating.MANAGER)
    for kind in firsts:
        await eventually(lambda kind=kind: is_gone(api, kind, "demo-former"), within=60)  # type: ignore[misc]
    assert firsts.keys() == {kind.name for kind in kinds.CHILDREN}


async def ask_for_an_unknown_storage_class(api: Api) -> None:
    """Whether there is one can be seen where the operator sees the whole cluster."""
    await api.chatcluster("waits", {"redis": {"managed": {"storage": {"storageClassName": "nowhere"}}}})
    await api.becomes("waits", "Ready", "False", within=60)
    await eventually(lambda: api.get("PersistentVolumeClaim", "data-waits-redis-0"), within=60)


async def is_ready(api: Api) -> bool:
    """Stand in for the synthetic user, as simulated pods run nothing; whether all is ready as it is specified now."""
    await operating.answer(api, "demo")
    body, found = await api.get(names.KIND, "demo"), await api.condition("demo", "Ready")
    return (found.get("status"), found.get("observedGeneration")) == ("True", body["metadata"]["generation"])


async def is_gone(api: Api, kind: str, name: str) -> bool:
    """Whether there is no such object."""
    return await api.get(kind, name) is None


# -- accounts

STRANGER = "system:serviceaccount:default:stranger"
"""An account to which nobody gave anything."""


def may(kubectl: Kubectl, user: str, place: str) -> set[Right]:
    """Return what a user may do in a namespace, by the API server's own account."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": place}}
    how = ("--validate=false", "--filename=-", "--output=json")
    said = json.loads(kubectl("create", f"--as={user}", *how, text=json.dumps(review)))["status"]
    assert not said["incomplete"], said
    paths = {
        ("", path, verb)
        for rule in said["nonResourceRules"]
        for path in rule["nonResourceURLs"]
        for verb in rule["verbs"]
    }
    return account.granted(said["resourceRules"]) | paths


def namespace(name: str) -> Manifest:
    """Return a namespace that enforces Pod Security."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
