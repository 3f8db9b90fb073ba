import copy
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, strategies

from chatcluster_operator import matching
from chatcluster_operator.names import Manifest
from support import manifests

SPEC = manifests.merged(
    manifests.EVERYTHING,
    {
        "imagePullSecrets": [{"name": "registry"}],
        "api": {
            "podTemplate": {
                "labels": {"limits": "high", "ports": "many"},
                "nodeSelector": {"requests": "few"},
                "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "chat", "tolerationSeconds": 0}],
                "env": [{"name": "CHATCLUSTER_TELEMETRY_LEVEL", "value": "debug"}],
            }
        },
    },
)
CHILDREN = list(manifests.children(SPEC).values())
MERGED = {
    *("ownerReferences", "containers", "env", "volumeMounts", "volumes", "imagePullSecrets"),
    *("topologySpreadConstraints", "ports"),
}
"""What the API's documentation calls a list of type "map", of those that manifests have."""
FILLED_IN = {"volumeClaimTemplates"}
QUANTITIES = {"limits", "requests"}
ANYTHING = strategies.none() | strategies.integers() | strategies.dictionaries(strategies.text(), strategies.text())

Path = tuple[str | int, ...]


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every place of a manifest and what stands there."""
    yield path, value
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, element in below:
        yield from places(element, (*path, name))


def at(manifest: Manifest, path: Path) -> Any:
    """Return what stands in a place."""
    found: Any = manifest
    for step in path:
        found = found[step]
    return found


def is_whole(path: Path) -> bool:
    """Whether a place belongs to whoever applies it, with all that is around it: it is inside of an atomic list."""
    lists = {step for step, below in itertools.pairwise(path) if isinstance(below, int)}
    return not lists <= MERGED | FILLED_IN


def is_merged(path: Path) -> bool:
    """Whether others may add elements to the list in this place: `ports` of a NetworkPolicy's rule is none of them."""
    return path[-1] in MERGED and not is_whole(path)


PLACES = [(child, path, value) for child in CHILDREN for path, value in places(child)]
LEAVES = [(child, path) for child, path, value in PLACES if not isinstance(value, dict | list)]
LISTS = [(child, path) for child, path, value in PLACES if isinstance(value, list)]
MAPS = [(child, path) for child, path, value in PLACES if isinstance(value, dict)]


def changed(value: Any) -> Any:
    """Return something else of the same type."""
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value}-x"


def altered(child: Manifest, path: Path) -> Manifest:
    """Return a child that says something else in one place."""
    live = copy.deepcopy(child)
    at(live, path[:-1])[path[-1]] = changed(at(child, path))
    return live


OPEN = [
    (child, path) for child, path in MAPS + LISTS if not is_whole(path) and (not path or path[-1] not in QUANTITIES)
]
"""Maps and lists to which others may add something."""


@strategies.composite
def served(draw: strategies.DrawFn) -> tuple[Manifest, Manifest]:
    """Return a child, and the same as an API server may have it, with what others added in a few places."""
    child, _ = draw(strategies.sampled_from(OPEN))
    live = copy.deepcopy(child)
    paths = [path for one, path in OPEN if one is child]
    for path in draw(strategies.lists(strategies.sampled_from(paths), min_size=1, max_size=5, unique=True)):
        found = at(child, path)
        if isinstance(found, dict):
            at(live, path)[draw(strategies.sampled_from(["status", "minReadySeconds", "example.com/x"]))] = draw(
                ANYTHING
            )
        elif is_merged(path):
            at(live, path).append({"name": "of-somebody-else"})
    return child, live


def test_there_is_enough_to_look_at() -> None:
    """The tests below walk all children: a walk that ends early would pass them all."""
    assert len(LEAVES) > 1000
    assert {path[-1] for _, path in LISTS} > MERGED | {"tolerations", "ingress", "egress", "rules", "metrics"}


