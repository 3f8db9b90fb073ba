"""A walk through random specs: wherever it leads, status tells the truth, and nothing is wedged by what was before."""

import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis.strategies import sampled_from

from chatcluster_operator import errors, names
from support import crd, manifests, operating, specs
from support.cluster import images
from support.cluster.cluster import Cluster
from support.cluster.fixtures import StartApiServer
from support.cluster.kubectl import Kubectl
from support.eventually import eventually
from support.operating import Api
from support.specs import Drawing, Spec
from support.system import Process

SEED = 20261125
STEPS, ALL_STEPS, STEPS_ON_PODS = 30, 200, 10
WITHIN, WITHIN_ON_PODS = 360, 600
"""Seconds for each spec; nearly all take two. But a pod that was deleted while kube-scheduler bound it leaves its error
to the next one of its name, which is looked at again after five minutes; and real pods have to start."""
VALID = 0.4
"""The part of specs that is accepted at least: a walk of refusals would show little."""
HITS = 3
"""How often each field is set at least in specs that are accepted, in a whole walk."""
NODES = 4
RULES = [rule["message"] for node in crd.spec_nodes() for rule in node.schema.get("x-kubernetes-validations", [])]

ON_PODS = Drawing(
    # One node has no other zone, no class but the default one, no registry, and no Redis that somebody else runs.
    left_out=r"[iI]mage|[aA]ffinity|nodeSelector|[tT]opology|maxSkew|minDomains|nodeTaints|whenUns|Class|external|labels",
    narrowed={
        **specs.NARROWED,
        "replicas": sampled_from([1, 2]),
        "requests.cpu": sampled_from(["1m", "5m"]),
        "requests.memory": sampled_from(["64Mi", "70M"]),
        "drainSeconds": sampled_from([0, 1, 3]),
        "shards": sampled_from([1, 16, 40]),
        "annotations{}": sampled_from([{"example.com/team": "chat"}]),
    },
)
"""What real pods on one node can be asked for."""


@dataclass(frozen=True)
class Step:
    """What became of one spec."""

    spec: Spec
    end: Literal["refused", "ready", "degraded"]
    seconds: float


class Walker:
    """Has one ChatCluster say one spec after the other; a new one where what it says cannot be changed."""

    def __init__(self, api: Api, within: float, *, is_simulated: bool = False) -> None:
        """`is_simulated`: pods run nothing, so that somebody has to stand in for the synthetic user."""
        self._api = api
        self._within = within
        self._is_simulated = is_simulated
        self._made = 0
        self._name = ""
        self.steps: list[Step] = []

    async def step(self, spec: Spec) -> None:
        """Apply a spec, and wait until it is where it should end."""
        begun = time.monotonic()
        end: Literal["refused", "ready", "degraded"] = "refused"
        if await self._is_accepted(spec):
            end = "degraded" if specs.flaws(spec) else "ready"
            look = self._is_degraded if specs.flaws(spec) else self._is_ready
            await eventually(lambda: look(spec), within=self._within, every=0.1, what=f"{end}: {spec}")
        self.steps.append(Step(spec, end, time.monotonic() - begun))

    async def _is_accepted(self, spec: Spec) -> bool:
        """Whether the API server takes it: of the ChatCluster that there is, or of a new one in its place."""
        if self._name and await self._says(self._name, spec):
            return True
        name = f"walk-{self._made + 1}"
        if not await self._says(name, spec):
            return False
        if self._name:
            await self._api.delete(names.KIND, self._name)
        self._made, self._name = self._made + 1, name
        return True

    async def _says(self, name: str, spec: Spec) -> bool:
        """Have a ChatCluster say this; whether the API server has let it."""
        refusal = ""
        try:
            await self._api.chatcluster(name, spec)
        except errors.Rejected as exc:
            refusal = str(exc)
        assert is_explained(spec, refusal), f"{refusal or 'accepted'}: {spec}"
        return not refusal

    async def _is_ready(self, _: Spec) -> bool:
        found = await self._condition("Ready")
        assert found["status"] == "True", found
        return True

    async def _is_degraded(self, spec: Spec) -> bool:
        found = await self._condition("Degraded")
        assert found["status"] == "True", found
        assert any(re.search(told, found["message"]) for told in specs.flaws(spec)), found
        return True

    async def _condition(self, kind: str) -> Any:
        if self._is_simulated:
            await operating.answer(self._api, self._name)
        body = await self._api.get(names.KIND, self._name)
        [found] = [one for one in body.get("status", {}).get("conditions", []) if one["type"] == kind] or [{}]
        assert found.get("observedGeneration") == body["metadata"]["generation"], found
        return found

    def told(self) -> str:
        """Return how the walk went, for a person."""
        ends, hits = Counter(step.end for step in self.steps), self.hits()
        seconds = [step.seconds for step in self.steps if step.end != "refused"]
        return (
            f"{len(self.steps)} specs: {ends['ready']} ready, {ends['degraded']} degraded, {ends['refused']} refused; "
            f"{self._made} ChatClusters; each field set at least {min(hits.values())} times in what was accepted; "
            f"{statistics.median(seconds):.1f} s a step, {max(seconds):.1f} s at most"
        )

    def hits(self) -> Counter[str]:
        """Return how many of the accepted specs set each leaf."""
        accepted = [step for step in self.steps if step.end != "refused"]
        found = Counter({leaf.path: 0 for leaf in Drawing().leaves()})
        found.update(path for step in accepted for path in set(specs.set_leaves(step.spec)))
        return found

    def valid(self) -> float:
        """Return the part of the specs that was accepted."""
        return sum(step.end != "refused" for step in self.steps) / len(self.steps)


