import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings, strategies

from chatcluster_operator import desired, matching, names, observed, plan, rollout
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key, Observed
from chatcluster_operator.plan import Action, Apply, Delete, Grow, HoldReplicas, Orphan
from chatcluster_operator.spec import ChatCluster
from support import manifests
from support.manifests import nested

API, REDIS = ("Deployment", "demo-api"), ("StatefulSet", "demo-redis")
SCALED = nested("api.autoscaling", {"maxReplicas": 5})
GROWN = nested("redis.managed.storage.size", "2Gi")


class Twin:
    """An API server with its controllers, as far as plans depend on it: who owns `replicas`, and what grows."""

    def __init__(self) -> None:
        self.objects: dict[Key, Manifest] = {}
        self.claim: Manifest | None = None

    def seen(self) -> Observed:
        """Return what there is, once all pods run."""
        for found in self.objects.values():
            if found["kind"] in {"Deployment", "StatefulSet"}:
                generation = found["metadata"]["generation"]
                found["status"] = {"observedGeneration": generation, **manifests.complete(found["spec"]["replicas"])}
        return Observed(children=copy.deepcopy(self.objects), claim=copy.deepcopy(self.claim))

    def act(self, actions: Sequence[Action]) -> None:
        """Do what was planned."""
        for action in actions:
            match action:
                case Apply(manifest, _):
                    self._apply(manifest)
                case Delete(live) | Orphan(live):
                    del self.objects[observed.key_of(live)]
                case HoldReplicas(name, replicas):
                    self.scale(name, replicas, names.SCALE_MANAGER)
                case Grow(_, size):
                    assert self.claim
                    self.claim["spec"]["resources"]["requests"]["storage"] = size

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


def planned(cluster: ChatCluster, seen: Observed) -> list[Action]:
    """Return what is planned, held back as a rollout wants it."""
    return plan.plan(rollout.gated(cluster, desired.children(cluster, manifests.CONTEXT), seen), seen)


def settle(twin: Twin, cluster: ChatCluster, rounds: int = 8) -> None:
    """Plan and act until nothing is left to be done."""
    for _ in range(rounds):
        actions = planned(cluster, twin.seen())
        if not actions:
            return
        twin.act(actions)
    raise AssertionError(f"still not settled: {actions}")


def settled(spec: dict[str, Any] | None = None) -> Twin:
    """Return an API server on which a ChatCluster has settled."""
    twin = Twin()
    settle(twin, manifests.chatcluster(spec))
    return twin


def summary(actions: Sequence[Action]) -> list[tuple[str, ...]]:
    """Return actions in short: what, why, and to which child."""
    return [
        ("Apply", action.why, *observed.key_of(action.manifest))
        if isinstance(action, Apply)
        else (type(action).__name__, *observed.key_of(action.live))
        if isinstance(action, Delete | Orphan)
        else (type(action).__name__, action.name)
        for action in actions
    ]


def test_what_is_missing_is_applied_in_the_order_of_the_list() -> None:
    """What others need comes first."""
    children = desired.children(manifests.chatcluster(), manifests.CONTEXT)

    actions = plan.plan(children, Observed())

    assert summary(actions) == [("Apply", "missing", *observed.key_of(child)) for child in children]


def test_the_steady_state_needs_nothing() -> None:
    """What was applied from the same manifest and still says so is left alone."""
    cluster = manifests.chatcluster(manifests.EVERYTHING)

    assert planned(cluster, manifests.settled(cluster)) == []


def test_a_changed_spec_changes_what_it_concerns() -> None:
    """And nothing else: here the gateways alone, and their Service."""
    cluster = manifests.chatcluster(
        {"connect": {"maxConnections": 7}, "exposure": {"connect": {"annotations": {"a": "b"}}}}
    )

    assert summary(planned(cluster, settled().seen())) == [
        ("Apply", "changed", "Service", "demo-connect"),
        ("Apply", "changed", "Deployment", "demo-connect"),
    ]


def test_a_field_that_is_no_longer_wanted_is_a_change() -> None:
    """What is live covers what is left; only the digest tells that something was taken away."""
    twin = settled({"api": {"podTemplate": {"nodeSelector": {"disk": "ssd"}}}})

    assert summary(planned(manifests.chatcluster(), twin.seen())) == [("Apply", "changed", *API)]


