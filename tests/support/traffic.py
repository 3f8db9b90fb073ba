"""A ChatCluster on a real Kubernetes, and people who chat in it while a test changes what is under them.

Owns the operator's release and the ChatClusters of these tests, their way in (the Services' addresses), what is asked
about their children, and the verdict on what people saw. Does not own the people (`load`) nor the rules (`checker`).

Everything that is asked while people chat is asked beside the event loop, which is theirs.
"""

import asyncio
import os
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from chatcluster_operator import kinds, names
from chatcluster_operator.spec import COMPONENTS
from support import checker
from support.cluster.cluster import Cluster
from support.cluster.kubectl import Kubectl, Manifest
from support.eventually import eventually
from support.installation import Installation, values_of
from support.load import Load
from support.operating import Api
from support.rounds import ACKNOWLEDGED
from support.system import total

PLACE = "traffic"
"""The namespace of the ChatClusters."""
RATE = 50
"""Messages a second."""
ROOMS, MEMBERS, PEOPLE = 20, 10, 40
"""200 connections: so many members in each room, several of them the same person's."""
SPEC: Mapping[str, Any] = {
    "api": {"replicas": 1},
    "logic": {"replicas": 1, "podTemplate": {"env": [{"name": "CHATCLUSTER_LOGIC_PASSWORD_MEMORY", "value": "64"}]}},
    "connect": {"replicas": 1},
    "task": {"replicas": 1},
    "limits": {"messagesPerSecond": 1000, "messageBurst": 1000, "registrationsPerMinute": 100_000},
}
"""As small as it gets. A few senders at one address stand for many; everything else is as delivered."""
CHANGED_WITHIN = 300.0
"""Seconds for a change to be complete, on a machine that does much else."""


@contextmanager
def installed(cluster: Cluster, product_images: Mapping[str, str]) -> Iterator[Installation]:
    """Have the chart in the cluster, and a namespace for ChatClusters; take all of it away again."""
    release = Installation(cluster.kubeconfig)
    for name in (release.namespace, PLACE):
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        cluster.kubectl.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
        )
    try:
        release.install(values_of(product_images))
        yield release
    finally:
        release.uninstall()
        cluster.kubectl("delete", "crd", f"{names.PLURAL}.{names.GROUP}", "--ignore-not-found", "--wait", within=180)
        cluster.kubectl("delete", "namespace", release.namespace, PLACE, "--wait", within=180)


@dataclass(frozen=True, slots=True)
class Site:
    """One ChatCluster."""

    name: str
    api: Api
    kubectl: Kubectl

    # -- changing it

    async def scale(self, target: str, replicas: int) -> None:
        """`kubectl scale` of the ChatCluster (its gateways) or of one of its children."""
        await asyncio.to_thread(self.kubectl, "scale", target, f"--replicas={replicas}")

    async def change(self, **spec: Any) -> None:
        """Change fields of the spec; None takes one out of it."""
        await self.api.patch(names.KIND, self.name, {"spec": spec})

    async def becomes(self, condition: str, status: str = "True", reason: str = "") -> Any:
        """Wait for a condition at the present generation; returns it."""
        return await self.api.becomes(self.name, condition, status, within=CHANGED_WITHIN, reason=reason)

    async def delete(self, pod: Manifest) -> None:
        """`kubectl delete --grace-period=0 --force` of a pod."""
        name = pod["metadata"]["name"]
        await asyncio.to_thread(self.kubectl, "delete", "pod", name, "--grace-period=0", "--force", "--wait=false")

    # -- looking at it

    @property
    def resource(self) -> str:
        """What kubectl calls it."""
        return f"{names.PLURAL}/{self.name}"

    async def children(self) -> dict[tuple[str, str], str]:
        """The ids of all its children, by kind and name."""
        found = [await self.listed(kind.name) for kind in kinds.CHILDREN]
        return {
            (child["kind"], child["metadata"]["name"]): child["metadata"]["uid"]
            for children in found
            for child in children
        }

    async def pods(self, component: str) -> list[Manifest]:
        """A component's pods, those included that are going."""
        return [pod for pod in await self.listed("Pod") if pod["metadata"]["labels"][names.COMPONENT] == component]

    async def lives(self, *components: str) -> set[tuple[str, int]]:
        """The pods of components, each with how often it was restarted."""
        pods = [pod for component in components for pod in await self.pods(component)]
        return {
            (pod["metadata"]["uid"], sum(each["restartCount"] for each in pod["status"].get("containerStatuses", [])))
            for pod in pods
        }

    async def has(self, **counts: int) -> None:
        """Wait until components have exactly so many pods, none of them on its way out."""

        async def counted() -> bool:
            assert {component: len(await self.pods(component)) for component in counts} == counts
            return True

        await eventually(counted, within=CHANGED_WITHIN, every=0.5, what=f"{counts} pods")

    async def all_work(self, component: str, metric: str, **labels: str) -> None:
        """Wait until a metric of each pod of a component shows that it has work."""

        async def working() -> bool:
            for pod in await self.pods(component):
                assert await _measured(pod, metric, **labels) > 0, pod["metadata"]["name"]
            return True

        await eventually(working, within=60, every=0.5, what=f"{metric} of every {component}")

    async def holders(self) -> list[Manifest]:
        """The gateways' pods that hold connections; one that does not answer holds none."""
        found = []
        for pod in await self.pods("connect"):
            with suppress(httpx.TransportError):
                found += [pod] if await _measured(pod, "chat_connections") > 0 else []
        return found

    async def listed(self, kind: str) -> list[Manifest]:
        """All objects of a kind that carry its name."""
        found = await self.api.server.everything(kinds.BY_NAME[kind], self.api.namespace)
        return [{"kind": kind, **each} for each in found if each["metadata"]["labels"].get(names.INSTANCE) == self.name]

    async def address(self, component: str) -> str:
        """The address of a component's Service."""
        service = await self.api.get("Service", f"{self.name}-{component}")
        return str(service["spec"]["clusterIP"])


