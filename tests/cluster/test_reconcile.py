"""The operator as a process against a real API server. The controllers of workloads are played: every pod runs."""

import base64
from pathlib import Path
from typing import Any

import pytest

from chatcluster_operator import kinds, names
from support import operating
from support.cluster.fixtures import StartApiServer
from support.eventually import eventually
from support.operating import Api, install_crd
from support.system import Process

CHILDREN = [kind.name for kind in kinds.CHILDREN]


async def ready(api: Api, name: str = "demo") -> None:
    """Play the controllers until the ChatCluster says that it is ready."""

    async def look() -> bool:
        await operating.play_controllers(api, name)
        condition = await api.condition(name, "Ready")
        body = await api.get(names.KIND, name)
        return (condition.get("status"), condition.get("observedGeneration")) == (
            "True",
            body["metadata"]["generation"],
        )

    await eventually(look, within=60, every=0.1, what=f"{name} is ready")


async def children(api: Api, name: str = "demo") -> dict[tuple[str, str], Any]:
    """Return all live children but the Secrets."""
    found = {}
    for kind in kinds.CHILDREN:
        for item in await api.server.everything(kind, api.namespace):
            if item["metadata"]["labels"][names.INSTANCE] == name:
                found[kind.name, item["metadata"]["name"]] = item
    return found


async def test_an_empty_spec_becomes_a_whole_cluster(api: Api, operator: Process) -> None:
    """Every child is there, belongs to the ChatCluster, and status counts what runs."""
    await api.chatcluster("demo")
    await ready(api)

    body = await api.get(names.KIND, "demo")
    found = await children(api)
    assert {kind for kind, _ in found} == set(CHILDREN) - {"HorizontalPodAutoscaler", "Ingress"}
    assert all(child["metadata"]["ownerReferences"][0]["uid"] == body["metadata"]["uid"] for child in found.values())
    assert {part: counted["summary"] for part, counted in body["status"]["components"].items()} == dict.fromkeys(
        ("task", "logic", "api", "connect"), "2/2"
    )
    assert "finalizers" not in body["metadata"]
    assert not any("kopf" in name for name in body["metadata"].get("annotations", {}))


async def test_a_second_look_changes_nothing(api: Api, operator: Process) -> None:
    """In the steady state the operator reads and writes nothing."""
    await api.chatcluster("demo")
    await ready(api)
    await operating.quiet(operator)
    before = await versions(api)
    writes, looks = await operating.written(operator), await operator.metric("chat_operator_reconciles_total")

    await api.patch(names.KIND, "demo", {"metadata": {"annotations": {"a": "person's"}}})

    await eventually(lambda: _more(operator, "chat_operator_reconciles_total", looks), what="one more look")
    assert await operating.written(operator) == writes
    assert await versions(api) == before


async def test_a_new_operator_changes_nothing(api: Api, kubeconfig: Path, tmp_path: Path) -> None:
    """What was applied is known by what is there: nothing is remembered, so nothing is applied again."""
    own = {"CHATCLUSTER_OPERATOR_NAMESPACES": api.namespace}
    async with operating.running(kubeconfig, tmp_path / "first", own) as first:
        await api.chatcluster("demo")
        await ready(api)
        await operating.quiet(first)
    before = await versions(api)

    async with operating.running(kubeconfig, tmp_path / "second", own) as second:
        await eventually(lambda: _more(second, "chat_operator_reconciles_total", 0), what="a look")
        await operating.quiet(second)
        assert await operating.written(second) == 0
    assert await versions(api) == before


@pytest.mark.parametrize("kind", [kind for kind in CHILDREN if kind not in {"HorizontalPodAutoscaler", "Ingress"}])
async def test_a_deleted_child_comes_back(api: Api, operator: Process, kind: str) -> None:
    """Within 10 s, as it was."""
    await api.chatcluster("demo")
    await ready(api)
    [name, before] = next((name, child) for (found, name), child in (await children(api)).items() if found == kind)

    await api.delete(kind, name)

    async def is_back() -> bool:
        live = await api.get(kind, name)
        return live is not None and live["metadata"]["uid"] != before["metadata"]["uid"]

    await eventually(is_back, within=10, every=0.1)