@pytest.mark.parametrize("key", manifests.children(), ids="-".join)
def test_drift_is_repaired_where_it_is(key: Key) -> None:
    """Whichever child is edited by hand: that one is applied again, and no other."""
    twin = settled()
    labels = twin.objects[key]["metadata"]["labels"]
    labels[names.COMPONENT] = "something-else"

    assert summary(planned(manifests.chatcluster(), twin.seen())) == [("Apply", "drift", *key)]


@pytest.mark.parametrize("key", manifests.children(), ids="-".join)
def test_whatever_is_deleted_is_made_anew(key: Key) -> None:
    """That one, and no other."""
    twin = settled()
    del twin.objects[key]

    assert summary(planned(manifests.chatcluster(), twin.seen())) == [("Apply", "missing", *key)]


def test_a_digest_that_was_taken_away_is_put_back() -> None:
    """Without it nobody can tell what was applied."""
    twin = settled()
    twin.objects[API]["metadata"]["annotations"].pop(names.DESIRED_HASH)

    assert summary(planned(manifests.chatcluster(), twin.seen())) == [("Apply", "changed", *API)]


def test_what_is_no_longer_wanted_is_deleted_last() -> None:
    """A field that is turned off takes with it what it had made, after everything that stays was applied."""
    twin = settled(nested("exposure.ingress", {"host": "a.example.com"}))
    cluster = manifests.chatcluster({"api": {"replicas": 1}, "networkPolicy": {"enabled": False}})

    actions = summary(planned(cluster, twin.seen()))

    assert actions[0] == ("Apply", "changed", *API)
    assert {action[0] for action in actions[1:]} == {"Delete"}
    assert {action[1:] for action in actions[1:]} == {
        ("Ingress", "demo"),
        ("PodDisruptionBudget", "demo-api"),
        *(("NetworkPolicy", f"demo-{program}") for program in manifests.PROGRAMS),
    }


def test_nothing_is_done_to_what_is_going() -> None:
    """Neither applied nor deleted once more: what comes after it is made when it is gone."""
    twin = settled(SCALED)
    for found in twin.objects.values():
        found["metadata"]["deletionTimestamp"] = manifests.NOW

    assert planned(manifests.chatcluster(GROWN), twin.seen()) == []


def test_the_stamp_is_of_the_manifest_alone() -> None:
    """It does not depend on itself, and leaves what was given as it was."""
    child = manifests.children()[API]
    before = copy.deepcopy(child)

    stamped = plan.stamped(child)

    assert child == before
    assert stamped["metadata"]["annotations"].keys() == {names.TEMPLATE_HASH, names.DESIRED_HASH}
    assert plan.stamped(child) == stamped


def test_an_autoscaler_takes_over_at_the_live_number() -> None:
    """Before the operator lets go of the number of replicas somebody else holds it: else it would fall back to 1."""
    twin = settled({"api": {"replicas": 3}})

    actions = planned(manifests.chatcluster({"api": {"replicas": 3, **SCALED["api"]}}), twin.seen())

    assert summary(actions) == [
        ("HoldReplicas", "demo-api"),
        ("Apply", "changed", *API),
        ("Apply", "missing", "HorizontalPodAutoscaler", "demo-api"),
    ]
    assert actions[0] == HoldReplicas("demo-api", 3)
    for number in range(len(actions)):
        twin.act(actions[number : number + 1])
        assert twin.objects[API]["spec"]["replicas"] == 3


def test_nobody_holds_what_the_operator_does_not() -> None:
    """Made with an autoscaler, a Deployment has a number that is nobody's, and then the autoscaler's."""
    twin = settled(SCALED)
    changed = manifests.chatcluster(manifests.merged(SCALED, nested("limits.messageBurst", 7)))

    before = summary(planned(changed, twin.seen()))
    twin.scale("demo-api", 4, "kube-controller-manager")
    after = planned(changed, twin.seen())
    twin.act(after)

    assert before[0] == ("Apply", "changed", *API)
    assert "HoldReplicas" not in [action[0] for action in before + summary(after)]
    assert twin.objects[API]["spec"]["replicas"] == 4


def test_an_autoscalers_number_is_no_drift() -> None:
    """Nor is it once the operator has let go of its own."""
    twin = settled({"api": {"replicas": 3}})
    cluster = manifests.chatcluster({"api": {"replicas": 3, **SCALED["api"]}})
    settle(twin, cluster)
    twin.scale("demo-api", 5, "kube-controller-manager")

    assert planned(cluster, twin.seen()) == []