@given(served())
def test_what_others_added_is_theirs(objects: tuple[Manifest, Manifest]) -> None:
    """Defaults, statuses, sidecars and annotations of others are no drift."""
    child, live = objects

    assert matching.covers(live, child)


def test_any_other_value_is_drift() -> None:
    """Each leaf of each child, changed alone, is seen."""
    missed = [(child["kind"], path) for child, path in LEAVES if matching.covers(altered(child, path), child)]

    assert missed == []


def test_any_missing_value_is_drift() -> None:
    """Likewise, removed alone: but where nothing was said."""
    missed = []
    for child, path, value in PLACES:
        if path and not isinstance(path[-1], int):
            live = copy.deepcopy(child)
            del at(live, path[:-1])[path[-1]]
            if matching.covers(live, child) != (value in ("", {}, [])):
                missed.append((child["kind"], path))

    assert missed == []


def test_an_element_more_is_drift_where_the_list_is_of_one_owner() -> None:
    """A port more in a NetworkPolicy, or a rule more in a Role, lets somebody in; a container more is a sidecar."""
    wrong = []
    for child, path in LISTS:
        for place in (0, len(at(child, path))):
            live = copy.deepcopy(child)
            at(live, path).insert(place, {"name": "more", "port": 22})
            if matching.covers(live, child) != is_merged(path):
                wrong.append((child["kind"], path))

    assert wrong == []


def test_a_field_more_is_drift_inside_of_such_a_list() -> None:
    """A peer with a `namespaceSelector: {}` beside its podSelector is a peer in every namespace."""
    wrong = []
    for child, path in MAPS:
        live = copy.deepcopy(child)
        at(live, path)["more"] = {}
        if matching.covers(live, child) != (not is_whole(path)):
            wrong.append((child["kind"], path))

    assert wrong == []


def test_the_order_of_a_merged_list_is_not_ours() -> None:
    """Others may stand before; the order of all other lists counts."""
    desired = {"containers": [{"name": "a"}, {"name": "b"}], "command": ["a", "b"]}

    assert matching.covers({**desired, "containers": [{"name": "b"}, {"name": "a"}]}, desired)
    assert not matching.covers({**desired, "command": ["b", "a"]}, desired)


@pytest.mark.parametrize(
    ("live", "desired", "is_same"),
    [("500m", "0.5", True), ("1Gi", "1024Mi", True), ("1", 1, True), ("1Gi", "1G", False), ("100m", "0.2", False)],
)
def test_quantities_are_compared_by_their_worth(live: Any, desired: Any, is_same: bool) -> None:
    """Below `limits` and `requests` the API server rewrites what it gets; elsewhere 1 and "1" are two things."""
    for name in ("limits", "requests"):
        assert matching.covers({name: {"cpu": live}}, {name: {"cpu": desired}}) is is_same
    assert not matching.covers({"args": {"cpu": live}}, {"args": {"cpu": desired}})


def test_a_label_may_be_called_like_a_quantity() -> None:
    """What a user writes is compared, and never read as a number."""
    assert matching.covers({"labels": {"limits": "high"}}, {"labels": {"limits": "high"}})
    assert not matching.covers({"labels": {"limits": "low"}}, {"labels": {"limits": "high"}})
    assert not matching.covers({"labels": {}}, {"labels": {"limits": "high"}})


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_what_says_nothing_may_be_left_out(nothing: Any) -> None:
    """The API server does not keep the empty value of a toleration; applying it again and again would not help."""
    assert matching.covers({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "a", "value": nothing}]})
    assert matching.covers({}, {"affinity": nothing})
    assert not matching.covers({}, {"automountServiceAccountToken": False})
    assert not matching.covers({}, {"replicas": 0})


def test_another_type_is_drift() -> None:
    """Also where a list or a map stood."""
    assert not matching.covers({"a": "text"}, {"a": {"b": 1}})
    assert not matching.covers({"a": {"b": 1}}, {"a": [1]})
    assert not matching.covers(None, {"a": 1})
