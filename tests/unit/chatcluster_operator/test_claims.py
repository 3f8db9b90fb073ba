from typing import Any

import pytest

from chatcluster_operator import claims, names
from chatcluster_operator.claims import Grow, Own
from chatcluster_operator.names import Manifest
from support import manifests
from support.manifests import nested

NAME = "data-demo-redis-0"
KEPT, GOING = (manifests.chatcluster(nested("redis.managed.retention", said)) for said in ("Retain", "Delete"))
MINE: Manifest = {**names.owner(GOING), "controller": False}
EARLIER: Manifest = {**MINE, "uid": "of-an-earlier-one"}
SET: Manifest = {**MINE, "kind": "StatefulSet", "uid": "of-the-set"}
DELETED = {"deletionTimestamp": manifests.NOW}


def stateful_set(size: str = "1Gi") -> Manifest:
    """Return the managed Redis, with a volume of that size."""
    return manifests.children(nested("redis.managed.storage.size", size))["StatefulSet", "demo-redis"]


def claim(*owners: Manifest, size: str = "1Gi", **metadata: Any) -> Manifest:
    """Return the claim of its volume, with these owners."""
    found = manifests.claim(stateful_set(size))
    found["metadata"] |= {"ownerReferences": list(owners), **metadata}
    return found


@pytest.mark.parametrize("size", ["64Mi", "1Gi", "1.5Gi"])
def test_a_claim_grows_to_its_template(size: str) -> None:
    """Whoever made it."""
    [template] = stateful_set("2Gi")["spec"]["volumeClaimTemplates"]

    assert claims.growth(template, claim(size=size)) == Grow(NAME, "2Gi")


@pytest.mark.parametrize(
    "found", [None, claim(size="2Gi"), claim(size="2048Mi"), claim(size="3Gi"), claim(**DELETED)], ids=str
)
def test_a_claim_that_is_large_enough_is_left_alone(found: Manifest | None) -> None:
    """Nothing ever makes it smaller; and one that goes is no longer of interest."""
    [template] = stateful_set("2Gi")["spec"]["volumeClaimTemplates"]

    assert claims.growth(template, found) is None


def test_a_claim_goes_with_its_chatcluster_as_the_spec_says() -> None:
    """It is owned by the ChatCluster, which may change its mind, and by nobody else."""
    assert claims.ownership(GOING, claim()) == [Own(NAME, [MINE])]
    assert claims.ownership(KEPT, claim(MINE)) == [Own(NAME, [])]
    assert claims.ownership(GOING, claim(MINE)) == claims.ownership(KEPT, claim()) == []


@pytest.mark.parametrize("cluster", [KEPT, GOING], ids=["kept", "going"])
@pytest.mark.parametrize("found", [None, claim(**DELETED), claim(EARLIER), claim(SET)], ids=str)
def test_a_claim_that_is_not_its_own_is_left_alone(cluster: Any, found: Manifest | None) -> None:
    """One of an earlier ChatCluster that is to go with that must not be saved by its heir."""
    assert claims.ownership(cluster, found) == []


def test_an_external_redis_has_no_claim() -> None:
    """What an earlier ChatCluster of this name has left stays."""
    assert claims.ownership(manifests.chatcluster(manifests.EXTERNAL), claim()) == []


@pytest.mark.parametrize("found", [claim(**DELETED), claim(EARLIER), claim(SET), claim(MINE, **DELETED)], ids=str)
def test_a_set_waits_until_a_volume_that_goes_is_gone(found: Manifest) -> None:
    """What waits for it is told by the volume's name."""
    assert NAME in claims.blocks(stateful_set(), found)


@pytest.mark.parametrize("found", [None, claim(), claim(MINE)], ids=str)
def test_a_set_takes_up_a_volume_that_stays(found: Manifest | None) -> None:
    """With all that is in it."""
    assert claims.blocks(stateful_set(), found) == ""
