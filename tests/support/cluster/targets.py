"""Which cluster tests take, of those that there are.

Owns the order: a kubeconfig that is named explicitly, kind if it is up, then our own. Refuses every context that is not
a test cluster's, since tests delete what they find. Does not own starting our own: `cluster` and `api_server`.
"""

import fnmatch
import shutil
from collections.abc import Mapping
from pathlib import Path

from support.cluster.commands import ClusterError, run
from support.cluster.kubeconfigs import CONTEXT
from support.cluster.tools import kubernetes

VARIABLE = "CHATCLUSTER_TEST_KUBECONFIG"
KIND = "chatcluster"
"""The name of the cluster in kind-config.yaml."""
TEST_CONTEXTS = ("kind-*", f"{CONTEXT}*")


def existing(environ: Mapping[str, str], scratch: Path) -> Path | None:
    """Return the kubeconfig of a cluster that somebody else brought up for the tests; None when there is none.

    kind's is written below `scratch`. Raises `ClusterError` when the named one is not a test cluster's.
    """
    if named := environ.get(VARIABLE):
        return checked(Path(named))
    return checked(_kind(scratch)) if _kind_is_up() else None


def checked(kubeconfig: Path) -> Path:
    """Return this kubeconfig if its current context is a test cluster's, by its name; else raise `ClusterError`."""
    context = run(kubernetes("kubectl"), f"--kubeconfig={kubeconfig}", "config", "current-context").strip()
    if not any(fnmatch.fnmatchcase(context, pattern) for pattern in TEST_CONTEXTS):
        raise ClusterError(
            f"{kubeconfig}: context {context!r} is not a test cluster's, whose name begins with kind- or {CONTEXT}"
        )
    return kubeconfig


def _kind_is_up() -> bool:
    if shutil.which("kind") is None:
        return False
    try:
        return KIND in run("kind", "get", "clusters").split()
    except ClusterError:  # no engine runs
        return False


def _kind(scratch: Path) -> Path:
    path = scratch / "kind.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(run("kind", "get", "kubeconfig", f"--name={KIND}"))
    return path
