"""The API server without a kubelet: its versions, its crashes, and the pods that only seem to run."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from chatcluster.local.children import die_with
from support.cluster import tools
from support.cluster.commands import until
from support.cluster.fixtures import StartApiServer
from support.cluster.kubectl import Kubectl, Manifest

SERVE = """
import pathlib, signal, sys
from support.cluster import api_server
with api_server.running(pathlib.Path(sys.argv[1])) as server:
    print("up", flush=True)
    signal.pause()
"""
TEMPLATE = {"containers": [{"name": "main", "image": "example.org/main:1"}]}


def workload(kind: str, name: str, replicas: int, **spec: object) -> Manifest:
    """Return a Deployment or StatefulSet."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": TEMPLATE}
    fixed = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": {**fixed, **spec}}


@pytest.mark.parametrize(
    "version",
    [tools.KUBERNETES, *(pytest.param(version, marks=pytest.mark.full) for version in tools.EXTREMES.values())],
)
def test_each_version_serves(start_api_server: StartApiServer, version: str) -> None:
    """The usual version, the oldest that is promised and the newest all start, and say who they are."""
    server = start_api_server(version=version)

    assert json.loads(server.kubectl("get", "--raw", "/version"))["gitVersion"] == f"v{version}"


def test_a_namespace_of_the_shared_one(api_namespace: Kubectl) -> None:
    """A test has a namespace of its own on the API server that it shares, and Pod Security is enforced there."""
    api_namespace("create", "configmap", "own")

    assert [found["metadata"]["name"] for found in api_namespace.get("configmaps")["items"]] == ["own"]


def test_a_killed_api_server_comes_back(start_api_server: StartApiServer) -> None:
    """It is back on the same port, with what was stored."""
    server = start_api_server()
    server.kubectl("create", "configmap", "kept")

    server.apiserver.kill()
    assert not server.kubectl.ready()
    server.apiserver.start()
    server.wait_ready()

    assert server.kubectl.get("configmap", "kept")
    assert '"name":"kept"' in server.audit_log.read_text()


def test_it_never_outlives_its_test(start_api_server: StartApiServer, tmp_path: Path) -> None:
    """When the process that runs it is killed, the kernel takes etcd and the API server with it."""
    command = [sys.executable, "-P", "-c", SERVE, str(tmp_path)]
    environ = {"PYTHONPATH": str(Path(__file__).parent.parent), "HOME": str(Path.home())}
    dies = partial(die_with, os.getpid())
    begun = subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, preexec_fn=dies)  # noqa: PLW1509, S603
    assert begun.stdout is not None
    with begun.stdout:
        assert begun.stdout.readline() == b"up\n"
    assert len(processes(tmp_path)) == 3

    begun.kill()
    begun.wait()

    until(lambda: not processes(tmp_path), within=10, what="end of etcd and the API server")


def test_simulated_pods(start_api_server: StartApiServer) -> None:
    """Hundreds of pods get ready in a moment, a StatefulSet gets its volume; an image that is missing is waited for."""
    server = start_api_server(nodes=2)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    volumes = [{"metadata": {"name": "data"}, "spec": claim}]
    missing = {"containers": [{"name": "main", "image": "example.org/main:missing"}]}

    server.kubectl.apply(
        workload("Deployment", "many", 200),
        workload("StatefulSet", "stores", 1, serviceName="stores", volumeClaimTemplates=volumes),
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "waits"}, "spec": missing},
    )

    server.kubectl("rollout", "status", "deployment/many", "--timeout=120s", within=150)
    server.kubectl("rollout", "status", "statefulset/stores", "--timeout=120s", within=150)
    reason = "{.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff"
    server.kubectl("wait", f"--for=jsonpath={reason}", "pod/waits", "--timeout=60s", within=90)
    assert server.kubectl.get("pvc", "data-stores-0")["status"]["phase"] == "Bound"


def processes(folder: Path) -> list[str]:
    """Return the command lines of the processes that have to do with a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return [line for line in found if str(folder) in line]