async def kill(pod: Manifest) -> None:
    """SIGKILL to the program of a pod on this machine, in which Kubernetes has no part. Raises if there is none."""

    def end() -> None:
        ours = [process for process in Path("/proc").glob("[0-9]*") if _is_program(process, pod["metadata"]["uid"])]
        assert ours, f"no process of {pod['metadata']['name']}"
        for process in ours:
            os.kill(int(process.name), signal.SIGKILL)

    await asyncio.to_thread(end)


def _is_program(process: Path, uid: str) -> bool:
    """Whether it runs in the pod's control group, which has its id in its name; the pause container does, too."""
    try:
        return uid in (process / "cgroup").read_text() and "chatcluster." in (process / "cmdline").read_text()
    except OSError:  # it has ended meanwhile
        return False


async def _measured(pod: Manifest, metric: str, **labels: str) -> float:
    """A metric of a pod's program; raises `httpx.HTTPError` if it does not answer."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        answer = await client.get(f"http://{pod['status']['podIP']}:{names.PORTS['health']}/metrics")
    return total(answer.text, metric, **labels)


@asynccontextmanager
async def running(cluster: Cluster, **changed: Any) -> AsyncIterator[Site]:
    """Yield a ChatCluster that is ready, of `SPEC` with fields changed; its end is not waited for."""
    api, name = Api(cluster.kubeconfig, PLACE), f"chat-{uuid.uuid4().hex[:6]}"
    site = Site(name, api, Kubectl(cluster.kubeconfig, PLACE))
    await api.chatcluster(name, {**SPEC, **changed})
    try:
        await site.becomes("Ready")
        yield site
    finally:
        await api.delete(names.KIND, name)
        api.close()


@asynccontextmanager
async def chatting(site: Site, figure: Callable[[str], None], *, members: int = MEMBERS) -> AsyncIterator[Load]:
    """Have people chat as long as the block; then nothing that was acknowledged may be missing, doubled or misplaced.

    They come in through the Services' addresses, as clients inside of the cluster do.
    """
    api, connect = await site.address("api"), await site.address("connect")
    load = Load(f"http://{api}:{names.PORTS['api']}", [f"ws://{connect}:{names.PORTS['websocket']}/ws"], seed=0)
    try:
        await load.populate(rooms=ROOMS, members=members, people=PEOPLE)
        async with load.chatting(RATE):
            yield load
        record = await load.settle()
        lost = sum(reading.room.startswith("room:") for reading in load.readings)
        figure(
            f"{len(load.sent)} messages, {checker.acknowledged(load.sent):.3%} acknowledged, "
            f"longest refusal {load.longest_refusal():.1f} s, {len(load.members)} members, {lost} connections lost"
        )
        holds(record)
    finally:
        await load.close()


def holds(record: checker.Record) -> None:
    """Nothing was lost, doubled or out of order, and nearly everything was acknowledged."""
    found = checker.violations(record)
    assert not found, f"{len(found)} violations, the first of them: {found[0]}"
    reasons = Counter(why for sent in record.sent for _, _, why in sent.attempts)
    assert checker.acknowledged(record.sent) >= ACKNOWLEDGED, f"attempts that failed: {reasons.most_common(5)}"


def rollouts(kubectl: Kubectl, name: str) -> dict[str, tuple[str, str]]:
    """When each component's newest pod template was first seen, and when all its pods ran it, to the second."""
    found: dict[str, tuple[str, str]] = {}
    for component in COMPONENTS:
        selector = f"--selector={names.INSTANCE}={name},{names.COMPONENT}={component}"
        sets = kubectl.get("replicasets", "", selector)["items"]
        conditions = kubectl.get("deployment", f"{name}-{component}")["status"]["conditions"]
        [ended] = [each["lastUpdateTime"] for each in conditions if each["reason"] == "NewReplicaSetAvailable"]
        found[component] = (max(each["metadata"]["creationTimestamp"] for each in sets), ended)
    return found
