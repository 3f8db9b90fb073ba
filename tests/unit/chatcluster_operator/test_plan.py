import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings, strategies

from chatcluster_operator import desired, matching, names, observed, plan, rollout, scaling
from chatcluster_operator.claims import Grow, Own
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key, Observed
from chatcluster_operator.plan import Action, Apply, Blocked, Delete, Orphan
from chatcluster_operator.spec import ChatCluster
from support import manifests
from support.manifests import nested
from support.twin import Twin

API, REDIS = ("Deployment", "demo-api"), ("StatefulSet", "demo-redis")
SCALED = nested("api.autoscaling", {"maxReplicas": 5})
GROWN = nested("redis.managed.storage.size", "2Gi")


def planned(cluster: ChatCluster, seen: Observed) -> list[Action]:
    """Return what is planned, held back as a rollout wants it."""
    return plan.plan(rollout.gated(cluster, wanted(cluster, seen), seen), seen)


def wanted(cluster: ChatCluster, seen: Observed) -> list[Manifest]:
    """Return all children as they should be, after what was there."""
    return desired.children(cluster, replace(manifests.CONTEXT, kept=scaling.kept(cluster, seen)))


def settle(twin: Twin, cluster: ChatCluster, rounds: int = 16) -> None:
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
    return [_short(action) for action in actions]


def _short(action: Action) -> tuple[str, ...]:
    match action:
        case Apply(manifest, why):
            return "Apply", why, *observed.key_of(manifest)
        case Delete(live) | Orphan(live):
            return type(action).__name__, *observed.key_of(live)
        case Blocked():
            return ("Blocked",)
    return type(action).__name__, action.name


def holds(actions: Sequence[Action]) -> list[bool]:
    """Return of each action whether the live number of replicas is held before."""
    return [isinstance(action, Apply) and action.holds_replicas for action in actions]


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
        ("Apply", "changed", *API),
        ("Apply", "missing", "HorizontalPodAutoscaler", "demo-api"),
    ]
    for number in range(len(actions)):
        assert holds(actions) == [number == 0 for number in range(2)]
        twin.act(actions[number : number + 1])
        assert twin.replicas("demo-api") == 3


def test_with_an_autoscaler_a_program_begins_at_its_least() -> None:
    """Whether it is made for the first time, or was deleted by hand: without a number it would begin at 1."""
    cluster = manifests.chatcluster(nested("api.autoscaling", {"minReplicas": 3, "maxReplicas": 5}))
    twin = Twin()

    settle(twin, cluster)
    first = twin.replicas("demo-api"), twin.replicas("demo-logic")
    del twin.objects[API]
    settle(twin, cluster)

    assert (first, twin.replicas("demo-api")) == ((3, 2), 3)


def test_nobody_holds_what_the_operator_does_not() -> None:
    """Made with an autoscaler, a Deployment has a number that is the operator's, until the autoscaler changes it."""
    twin = settled(SCALED)
    changed = manifests.chatcluster(manifests.merged(SCALED, nested("limits.messageBurst", 7)))

    before = planned(changed, twin.seen())
    twin.scale("demo-api", 4, "kube-controller-manager")
    after = planned(changed, twin.seen())
    twin.act(after)

    assert summary(before)[0] == summary(after)[0] == ("Apply", "changed", *API)
    assert (holds(before)[0], holds(after)[0]) == (True, False)
    assert twin.replicas("demo-api") == 4


def test_an_autoscalers_number_is_no_drift() -> None:
    """Nor is it once the operator has let go of its own."""
    twin = settled({"api": {"replicas": 3}})
    cluster = manifests.chatcluster({"api": {"replicas": 3, **SCALED["api"]}})
    settle(twin, cluster)
    twin.scale("demo-api", 5, "kube-controller-manager")

    assert planned(cluster, twin.seen()) == []


def test_without_its_autoscaler_a_program_stays_where_it_is() -> None:
    """The autoscaler goes, and nothing else happens: not even the Deployment is written to."""
    twin = settled(SCALED)
    twin.scale("demo-api", 5, "kube-controller-manager")

    actions = planned(manifests.chatcluster(), twin.seen())
    twin.act(actions)

    assert summary(actions) == [("Delete", "HorizontalPodAutoscaler", "demo-api")]
    assert planned(manifests.chatcluster(), twin.seen()) == []
    assert twin.replicas("demo-api") == 5