@pytest.mark.parametrize(
    ("kind", "name", "patch"),
    [
        ("Deployment", "demo-task", {"spec": {"replicas": 5}}),
        ("Service", "demo-api", {"spec": {"selector": {names.COMPONENT: "another"}}}),
        ("ConfigMap", "demo-redis", {"data": {"redis.conf": ""}}),
        ("PodDisruptionBudget", "demo-api", {"spec": {"maxUnavailable": 2}}),
        ("NetworkPolicy", "demo-redis", {"spec": {"ingress": [{}]}}),
        ("Role", "demo-discovery", {"rules": []}),
        ("RoleBinding", "demo-discovery", {"subjects": []}),
        ("ServiceAccount", "demo-api", {"automountServiceAccountToken": True}),
    ],
)
async def test_an_edited_child_is_put_right(
    api: Api, operator: Process, kind: str, name: str, patch: dict[str, Any]
) -> None:
    """Within 10 s it says again what it said before."""
    await api.chatcluster("demo")
    await ready(api)
    before = await api.get(kind, name)

    await api.patch(kind, name, patch)

    async def is_right() -> bool:
        return bool(_said(await api.get(kind, name)) == _said(before))

    await eventually(is_right, within=10, every=0.1)
    after = await api.get(kind, name)
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"], "the edit changed nothing"


async def test_what_others_add_stays(api: Api, operator: Process) -> None:
    """Labels, annotations and variables that somebody else put there are theirs."""
    await api.chatcluster("demo")
    await ready(api)

    await api.patch("Service", "demo-api", {"metadata": {"labels": {"team": "blue"}}})
    await api.delete("ConfigMap", "demo-redis")  # something to do, so that a look is sure to have been

    await eventually(lambda: api.get("ConfigMap", "demo-redis"), within=10)
    assert (await api.get("Service", "demo-api"))["metadata"]["labels"]["team"] == "blue"


async def test_what_is_turned_off_goes(api: Api, operator: Process) -> None:
    """Children that a field had brought are deleted with it."""
    exposure = {"ingress": {"host": "chat.example"}}
    await api.chatcluster("demo", {"exposure": exposure, "logic": {"autoscaling": {"maxReplicas": 4}}})
    await eventually(lambda: api.get("Ingress", "demo"), within=30)
    await eventually(lambda: api.get("HorizontalPodAutoscaler", "demo-logic"), within=30)

    await api.chatcluster("demo", {"networkPolicy": {"enabled": False}, "api": {"replicas": 1}})

    async def are_gone() -> bool:
        found = {kind for kind, _ in await children(api)}
        budget = await api.get("PodDisruptionBudget", "demo-api")
        return found.isdisjoint({"Ingress", "HorizontalPodAutoscaler", "NetworkPolicy"}) and budget is None

    await eventually(are_gone, within=10, every=0.1)


async def test_a_rollout_goes_one_component_at_a_time(api: Api, operator: Process) -> None:
    """Task, logic, api, connect: the next only when the last is ready, while scaling goes on for all."""
    await api.chatcluster("demo")
    await ready(api)

    await api.chatcluster("demo", {"image": "chatcluster/services:next", "connect": {"replicas": 3}})

    for number, component in enumerate(("task", "logic", "api", "connect")):
        await eventually(lambda component=component: _turn(api, component, "next"), within=10)  # type: ignore[misc]
        later = ("task", "logic", "api", "connect")[number + 1 :]
        assert not any([await _image(api, other, "next") for other in later])
        if component == "task":
            await eventually(lambda: _has_replicas(api, "connect", 3), within=10)
        await operating.play_controllers(api, "demo")
    await ready(api)


async def test_an_object_of_somebody_else_is_left_alone(api: Api, operator: Process) -> None:
    """It is named in the status; everything else is made."""
    await api.apply("ConfigMap", "demo-redis", data={"mine": "yes"})

    await api.chatcluster("demo")

    condition = await api.becomes("demo", "Degraded", "True", reason="ForeignObject")
    assert "ConfigMap demo-redis" in condition["message"]
    assert (await api.get("ConfigMap", "demo-redis"))["data"] == {"mine": "yes"}
    assert await api.get("Deployment", "demo-api")

    await api.delete("ConfigMap", "demo-redis")
    await ready(api)


async def test_a_missing_secret_is_named(api: Api, operator: Process) -> None:
    """And as soon as it is there, the cluster is made."""
    external = {"urlSecretRef": {"name": "my-redis", "key": "url"}}
    await api.chatcluster("demo", {"redis": {"external": external}})
    condition = await api.becomes("demo", "Degraded", "True", reason="MissingSecret")
    assert "my-redis" in condition["message"]

    await api.apply("Secret", "my-redis", stringData={"url": "redis://elsewhere:6379/0"})

    await ready(api)
    assert await api.get("StatefulSet", "demo-redis") is None