def test_without_its_autoscaler_a_program_has_the_specs_number() -> None:
    """It goes there from the live one in one step, never by way of 1."""
    twin = settled(SCALED)
    twin.scale("demo-api", 5, "kube-controller-manager")

    actions = planned(manifests.chatcluster({"api": {"replicas": 4}}), twin.seen())

    assert summary(actions) == [
        ("Apply", "changed", *API),
        ("Delete", "HorizontalPodAutoscaler", "demo-api"),
    ]
    twin.act(actions[:1])
    assert twin.objects[API]["spec"]["replicas"] == 4


def test_a_volume_grows_in_three_steps() -> None:
    """The claim first, then the set without its pod, then a new set, whose template nobody can change."""
    twin, cluster = settled(), manifests.chatcluster(GROWN)
    steps = []
    while actions := planned(cluster, twin.seen()):
        steps.append(summary(actions))
        twin.act(actions)

    assert steps == [[("Grow", "data-demo-redis-0")], [("Orphan", *REDIS)], [("Apply", "missing", *REDIS)]]


def test_a_claim_that_does_not_grow_keeps_its_set() -> None:
    """A StorageClass may refuse: then the set with the old template goes on as it is."""
    twin, cluster = settled(), manifests.chatcluster(GROWN)

    assert planned(cluster, twin.seen()) == planned(cluster, twin.seen()) == [Grow("data-demo-redis-0", "2Gi")]


def test_a_set_without_a_claim_is_replaced_at_once() -> None:
    """There is nothing to grow yet."""
    seen = replace(settled().seen(), claim=None)

    assert summary(planned(manifests.chatcluster(GROWN), seen)) == [("Orphan", *REDIS)]


def test_a_claim_that_is_larger_already_is_left_as_it_is() -> None:
    """It may be of an earlier ChatCluster of this name: a volume never shrinks."""
    twin = settled()
    assert twin.claim
    twin.claim["spec"]["resources"]["requests"]["storage"] = "5Gi"

    assert summary(planned(manifests.chatcluster(GROWN), twin.seen())) == [("Orphan", *REDIS)]


def test_another_notation_of_the_size_is_no_growth() -> None:
    """The set's template has to be applied, as text, but cannot be changed: it says the same."""
    cluster = manifests.chatcluster(nested("redis.managed.storage.size", "1024Mi"))

    assert [type(action) for action in planned(cluster, settled().seen())] == [Apply]


def test_what_is_pending_is_what_is_not_as_specified() -> None:
    """Mere drift is repaired and not spoken of; a volume that has to grow is."""
    child = manifests.children()[API]
    actions: list[Action] = [
        *(Apply(child, "missing"), Apply(child, "changed"), Apply(child, "drift")),
        *(Delete(child), HoldReplicas("demo-api", 2), Grow("data", "2Gi"), Orphan({**child, "kind": "StatefulSet"})),
    ]

    assert plan.pending(actions) == [API, API, ("PersistentVolumeClaim", "data"), ("StatefulSet", "demo-api")]


CHANGES = [
    *({}, SCALED, GROWN, manifests.EVERYTHING),
    *({"image": "new"}, {"connect": {"replicas": 7}}, {"shards": 32}, nested("networkPolicy.enabled", False)),
    *(nested("api.podTemplate.tolerations", [{"key": "a", "value": ""}]), nested("limits.messageBurst", 7)),
]


@settings(max_examples=40)
@given(strategies.lists(strategies.lists(strategies.sampled_from(CHANGES), max_size=3), min_size=1, max_size=4))
def test_every_way_ends_where_nothing_is_left_to_be_done(history: list[list[dict[str, Any]]]) -> None:
    """Whatever the specs were, and in which order: what is there is what the last one wants, and no more."""
    twin = Twin()
    grown = False
    for changes in history:
        grown = grown or GROWN in changes  # a volume never shrinks: the schema refuses that
        cluster = manifests.chatcluster(manifests.merged(*changes, GROWN if grown else {}))
        settle(twin, cluster)

    wanted = manifests.by_key(desired.children(cluster, manifests.CONTEXT))
    assert twin.objects.keys() == wanted.keys()
    assert [key for key, child in wanted.items() if not matching.covers(twin.objects[key], child)] == []