def test_what_an_autoscaler_left_outlives_a_rollout() -> None:
    """Nobody but the operator may own the number: it is held as it is when the operator lets go of it."""
    twin = settled(nested("api.autoscaling", {"minReplicas": 4, "maxReplicas": 5}))

    settle(twin, manifests.chatcluster({"image": "new"}))

    assert twin.replicas("demo-api") == 4


@pytest.mark.parametrize("replicas", [4, 5, 9])
def test_a_number_that_is_changed_with_the_autoscaler_counts(replicas: int) -> None:
    """As soon as the autoscaler is gone, in one step from the live number, never by way of 1."""
    twin, cluster = settled(SCALED), manifests.chatcluster({"api": {"replicas": replicas}})
    twin.scale("demo-api", 5, "kube-controller-manager")

    first = planned(cluster, twin.seen())
    twin.act(first)
    second = planned(cluster, twin.seen())
    twin.act(second)

    assert summary(first) == [("Delete", "HorizontalPodAutoscaler", "demo-api")]
    assert summary(second) == [("Apply", "changed", *API)]
    assert twin.replicas("demo-api") == replicas
    assert planned(cluster, twin.seen()) == []


def test_fewer_pods_than_the_spec_says_are_not_kept() -> None:
    """More do no harm to a busy cluster."""
    twin = settled(manifests.merged(SCALED, nested("api.replicas", 7)))

    settle(twin, manifests.chatcluster({"api": {"replicas": 7}}))

    assert twin.replicas("demo-api") == 7


def test_a_volume_grows_in_three_steps() -> None:
    """The claim first, then the set without its pod, then a new set, whose template nobody can change."""
    twin, cluster = settled(), manifests.chatcluster(GROWN)
    steps = []
    while actions := planned(cluster, twin.seen()):
        steps.append(summary(actions))
        twin.act(actions)

    assert steps == [[("Grow", "data-demo-redis-0")], [("Orphan", *REDIS)], [("Apply", "missing", *REDIS)]]


def test_a_claim_that_was_left_behind_grows_to_what_is_wanted() -> None:
    """An earlier ChatCluster's is adopted with its data; the set, which says the right size already, stays."""
    twin, cluster = settled(GROWN), manifests.chatcluster(GROWN)
    assert twin.claim
    twin.claim["spec"]["resources"]["requests"]["storage"] = "1Gi"

    actions = planned(cluster, twin.seen())
    twin.act(actions)

    assert summary(actions) == [("Grow", "data-demo-redis-0")]
    assert planned(cluster, twin.seen()) == []


def test_a_set_is_not_made_before_a_volume_that_goes_is_gone() -> None:
    """It would take it up, and lose everything with its next pod; all else is made meanwhile."""
    twin = settled()
    assert twin.claim
    del twin.objects[REDIS]
    twin.claim["metadata"]["deletionTimestamp"] = manifests.NOW

    assert summary(planned(manifests.chatcluster(), twin.seen())) == [("Blocked",)]


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
    """Mere drift is repaired and not spoken of; a volume that has to grow is, and a child that has to go."""
    child = manifests.children()[API]
    actions: list[Action] = [
        *(Apply(child, "missing"), Apply(child, "changed"), Apply(child, "drift")),
        *(Delete(child), Grow("data", "2Gi"), Own("data", []), Orphan({**child, "kind": "StatefulSet"})),
    ]

    claim = "PersistentVolumeClaim", "data"
    assert plan.pending(actions) == [API, API, API, claim, claim, ("StatefulSet", "demo-api")]


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
        for kind, name in [*twin.objects]:
            if kind == "HorizontalPodAutoscaler":
                twin.scale(name, 8, "kube-controller-manager")

    children = manifests.by_key(rollout.gated(cluster, wanted(cluster, twin.seen()), twin.seen()))
    assert rollout.turn(cluster, wanted(cluster, twin.seen()), twin.seen()).waiting == ()
    assert twin.objects.keys() == children.keys()
    assert [key for key, child in children.items() if not matching.covers(twin.objects[key], child)] == []