async def test_what_the_api_server_does_not_take_is_told(api: Api, operator: Process) -> None:
    """In its own words; everything else is made, and when the mistake is gone, so is the word of it."""
    await api.chatcluster("demo", {"task": {"podTemplate": {"affinity": {"nodeAffinity": {"nonsense": 1}}}}})

    condition = await api.becomes("demo", "Degraded", "True", reason="Rejected")
    assert ".spec.template.spec.affinity.nodeAffinity.nonsense: field not declared in schema" in condition["message"]
    assert await api.get("Deployment", "demo-connect")

    await api.chatcluster("demo")
    await ready(api)


async def test_secrets_are_drawn_once(api: Api, operator: Process) -> None:
    """Whatever happens to the spec, what was drawn stays; and no value of a Secret stands anywhere else."""
    await api.chatcluster("demo")
    await ready(api)
    drawing = {"cluster": "secret", "redis": "password", "synthetic": "password"}
    before = [(await api.get("Secret", f"demo-{name}"))["data"] for name in drawing]

    await api.chatcluster("demo", {"image": "chatcluster/services:next"})
    await ready(api)

    assert [(await api.get("Secret", f"demo-{name}"))["data"] for name in drawing] == before
    drawn = [base64.b64decode(data[key]).decode() for data, key in zip(before, drawing.values(), strict=True)]
    everything = repr([await children(api), await api.get(names.KIND, "demo"), operator.log.read_text()])
    assert not any(value in everything for value in drawn)


async def test_a_paused_cluster_is_left_alone(api: Api, operator: Process) -> None:
    """Until it goes on: then what was missed is made up for."""
    await api.chatcluster("demo")
    await ready(api)
    pause = {"metadata": {"annotations": {"chatcluster.io/paused": "true"}}}
    await api.patch(names.KIND, "demo", pause)
    await api.becomes("demo", "Paused", "True")

    await api.delete("Service", "demo-api")
    await api.patch(names.KIND, "demo", {"spec": {"sessions": {"ttlSeconds": 100}}})
    await api.becomes("demo", "Paused", "True")
    assert await api.get("Service", "demo-api") is None

    await api.patch(names.KIND, "demo", {"metadata": {"annotations": {"chatcluster.io/paused": None}}})
    await eventually(lambda: api.get("Service", "demo-api"), within=10)


async def test_a_volume_grows(start_api_server: StartApiServer, tmp_path: Path) -> None:
    """The claim is patched, and the set made anew around it. With real controllers: deleting without pods is theirs."""
    server = start_api_server(nodes=1)
    install_crd(server.kubectl)
    server.kubectl("create", "namespace", "chat")
    api = Api(server.kubeconfig, "chat")
    async with operating.running(server.kubeconfig, tmp_path / "operator"):
        await api.chatcluster("demo")
        await eventually(lambda: api.get("StatefulSet", "demo-redis"), within=30)
        before = await api.get("StatefulSet", "demo-redis")

        await api.chatcluster("demo", {"redis": {"managed": {"storage": {"size": "2Gi"}}}})

        async def is_new() -> bool:
            live = await api.get("StatefulSet", "demo-redis")
            if live is None or live["metadata"]["uid"] == before["metadata"]["uid"]:
                return False
            [claim] = live["spec"]["volumeClaimTemplates"]
            return bool(claim["spec"]["resources"]["requests"]["storage"] == "2Gi")

        await eventually(is_new, within=30, every=0.1)
    api.close()


# -- looks


async def versions(api: Api) -> dict[tuple[str, str], str]:
    """Return the version of every child."""
    return {key: child["metadata"]["resourceVersion"] for key, child in (await children(api)).items()}


async def _more(operator: Process, metric: str, than: float) -> bool:
    return await operator.metric(metric) > than


async def _image(api: Api, component: str, tag: str) -> bool:
    live = await api.get("Deployment", f"demo-{component}")
    return bool(live["spec"]["template"]["spec"]["containers"][0]["image"] == f"chatcluster/services:{tag}")


async def _turn(api: Api, component: str, tag: str) -> bool:
    """Have messages arrive; whether it is a component's turn."""
    await operating.answer(api, "demo")
    return await _image(api, component, tag)


async def _has_replicas(api: Api, component: str, count: int) -> bool:
    return bool((await api.get("Deployment", f"demo-{component}"))["spec"]["replicas"] == count)


def _said(live: Any) -> Any:
    return {name: value for name, value in live.items() if name not in {"metadata", "status"}}
