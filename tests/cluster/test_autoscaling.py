"""Autoscalers switched on and off: the number of pods is handed over, and never falls on the way."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chatcluster_operator import names
from support import ground, history, operating
from support.cluster.kubectl import Kubectl
from support.eventually import eventually
from support.installation import Installation
from support.operating import Api
from support.system import Process

CONNECT = "demo-connect"
AUTOSCALER = "HorizontalPodAutoscaler"
ON = {"minReplicas": 2, "maxReplicas": 6}


@pytest.fixture
async def numbers(kubeconfig: Path, api: Api, operator: Process) -> AsyncIterator[list[int]]:
    """Yield how many gateways there should be since a ChatCluster with three of them was made."""
    await api.chatcluster("demo", {"connect": {"replicas": 3}})
    await eventually(lambda: api.get("Deployment", CONNECT), within=30)
    async with history.replicas(Kubectl(kubeconfig, api.namespace), CONNECT) as numbers:
        yield numbers


async def test_switched_on_it_begins_at_what_runs(api: Api, numbers: list[int]) -> None:
    """The number never falls, and is nobody's but the autoscaler's from then on."""
    await switch_on(api)

    await scale(api, 5)
    await something_else_was_done(api)

    assert history.steps(numbers) == [3, 5]
    assert await scaled_by(api) == "Autoscaler"


async def test_switched_off_its_number_stays(api: Api, numbers: list[int]) -> None:
    """Until the spec's number is changed, and in whatever else is done meanwhile; status tells of it."""
    await switch_on(api)
    await scale(api, 5)

    await api.chatcluster("demo", {"connect": {"replicas": 3}})
    await eventually(lambda: is_gone(api), within=10)
    await something_else_was_done(api)
    await api.chatcluster("demo", {"connect": {"replicas": 3}, "limits": {"messageBurst": 7}})
    await ready(api)

    assert history.steps(numbers) == [3, 5]
    assert await scaled_by(api) == "Kept"
    assert "gateways: 5 pods stay" in (await api.condition("demo", "Ready"))["message"]

    await api.patch(names.KIND, "demo", {"spec": {"connect": {"replicas": 4}}})
    await ready(api)
    assert history.steps(numbers) == [3, 5, 4]
    assert await scaled_by(api) == "Spec"


async def test_its_number_stays_also_when_no_operator_saw_it_go(api: Api, kubeconfig: Path, tmp_path: Path) -> None:
    """Nothing is remembered by the process: the next one knows as much."""
    environ = {"CHATCLUSTER_OPERATOR_NAMESPACES": api.namespace}
    async with operating.running(kubeconfig, tmp_path / "first", environ):
        await api.chatcluster("demo", {"connect": {"replicas": 3, "autoscaling": ON}})
        await ready(api)
        await scale(api, 5)
    async with history.replicas(Kubectl(kubeconfig, api.namespace), CONNECT) as numbers:
        await api.chatcluster("demo", {"connect": {"replicas": 3}})
        async with operating.running(kubeconfig, tmp_path / "second", environ):
            await eventually(lambda: is_gone(api), within=10)
            await ready(api)
            await something_else_was_done(api)

    assert history.steps(numbers) == [5]


async def test_a_number_that_comes_with_the_switch_counts(api: Api, numbers: list[int]) -> None:
    """Whoever changes it wants it; it is reached from the live number in one step."""
    await switch_on(api)
    await scale(api, 5)

    await api.chatcluster("demo", {"connect": {"replicas": 4}})

    await eventually(lambda: history.steps(numbers)[-1] == 4, within=10)
    await ready(api)
    assert history.steps(numbers) == [3, 5, 4]
    assert await api.get(AUTOSCALER, CONNECT) is None


async def test_the_spec_s_number_counts_again_when_the_deployment_is_scaled_down_to_it(
    api: Api, numbers: list[int]
) -> None:
    """The way for whoever wants just that number: in the spec it stands already."""
    await switch_on(api)
    await scale(api, 5)
    await api.chatcluster("demo", {"connect": {"replicas": 3}})
    await eventually(lambda: is_gone(api), within=10)

    await scale(api, 3)
    await ready(api)
    assert await scaled_by(api) == "Spec"
    await scale(api, 6)

    await eventually(lambda: history.steps(numbers) == [3, 5, 3, 6, 3], within=10)


async def test_made_with_an_autoscaler_it_begins_at_its_least(api: Api, operator: Process) -> None:
    """Also when its Deployment is deleted by hand: else a single gateway would stand in for all."""
    await api.chatcluster("demo", {"connect": {"autoscaling": {"minReplicas": 3, "maxReplicas": 6}}})
    first = await eventually(lambda: api.get("Deployment", CONNECT), within=30)
    await api.delete("Deployment", CONNECT)

    async def anew() -> Any:
        live = await api.get("Deployment", CONNECT)
        return live if live and live["metadata"]["uid"] != first["metadata"]["uid"] else None

    second = await eventually(anew, within=10)
    assert (first["spec"]["replicas"], second["spec"]["replicas"]) == (3, 3)


async def test_gateways_that_run_run_on(release: Installation, namespace: Kubectl) -> None:
    """With a real autoscaler: switched on at three it adds one, switched off all four stay, until somebody scales."""
    async with ground.site(namespace, connect={**ground.CONNECT, "replicas": 3}) as site:
        first = await site.lives("connect")
        async with history.replicas(namespace, CONNECT) as numbers:
            await site.change(connect={"autoscaling": ON})
            await site.becomes("Ready")
            await site.change(connect={"autoscaling": {**ON, "minReplicas": 4}})
            await site.has(connect=4)
            await site.change(connect={"autoscaling": None})
            await site.becomes("Ready")
            await eventually(lambda: is_gone(site.api), within=30)
            assert first < await site.lives("connect")
            assert await scaled_by(site.api) == "Kept"

            await site.scale(site.resource, 2)
            await site.has(connect=2)

    assert history.steps(numbers) == [3, 4, 2]


async def switch_on(api: Api) -> None:
    """Switch the gateways' autoscaler on, and wait until all is well."""
    await api.chatcluster("demo", {"connect": {"replicas": 3, "autoscaling": ON}})
    await eventually(lambda: api.get(AUTOSCALER, CONNECT), within=10)
    await ready(api)


async def scale(api: Api, replicas: int) -> None:
    """Set the number of gateways, as an autoscaler or a person would."""
    await api.patch("Deployment", CONNECT, {"spec": {"replicas": replicas}})


async def ready(api: Api) -> None:
    """Play the controllers until the ChatCluster says that it is ready."""

    async def look() -> bool:
        await operating.play_controllers(api, "demo")
        condition = await api.condition("demo", "Ready")
        generation = (await api.get(names.KIND, "demo"))["metadata"]["generation"]
        return (condition.get("status"), condition.get("observedGeneration")) == ("True", generation)

    await eventually(look, within=60, every=0.1, what="demo is ready")


async def something_else_was_done(api: Api) -> None:
    """Wait until the operator has put something right: so it has looked at everything."""
    await api.delete("ConfigMap", "demo-redis")
    await eventually(lambda: api.get("ConfigMap", "demo-redis"), within=10)


async def is_gone(api: Api) -> bool:
    """Whether there is no autoscaler of the gateways."""
    return await api.get(AUTOSCALER, CONNECT) is None


async def scaled_by(api: Api) -> str:
    """Who says how many gateways there are, by the ChatCluster's status."""
    body = await api.get(names.KIND, "demo")
    return str(body["status"]["components"]["connect"]["scaledBy"])
