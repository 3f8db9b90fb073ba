"""The operator and what the synthetic user reports, on a real API server: condition, events, and rollouts that stop.

Pods are played, and so is the synthetic user.
"""

from typing import Any

import pytest

from chatcluster_operator import kinds, names
from support import operating
from support.eventually import eventually
from support.operating import Api
from support.system import Process

NEXT = "chatcluster/services:next"


@pytest.fixture(name="demo")
async def _demo(api: Api, operator: Process) -> Api:
    """Return the way to an API server on which a ChatCluster is ready, whose messages arrive."""
    await api.chatcluster("demo")
    await eventually(lambda: delivers(api), within=60, every=0.1, what="ready and delivering")
    return api


async def test_the_condition_follows_the_report(demo: Api, operator: Process) -> None:
    """It names who is to blame, so does the summary; each turn is an event, and what stays is not written again."""
    await operating.answer(demo, "demo", "gateway 10.0.0.1:7000")
    told = await demo.becomes("demo", "Delivering", "False", reason="GatewayAtFault")
    assert told["message"] == "gateway 10.0.0.1:7000: does not work"
    assert (await demo.condition("demo", "Ready"))["message"] == told["message"]

    await operating.quiet(operator)
    writes = await operating.written(operator)
    await demo.patch(names.KIND, "demo", {"metadata": {"annotations": {"a": "person's"}}})
    await operating.quiet(operator)
    assert await operating.written(operator) == writes

    await operating.answer(demo, "demo")
    await demo.becomes("demo", "Delivering", "True")
    await demo.becomes("demo", "Ready", "True")
    assert [event["reason"] for event in await events(demo) if "AtFault" in event["reason"]]


async def test_a_rollout_stops_when_messages_do_not_arrive(demo: Api, operator: Process) -> None:
    """After the component that is to blame, and says so; with another image it goes on to the end."""
    await demo.chatcluster("demo", {"image": NEXT})
    await eventually(lambda: runs(demo, "task"), within=20, every=0.1)
    await pods_run(demo)
    await eventually(lambda: is_asked(demo), within=20, every=0.1, what="the operator asks")
    await demo.becomes("demo", "Delivering", "Unknown", reason="Judging")
    await operating.answer(demo, "demo", "task")

    told = await demo.becomes("demo", "Degraded", "True", reason="RolloutStopped")
    await operating.quiet(operator)
    assert "the rollout stops after task" in told["message"]
    assert not await runs(demo, "logic")

    await demo.chatcluster("demo")
    await eventually(lambda: delivers(demo), within=60, every=0.1, what="ready with the image that worked")
    assert (await demo.condition("demo", "Degraded"))["status"] == "False"


async def test_a_rollout_that_stopped_goes_on_without_a_judge(demo: Api) -> None:
    """Turning the synthetic user off takes it away, and with it what stood in the way."""
    await demo.chatcluster("demo", {"image": NEXT})
    await eventually(lambda: runs(demo, "task"), within=20, every=0.1)
    await pods_run(demo)
    await eventually(lambda: is_asked(demo), within=20, every=0.1, what="the operator asks")
    await operating.answer(demo, "demo", "task")
    await demo.becomes("demo", "Degraded", "True", reason="RolloutStopped")

    await demo.chatcluster("demo", {"image": NEXT, "monitoring": {"syntheticUser": {"enabled": False}}})

    await eventually(lambda: is_ready(demo), within=60, every=0.1, what="ready")
    assert all([await runs(demo, component) for component in ("task", "logic", "api", "connect")])
    assert await demo.condition("demo", "Delivering") == {}
    assert [kind.name for kind in kinds.CHILDREN if await demo.get(kind.name, "demo-synthetic")] == []


async def test_a_judge_that_does_not_run_is_not_waited_for_for_ever(demo: Api) -> None:
    """What it would say is unknown; for two minutes the rollout waits, which have passed here at once."""
    await unready(demo)
    told = await demo.becomes("demo", "Delivering", "Unknown", reason="SyntheticUserNotReady")
    since = "2026-01-01T00:00:00Z"
    status = (await demo.get(names.KIND, "demo"))["status"]
    past = [
        {**one, "lastTransitionTime": since} if one["type"] == told["type"] else one for one in status["conditions"]
    ]
    metadata = {"name": "demo", "namespace": demo.namespace}
    manifest = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata}
    await demo.server.apply({**manifest, "status": {**status, "conditions": past}}, subresource="status")

    await demo.chatcluster("demo", {"image": NEXT})

    async def are_replaced() -> bool:
        await pods_run(demo)
        return await runs(demo, "connect")

    await eventually(are_replaced, within=60, every=0.1, what="all run the next image")


# -- looks, and what is played


async def delivers(api: Api) -> bool:
    """Play everybody; whether the ChatCluster is ready, and its messages arrive."""
    return await is_ready(api) and bool((await api.condition("demo", "Delivering")).get("status") == "True")


async def is_ready(api: Api) -> bool:
    """Play everybody; whether the ChatCluster is ready as it is specified now."""
    await operating.play_controllers(api, "demo")
    body, found = await api.get(names.KIND, "demo"), await api.condition("demo", "Ready")
    return (found.get("status"), found.get("observedGeneration")) == ("True", body["metadata"]["generation"])


async def pods_run(api: Api) -> None:
    """Play the controllers, and leave the synthetic user as it is."""
    await operating.play_workloads(api, "demo", ("task", "logic", "api", "connect"))


async def unready(api: Api) -> None:
    """Have the synthetic user's pod not run."""
    metadata = {"name": "demo-synthetic", "namespace": api.namespace}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
    await api.server.apply(
        {**manifest, "status": {"readyReplicas": 0, "replicas": 1}}, manager="controllers", subresource="status"
    )


async def is_asked(api: Api) -> bool:
    """Whether a question waits for its answer."""
    data = (await api.get("ConfigMap", "demo-synthetic"))["data"]
    return bool(data["question"] != data["answered"])


async def runs(api: Api, component: str) -> bool:
    """Whether a component has the next image."""
    live = await api.get("Deployment", f"demo-{component}")
    return bool(live["spec"]["template"]["spec"]["containers"][0]["image"] == NEXT)


async def events(api: Api) -> list[Any]:
    """Return what `kubectl describe` shows of what happened."""
    found = await api.server.everything(kinds.EVENT, api.namespace)
    return [event for event in found if event["involvedObject"]["kind"] == names.KIND]
