import re

import pytest

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from support import manifests

LONGEST = "a" * 40
LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def test_every_child_of_the_longest_name_can_be_named() -> None:
    """A Service's name is a label of DNS, and a StatefulSet's pods carry a label of its name and a digest."""
    found = [name for _, name in manifests.children(manifests.EVERYTHING, name=LONGEST)]

    assert max(len(name) for name in found) <= 63 - len("-0123456789")
    assert [name for name in found if not LABEL.fullmatch(name)] == []


def test_components_of_two_clusters_are_never_mixed_up() -> None:
    """The selector has the component and the ChatCluster, so that neither finds the other's pods."""
    one, other = manifests.chatcluster(name="one"), manifests.chatcluster(name="other")
    selectors = [names.selector(cluster, component) for cluster in (one, other) for component in ("api", "logic")]

    assert len({tuple(selector.items()) for selector in selectors}) == 4


def test_labels_begin_with_the_selector() -> None:
    """Whoever is found by it has to carry it; beside it stands who made the object."""
    cluster = manifests.chatcluster()

    assert names.selector(cluster, "api").items() <= names.labels(cluster, "api").items()
    assert names.labels(cluster, "api")[names.MANAGED_BY] == names.FIELD_MANAGER


def test_the_owner_does_not_wait_for_its_children() -> None:
    """Else deleting a ChatCluster would take as long as its slowest child, and need one more right."""
    owner = names.owner(manifests.chatcluster())

    assert owner == {
        "apiVersion": "chatcluster.io/v1alpha1",
        "kind": "ChatCluster",
        "name": "demo",
        "uid": manifests.UID,
        "controller": True,
        "blockOwnerDeletion": False,
    }


@pytest.mark.parametrize(
    ("references", "is_owned"),
    [
        (None, False),
        ([], False),
        ([{"uid": "another", "kind": "ChatCluster", "name": "demo"}], False),
        ([{"uid": manifests.UID}], True),
        ([{"uid": "another"}, {"uid": manifests.UID}], True),
    ],
)
def test_only_the_uid_makes_an_owner(references: list[Manifest] | None, is_owned: bool) -> None:
    """A ChatCluster that was deleted and made anew has the same name, and is another one."""
    found = {"metadata": {} if references is None else {"ownerReferences": references}}

    assert names.owned_by(manifests.chatcluster(), found) is is_owned


def test_metadata_leaves_out_what_is_empty() -> None:
    """The API server would, and then say that something has changed."""
    cluster = manifests.chatcluster()

    assert "annotations" not in names.metadata(cluster, "api")
    assert names.metadata(cluster, "api", name="other", annotations={"a": "b"})["annotations"] == {"a": "b"}
    assert names.metadata(cluster, "api", name="other")["name"] == "other"
    assert names.metadata(cluster, "api")["name"] == "demo-api"


def test_pruning_keeps_what_says_something() -> None:
    """Zero and false are values."""
    assert names.pruned({"a": None, "b": "", "c": [], "d": {}, "e": 0, "f": False, "g": [""]}) == {
        "e": 0,
        "f": False,
        "g": [""],
    }
