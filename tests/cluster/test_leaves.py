"""Every field of a live ChatCluster: changed alone, it does what support/changes.py says, and nothing else."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chatcluster_operator import errors, kinds, names
from chatcluster_operator.names import Manifest
from support import leaves, operating
from support.changes import CHANGES, Change
from support.cluster.fixtures import Target
from support.eventually import eventually
from support.leaves import Differences
from support.operating import Api

LEAVES = [leaf.path for leaf in leaves.leaves()]
SAID_OTHERWISE = {"conditions", "observedGeneration"}
"""Of a status: what is new with every change."""


@dataclass(frozen=True)
class Sight:
    """A ChatCluster that is ready."""

    spec: Mapping[str, Any]
    """As its user wrote it."""
    status: Mapping[str, Any]
    children: Mapping[str, Manifest]
    """By what they are, as `Service api`; but for the Secrets."""


class Rig:
    """ChatClusters that are changed again and again, under one operator. The controllers of workloads are played."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._last: dict[str, Sight] = {}

    async def ready(self, name: str, spec: Mapping[str, Any]) -> Sight:
        """Make a ChatCluster say this, unless it does, and wait until it is ready."""
        last = self._last.pop(name, None)
        if last is None or last.spec != spec:
            await self.api.chatcluster(name, spec)
            status = await eventually(lambda: self._is_ready(name), within=60, every=0.01, what=f"{name} is ready")
            last = Sight(spec, status, await self.children(name))
        self._last[name] = last
        return last

    async def _is_ready(self, name: str) -> Any:
        await operating.play_controllers(self.api, name)
        body = await self.api.get(names.KIND, name)
        status = body.get("status", {"conditions": []})
        [ready] = [one for one in status["conditions"] if one["type"] == "Ready"] or [{}]
        is_present = ready.get("observedGeneration") == body["metadata"]["generation"]
        return status if is_present and ready["status"] == "True" else None

    async def children(self, name: str) -> dict[str, Manifest]:
        """Return what there is now, as a `Sight` has it."""
        listed = await asyncio.gather(
            *(self.api.server.everything(kind, self.api.namespace) for kind in kinds.CHILDREN)
        )
        return leaves.by_role(
            _settled({"kind": kind.name, **child})
            for kind, found in zip(kinds.CHILDREN, listed, strict=True)
            for child in found
            if child["metadata"]["labels"][names.INSTANCE] == name
        )


def _settled(child: Manifest) -> Manifest:
    """Return a child as it is; what operator and synthetic user talk about while pods are replaced is left aside."""
    if "question" not in child.get("data", {}):
        return child
    return {**child, "data": {}, "metadata": {**child["metadata"], "resourceVersion": ""}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(api_server: Target, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """Yield one for all tests: to start an operator takes longer than to change a field."""
    api = Api(kubeconfig, f"leaves-{uuid.uuid4().hex[:10]}")
    api_server.kubectl("create", "namespace", api.namespace)
    for name in ("before", "after"):
        await api.apply("Secret", name, stringData={key: f"{name} {key}" for key in ("before", "after")})
    environ = {"CHATCLUSTER_OPERATOR_NAMESPACES": api.namespace}
    async with operating.running(kubeconfig, tmp_path_factory.mktemp("leaves"), environ):
        yield Rig(api)
    api.close()


def place(path: str, change: Change) -> str:
    """Return the name of the ChatCluster to change; what can never be changed back is done to one of its own."""
    return "final" if change.is_for_good else "external" if path.startswith("redis.external") else "managed"


def seen(expected: Differences, found: Differences) -> Differences:
    """Return what was found, as it is expected."""
    return {key: ... if expected.get(key) is ... else value for key, value in found.items()}


def of_status(before: Sight, after: Sight) -> Differences:
    """Return what differs in the status, conditions left aside."""
    old, new = (
        dict(leaves.flat({name: value for name, value in sight.status.items() if name not in SAID_OTHERWISE}))
        for sight in (before, after)
    )
    return {path: new.get(path) for path in old.keys() | new.keys() if old.get(path) != new.get(path)}


def test_every_leaf_is_registered() -> None:
    """A field of the schema says in support/changes.py what it does; one that is gone is forgotten there, too."""
    assert set(CHANGES) == set(LEAVES)


@pytest.mark.full
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", [path for path in LEAVES if not CHANGES[path].refused])
async def test_a_changed_leaf_does_what_it_says(rig: Rig, path: str) -> None:
    """It is seen in the children that it concerns, rolls the pods that read it, touches nothing else; and goes back."""
    change = CHANGES[path]
    name = place(path, change)
    before = await rig.ready(name, change.base)

    after = await rig.ready(name, leaves.changed(change.base, path, change.value))

    found = leaves.differences(before.children, after.children)
    assert seen(change.shows, found) == change.shows
    assert of_status(before, after) == change.status
    assert {role for role, _ in versions(before.children) ^ versions(after.children)} == {role_of(key) for key in found}
    if not change.is_for_good:
        again = await rig.ready(name, change.base)
        assert leaves.differences(before.children, again.children) == of_status(before, again) == {}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", [path for path in LEAVES if CHANGES[path].refused])
async def test_a_leaf_that_cannot_change_says_so(rig: Rig, path: str) -> None:
    """The API server refuses it by name, in words that say why, and nothing happens to any child."""
    change = CHANGES[path]
    before = await rig.ready(place(path, change), change.base)

    with pytest.raises(errors.Rejected, match=re.escape(change.refused)) as refusal:
        await rig.api.chatcluster(place(path, change), leaves.changed(change.base, path, change.value))

    assert f"spec.{path}: Invalid value" in str(refusal.value)
    assert versions(await rig.children(place(path, change))) == versions(before.children)


def versions(children: Mapping[str, Manifest]) -> set[tuple[str, str]]:
    """Return each child with its version."""
    return {(role, child["metadata"]["resourceVersion"]) for role, child in children.items()}


def role_of(difference: str) -> str:
    """Return the child that a difference is in."""
    kind, component, *_ = difference.split(" ")
    return f"{kind} {component}"
