from dataclasses import replace
from typing import Any

from chatcluster_operator import names, observed
from chatcluster_operator.resources import synthetic
from support import manifests
from support.manifests import CONTEXT, SECRETS, merged, nested


def deployment(spec: manifests.Spec | None = None) -> Any:
    """Return its Deployment."""
    return synthetic.deployment(manifests.chatcluster(spec), CONTEXT)


def pod(spec: manifests.Spec | None = None) -> Any:
    """Return the spec of its pod."""
    return deployment(spec)["spec"]["template"]["spec"]


def test_there_is_never_more_than_one() -> None:
    """Two would report in turn: the old one ends before the new one starts."""
    assert deployment()["spec"]["replicas"] == 1
    assert deployment()["spec"]["strategy"] == {"type": "Recreate"}


def test_it_can_be_turned_off() -> None:
    """Nothing of it is there then, and nobody is bound to a role that is not."""
    off = manifests.children(nested("monitoring.syntheticUser.enabled", False))

    assert [key for key in off if "synthetic" in key[1]] == []
    assert "demo-synthetic" not in str(off["RoleBinding", "demo-discovery"])
    assert {kind for kind, name in manifests.children() if name == "demo-synthetic"} == {
        *("ServiceAccount", "Role", "RoleBinding", "ConfigMap", "NetworkPolicy", "Deployment")
    }


def test_it_is_a_user_and_knows_no_secret_but_its_password() -> None:
    """Neither the cluster's nor Redis'."""
    [volume] = pod()["volumes"]

    assert volume["secret"]["secretName"] == "demo-synthetic"
    assert [item["key"] for item in volume["secret"]["items"]] == ["password"]


def test_a_new_password_replaces_the_pod() -> None:
    """And no other secret does."""
    cluster = manifests.chatcluster()
    before = synthetic.deployment(cluster, CONTEXT)
    other = replace(CONTEXT, secrets=replace(SECRETS, cluster="new", redis="new"))
    own = replace(CONTEXT, secrets=replace(SECRETS, synthetic="new"))

    assert synthetic.deployment(cluster, other) == before
    after = synthetic.deployment(cluster, own)
    assert observed.annotation(after, names.TEMPLATE_HASH) != observed.annotation(before, names.TEMPLATE_HASH)


def test_it_runs_where_task_may_run() -> None:
    """Nodes that are closed to others are open to it; and it runs what the programs run."""
    tolerations = [{"key": "dedicated", "operator": "Exists"}]
    placed = {"nodeSelector": {"disk": "ssd"}, "tolerations": tolerations}
    spec = merged({"image": "mine", "imagePullSecrets": [{"name": "mine"}]}, nested("task.podTemplate", placed))

    assert pod(spec).items() >= {**placed, "imagePullSecrets": [{"name": "mine"}]}.items()
    assert pod(spec)["containers"][0]["image"] == "mine"
    assert not {"nodeSelector", "tolerations", "imagePullSecrets"} & pod().keys()


def test_nothing_is_asked_in_a_new_report() -> None:
    """Whoever rolls out asks (rollout)."""
    assert synthetic.report(manifests.chatcluster())["data"] == {"question": ""}
