"""The operator is killed at each of its writes: what is there in the end is what an uninterrupted run makes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatcluster_operator import kinds, names
from support import operating
from support.eventually import eventually
from support.gate import Gate
from support.operating import Api
from support.system import Process

ANEW = {"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"}
"""Of metadata: what differs between two runs."""
ADDRESSES = {"clusterIP", "clusterIPs", "healthCheckNodePort"}


@pytest.mark.parametrize("is_done_first", [False, True], ids=["before", "after"])
async def test_a_kill_at_any_write_changes_nothing_in_the_end(
    kubeconfig: Path,
    namespaces: Callable[[], str],
    tmp_path: Path,
    is_done_first: bool,
    request: pytest.FixtureRequest,
    figure: Callable[[str], None],
) -> None:
    """Right before the API server gets the write, and right after; each write with --full, else every fifth."""
    whole, writes = await run(kubeconfig, namespaces(), tmp_path / "whole", 0, is_done_first)
    assert len(writes) >= 15
    step = 1 if request.config.getoption("--full") else 5
    for number in range(1, len(writes) + 1, step):
        found, _ = await run(kubeconfig, namespaces(), tmp_path / str(number), number, is_done_first)
        assert found == whole, f"killed at write {number}: {writes[number - 1]}"
    figure(f"{len(writes)} writes in a first reconcile")


async def run(
    kubeconfig: Path, namespace: str, folder: Path, strike_at: int, is_done_first: bool
) -> tuple[dict[str, Any], list[str]]:
    """Make a ChatCluster ready, with a kill and a restart on the way; what there is then, and all writes."""
    folder.mkdir()
    api, gate = Api(kubeconfig, namespace), Gate(kubeconfig, folder)
    gate.strike_at, gate.is_done_first = strike_at, is_done_first
    environ = {"CHATCLUSTER_OPERATOR_NAMESPACES": namespace}
    async with gate.open(), operating.running(gate.kubeconfig, folder, environ) as operator:
        gate.strike = operator.kill
        await api.chatcluster("demo")
        if strike_at:
            await eventually(lambda: is_struck(api, operator), within=60, every=0.1, what=f"write {strike_at}")
            await operator.restart()
        await eventually(lambda: is_ready(api), within=60, every=0.1, what="ready")
        found = await everything(api)
    api.close()
    return found, gate.writes


async def is_struck(api: Api, operator: Process) -> bool:
    """Play the controllers, without whom the last writes never come; whether the kill is over.

    It also is when all is well without it: status may be written once less often than in the run before.
    """
    return not operator.running or await is_ready(api)


async def is_ready(api: Api) -> bool:
    """Play the controllers; whether status says that all is well."""
    await operating.play_controllers(api, "demo")
    return bool((await api.condition("demo", "Ready")).get("status") == "True")


async def everything(api: Api) -> dict[str, Any]:
    """Return all children, and the keys of the Secrets, without what differs between two runs."""
    found: dict[str, Any] = {}
    for kind in kinds.CHILDREN:
        for item in await api.server.everything(kind, api.namespace):
            found[f"{kind.name} {item['metadata']['name']}"] = _timeless(item, api.namespace)
    for name in ("demo-cluster", "demo-redis", "demo-synthetic"):
        found[f"Secret {name}"] = sorted((await api.get("Secret", name))["data"])
    return found


def _timeless(item: Any, namespace: str) -> Any:
    metadata = {name: value for name, value in item["metadata"].items() if name not in ANEW | {"namespace"}}
    metadata["ownerReferences"] = [{**owner, "uid": ""} for owner in metadata.get("ownerReferences", [])]
    annotations = metadata.get("annotations", {})
    # Digests cover names of namespaces and drawn secrets, which differ between two runs.
    metadata["annotations"] = {name: "" for name in annotations if name.startswith(names.GROUP)}
    rest = {name: value for name, value in item.items() if name not in {"metadata", "status"}}
    if "question" in rest.get("data", {}):
        rest["data"] = {}  # of such digests
    spec = {name: value for name, value in rest.get("spec", {}).items() if name not in ADDRESSES}
    text = repr({**rest, "metadata": metadata, "spec": _without_digests(spec)})
    return text.replace(namespace, "NAMESPACE")


def _without_digests(spec: Any) -> Any:
    if isinstance(spec, dict):
        digests = {names.SECRETS_HASH, names.CONFIGURATION_HASH}
        return {name: "" if name in digests else _without_digests(value) for name, value in spec.items()}
    return [_without_digests(one) for one in spec] if isinstance(spec, list) else spec