def problems(spec: Spec) -> list[str]:
    """Return what in a spec the schema does not allow, rules left aside."""
    return crd.problems_of_resource(manifests.resource(spec))


def is_explained(spec: Spec, refusal: str) -> bool:
    """Whether a refusal names a field and has a reason; or, if there was none, there is none."""
    if not refusal:
        return problems(spec) == []
    return "spec." in refusal and bool(problems(spec) or any(rule in refusal for rule in RULES))


async def walk(walker: Walker, operator: Process, drawn: Sequence[Spec]) -> None:
    """Take all steps, and one more to an empty spec: whatever was before, that one works."""
    for spec in drawn:
        await walker.step(spec)
    await walker.step({})
    assert await operator.metric("chat_operator_reconciles_total", outcome="crashed") == 0
    assert await operator.metric("chat_operator_actions_total", why="drift") == 0, (
        "what was applied is not what is live"
    )


async def test_a_random_walk(
    start_api_server: StartApiServer, tmp_path: Path, request: pytest.FixtureRequest, figure: Callable[[str], None]
) -> None:
    """Each spec ends ready, refused by field, or degraded for a reason that is named; with --full, 200 of them."""
    server = start_api_server(nodes=NODES)
    operating.install_crd(server.kubectl)
    label_nodes(server.kubectl)
    server.kubectl("create", "namespace", "walk")
    api = Api(server.kubeconfig, "walk")
    await api.apply("Secret", "present", stringData={key: f"redis://{key}:6379/0" for key in ("first", "second")})
    is_full = request.config.getoption("--full")

    walker = Walker(api, WITHIN, is_simulated=True)
    async with operating.running(server.kubeconfig, tmp_path / "operator") as operator:
        await walk(walker, operator, specs.walk(Drawing(), ALL_STEPS if is_full else STEPS, SEED))
    api.close()

    figure(walker.told())
    assert walker.valid() >= VALID
    assert not is_full or min(walker.hits().values()) >= HITS


@pytest.mark.full
async def test_a_random_walk_on_real_pods(
    own_cluster: Cluster,
    product_images: dict[str, str],
    namespace: Kubectl,
    tmp_path: Path,
    figure: Callable[[str], None],
) -> None:
    """Ten specs that one node can run, and in which every program finds its settings good; or refused by field."""
    operating.install_crd(own_cluster.kubectl)
    api = Api(own_cluster.kubeconfig, namespace.namespace)
    environ = {
        "CHATCLUSTER_OPERATOR_NAMESPACES": namespace.namespace,
        "CHATCLUSTER_OPERATOR_SERVICES_IMAGE": product_images["services"],
        "CHATCLUSTER_OPERATOR_REDIS_IMAGE": images.VALKEY,
    }
    walker = Walker(api, WITHIN_ON_PODS)
    async with operating.running(own_cluster.kubeconfig, tmp_path / "operator", environ) as operator:
        await walk(walker, operator, specs.walk(ON_PODS, STEPS_ON_PODS, SEED))
    api.close()
    figure(walker.told())


def label_nodes(kubectl: Kubectl) -> None:
    """Give simulated nodes what a cloud's have."""
    for number, node in enumerate(kubectl.get("nodes")["items"]):
        zone = f"topology.kubernetes.io/zone=zone-{number}"
        kubectl("label", "node", node["metadata"]["name"], "kubernetes.io/os=linux", zone)
