"""Which cluster tests take, and which they refuse."""

import json
from pathlib import Path

import pytest

from support.cluster import targets, tools
from support.cluster.commands import ClusterError
from support.cluster.fixtures import require_programs


@pytest.fixture(autouse=True)
def with_kubectl() -> None:
    """Skip where there is no kubectl to read kubeconfigs with."""
    require_programs(tools.KUBERNETES, ("kubectl",))


def kubeconfig(folder: Path, context: str) -> Path:
    """Write a kubeconfig whose current context has this name."""
    contexts = [{"name": context, "context": {"cluster": "any", "user": "any"}}]
    content = {"apiVersion": "v1", "kind": "Config", "current-context": context, "contexts": contexts}
    path = folder / "kubeconfig"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("context", ["kind-chatcluster", "chatcluster-test", "chatcluster-test-api"])
def test_a_test_cluster_that_is_named_is_taken(tmp_path: Path, context: str) -> None:
    """The kubeconfig that the environment names comes first."""
    path = kubeconfig(tmp_path, context)

    assert targets.existing({targets.VARIABLE: str(path)}, tmp_path) == path


@pytest.mark.parametrize("context", ["production", "chatcluster", "my-kind-cluster"])
def test_any_other_context_is_refused(tmp_path: Path, context: str) -> None:
    """Tests delete what they find: a context that does not say that it is a test cluster's is refused by name."""
    with pytest.raises(ClusterError, match=f"'{context}' is not a test cluster's"):
        targets.existing({targets.VARIABLE: str(kubeconfig(tmp_path, context))}, tmp_path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A wrong path does not make the tests take another cluster."""
    with pytest.raises(ClusterError):
        targets.existing({targets.VARIABLE: str(tmp_path / "absent")}, tmp_path)
