"""What tests of the operator against an API server share."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from support import account, chart, operating, traffic
from support.cluster import audit
from support.cluster.cluster import Cluster
from support.cluster.fixtures import Target
from support.installation import Installation
from support.operating import Api
from support.system import Process


@pytest.fixture(scope="session")
def kubeconfig(api_server: Target) -> Path:
    """Return the way to an API server that knows ChatClusters."""
    operating.install_crd(api_server.kubectl)
    return api_server.kubeconfig


@pytest.fixture
def namespaces(api_server: Target) -> Callable[[], str]:
    """Return a function that makes one namespace after another."""

    def make() -> str:
        name = f"test-{uuid.uuid4().hex[:10]}"
        api_server.kubectl("create", "namespace", name)
        return name

    return make


@pytest.fixture
async def api(kubeconfig: Path, namespaces: Callable[[], str]) -> AsyncIterator[Api]:
    """Yield requests to a namespace of its own."""
    api = Api(kubeconfig, namespaces())
    yield api
    api.close()


@pytest.fixture(scope="session")
def account_kubeconfig(
    api_server: Target, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Yield the way to that API server as the chart's account; in all tests together it is refused nothing."""
    chart.require()
    yield account.enrolled(api_server.kubectl, tmp_path_factory.mktemp("account"))
    if api_server.audit_log:
        assert [asked for asked in audit.requests(api_server.audit_log, account.USER) if asked.is_forbidden] == []


@pytest.fixture
async def operator(account_kubeconfig: Path, api: Api, tmp_path: Path) -> AsyncIterator[Process]:
    """Yield a running operator with the rights that the chart gives it, which keeps to that namespace."""
    environ = {"CHATCLUSTER_OPERATOR_NAMESPACES": api.namespace}
    async with operating.running(account_kubeconfig, tmp_path / "operator", environ) as operator:
        yield operator


@pytest.fixture(scope="module")
def release(own_cluster: Cluster, product_images: dict[str, str]) -> Iterator[Installation]:
    """Yield the chart, installed in the cluster with real pods; take it away again with all ChatClusters."""
    with traffic.installed(own_cluster, product_images) as release:
        yield release
