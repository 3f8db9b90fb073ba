"""A pytest plugin: the fixtures of tests that need Kubernetes, at its two levels.

Owns when a cluster starts and ends for tests, and what becomes of a test that has none: it is skipped, loudly. Does not
own which there are, nor how they start: `targets`, `api_server`, `cluster`.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import tiers
from support.cluster import api_server as api_servers, cache, images, prerequisites, targets, tools
from support.cluster.api_server import ApiServer
from support.cluster.cluster import Cluster, state
from support.cluster.commands import ClusterError
from support.cluster.kubectl import Kubectl

StartApiServer = Callable[..., ApiServer]
"""Takes `version` and `nodes` as `api_server.running` does, and returns what that yields."""

_API_LEVEL = {"api_server", "start_api_server"}
_POD_LEVEL = {"cluster", "own_cluster"}
_API_PROGRAMS = ("etcd", "kube-apiserver", "kubectl")
_GONE_WITHIN = 180.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --kubernetes."""
    told = "run the tests that need no more than an API server, and no others, on this version of it"
    parser.addoption("--kubernetes", metavar="|".join(["VERSION", *tools.EXTREMES]), help=told)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --kubernetes leave out what does not depend on its version."""
    if config.getoption("--kubernetes"):
        config.hook.pytest_deselected(items=[item for item in items if not _is_at_api_level(item)])
        items[:] = filter(_is_at_api_level, items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Wait for what `make test` has built meanwhile: whoever needs it, and whoever looks at the clock."""
    if item.get_closest_marker("kubernetes") or tiers.tier(item.nodeid) == "chaos":
        cache.settled()


def _is_at_api_level(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    return not _API_LEVEL.isdisjoint(names) and _POD_LEVEL.isdisjoint(names)


@pytest.fixture(scope="session")
def kubernetes_version(pytestconfig: pytest.Config) -> str:
    """Return the version of Kubernetes for tests that need no more than an API server."""
    asked: str | None = pytestconfig.getoption("--kubernetes")
    return tools.EXTREMES.get(asked, asked) if asked else tools.KUBERNETES


@dataclass(frozen=True, slots=True)
class Target:
    """A test cluster, whoever brought it up."""

    kubeconfig: Path
    audit_log: Path | None = None
    """Of its API server, where that is at hand."""

    @property
    def kubectl(self) -> Kubectl:
        """Kubectl as its administrator."""
        return Kubectl(self.kubeconfig)


@pytest.fixture(scope="session")
def api_server(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config, kubernetes_version: str
) -> Iterator[Target]:
    """Yield an API server for tests that need no pods; all tests share it, and whoever shares it needs a namespace.

    It is a whole cluster if there is one that somebody else brought up for the tests, unless a version is asked for;
    else kube-apiserver and etcd.
    """
    scratch = tmp_path_factory.mktemp("api-server")
    existing = None if pytestconfig.getoption("--kubernetes") else _existing(scratch)
    if existing:
        yield Target(existing)
        return
    require_programs(kubernetes_version, _API_PROGRAMS)
    with api_servers.running(scratch, version=kubernetes_version) as server:
        yield Target(server.kubeconfig, server.audit_log)


@pytest.fixture
def start_api_server(tmp_path: Path, kubernetes_version: str) -> Iterator[StartApiServer]:
    """Yield a function that starts an API server of the test's own, which ends with the test.

    For tests that stop it, that read its audit log, that want another version, or pods that kwok says run.
    """
    with ExitStack() as stack:

        def start(*, version: str = kubernetes_version, nodes: int = 0) -> ApiServer:
            require_programs(version, tools.PROGRAMS if nodes else _API_PROGRAMS, (tools.KWOK,) if nodes else ())
            folder = tmp_path / f"api-server-{uuid.uuid4().hex[:8]}"
            return stack.enter_context(api_servers.running(folder, version=version, nodes=nodes))

        yield start


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Target:
    """Return a whole cluster: one that somebody else brought up for the tests, else our own."""
    if existing := _existing(tmp_path_factory.mktemp("cluster")):
        return Target(existing)
    own: Cluster = request.getfixturevalue("own_cluster")
    return Target(own.kubeconfig)


@pytest.fixture(scope="session")
def own_cluster() -> Iterator[Cluster]:
    """Yield our own cluster, for tests that stop its parts, load images or read its audit log.

    One that `make cluster-up` brought up stays up; another one ends with the session, also if an earlier session that
    was killed had left it.
    """
    own = Cluster(state())
    _require_machine()
    with own.used():
        yield own


@pytest.fixture(scope="session")
def product_images(own_cluster: Cluster) -> dict[str, str]:
    """Put the images of this tree on our own cluster's node; returns their references by `services` and `operator`."""
    built = {name: images.product(name) for name in images.PRODUCT}
    own_cluster.load(*built.values())
    return {name: image.reference for name, image in built.items()}


@pytest.fixture
def namespace(cluster: Target) -> Iterator[Kubectl]:
    """Yield kubectl for a fresh namespace of the whole cluster, which enforces Pod Security "restricted".

    It is deleted after the test, and no pod of it is left then; what else was in it goes soon after.
    """
    with _namespace(cluster) as kubectl:
        yield kubectl
        kubectl("delete", "namespace", kubectl.namespace, "--wait=false")
        kubectl("delete", "pods", "--all", within=_GONE_WITHIN)  # from now on nobody makes new ones


@pytest.fixture
def api_namespace(api_server: Target) -> Iterator[Kubectl]:
    """Yield kubectl for a fresh namespace of the API server; no controllers may be there, and it stays."""
    with _namespace(api_server) as kubectl:
        yield kubectl


@contextmanager
def _namespace(target: Target) -> Iterator[Kubectl]:
    name = f"test-{uuid.uuid4().hex[:10]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    target.kubectl.apply(manifest)
    yield Kubectl(target.kubeconfig, name)


def _existing(scratch: Path) -> Path | None:
    return targets.existing(os.environ, scratch)


def require_programs(version: str, programs: tuple[str, ...], others: tuple[tools.Tool, ...] = ()) -> None:
    """Skip the running test unless these programs of a version of Kubernetes, and these tools, are built."""
    if lacking := tools.missing(version, programs=programs, tools=others):
        tiers.missing(f"not built: {', '.join(lacking)}", prerequisites.INSTALL)


def _require_machine() -> None:
    try:
        prerequisites.check()
    except ClusterError as exc:
        tiers.missing(f"no cluster: {exc}", f"{prerequisites.INSTALL}, as root on Linux; or make kind-up")
