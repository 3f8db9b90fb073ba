"""What was set wrong and then right works: no controller of Kubernetes is left waiting for what never comes."""

from pathlib import Path
from typing import Any

import pytest

from support import operating
from support.cluster.fixtures import StartApiServer
from support.manifests import nested
from support.operating import Api

MISSING = "registry.example.com/server:missing"


@pytest.mark.parametrize("field", ["image", "redis.managed.image"])
async def test_an_image_that_is_set_right_heals(start_api_server: StartApiServer, tmp_path: Path, field: str) -> None:
    """Pods that wait for an image that nobody has are replaced, also the one of a StatefulSet."""
    server = start_api_server(nodes=1)
    operating.install_crd(server.kubectl)
    server.kubectl("create", "namespace", "chat")
    api = Api(server.kubeconfig, "chat")
    async with operating.running(server.kubeconfig, tmp_path / "operator"):
        await api.chatcluster("demo")
        await api.becomes("demo", "Ready", "True", within=60)

        await api.chatcluster("demo", nested(field, MISSING))
        wrong: Any = await api.becomes("demo", "Degraded", "True", reason="ImagePullBackOff", within=60)
        assert MISSING in wrong["message"]

        await api.chatcluster("demo")
        await api.becomes("demo", "Ready", "True", within=60)
    api.close()
