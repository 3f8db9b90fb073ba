"""kube-apiserver and etcd alone, as envtest has them: no kubelet, no root, ready in seconds, as many as one likes.

Owns these processes, which never outlive the one that started them, however that ends. With simulated nodes also
kube-controller-manager, kube-scheduler and kwok, which says that pods run that do not: for hundreds of them.
Does not own the cluster with real pods: `cluster`.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from chatcluster.local.children import die_with
from support import ports
from support.cluster import manifests, tools
from support.cluster.commands import ClusterError, until
from support.cluster.control_plane import LOOPBACK, PODS, ControlPlane
from support.cluster.kubeconfigs import CONTEXT
from support.cluster.kubectl import Kubectl, Manifest

NODE_PODS = 1_000

_STAGES = tools.SOURCE.parent / "simulation.yaml"
_UNLIMITED = ("--kube-api-qps=500", "--kube-api-burst=1000")
"""Their own limits are for clusters whose pods take time to start: thousands would wait minutes for them."""
_READY_WITHIN = 120.0
_GRACE = 20.0
_LOGGED = 3_000


class Process:
    """A child process that the kernel ends with its parent, and its log."""

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    def logged(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-_LOGGED:]

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=partial(die_with, os.getpid()),  # noqa: PLW1509 - calls nothing that locks
            )

    def stop(self) -> None:
        """Ask it to end, kill it when it does not, and wait for its end."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            process.kill()
            process.wait()

    def kill(self) -> None:
        """Kill it as a crash would (SIGKILL), and wait for its end."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


class ApiServer:
    """A running API server with its etcd."""

    def __init__(self, plane: ControlPlane, *, nodes: int) -> None:
        self._nodes = nodes
        self._plane = plane
        self.etcd = Process("etcd", plane.etcd(), plane.folder)
        apiserver = plane.apiserver(bind=plane.address, controllers=nodes > 0)
        self.apiserver = Process("kube-apiserver", apiserver, plane.folder)
        """It may be stopped or killed, and started again: on the same port with the same content."""

        self._others = [Process(*other, plane.folder) for other in _simulation(plane)] if nodes else []

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self._plane.kubeconfig

    @property
    def audit_log(self) -> Path:
        """One JSON object a line for each request, at level Metadata."""
        return self._plane.audit_log

    @property
    def kubectl(self) -> Kubectl:
        """Kubectl as its administrator."""
        return Kubectl(self.kubeconfig)

    def start(self) -> None:
        """Start everything; raises `ClusterError` when a process ends, or the API server is not ready in time."""
        for process in (self.etcd, self.apiserver):
            process.start()
        self.wait_ready()
        if self._nodes:
            self.kubectl.apply(manifests.storage_class(), *map(_node, range(self._nodes)))
        for process in self._others:
            process.start()
        if self._nodes:
            until(self.kubectl.runs_pods, within=_READY_WITHIN, what="simulated nodes")

    def stop(self) -> None:
        """Stop everything."""
        for process in reversed([self.etcd, self.apiserver, *self._others]):
            process.stop()

    def wait_ready(self) -> None:
        """Wait until the API server is ready; raises `ClusterError` when it is not in time, or has ended."""
        until(self._ready, within=_READY_WITHIN, what="readiness of the API server")

    def _ready(self) -> bool:
        for process in (self.etcd, self.apiserver):
            if not process.running:
                raise ClusterError(f"{process.name} ended:\n{process.logged()}")
        return self.kubectl.ready()


@contextmanager
def running(folder: Path, *, version: str = tools.KUBERNETES, nodes: int = 0) -> Iterator[ApiServer]:
    """Run an API server as long as the block, with its files in a folder of its own.

    With `nodes` there are as many simulated ones, of a thousand pods each, and the controllers that make pods. Raises
    `ClusterError` when a program is missing or does not start.
    """
    with ports.reserved(2) as port:
        folder.mkdir(parents=True, exist_ok=True)
        plane = ControlPlane(folder, version, LOOPBACK, port, port + 1, context=f"{CONTEXT}-api")
        plane.prepare()
        server = ApiServer(plane, nodes=nodes)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _simulation(plane: ControlPlane) -> list[tuple[str, list[str]]]:
    kwok = [
        f"{tools.program(tools.KWOK)}",
        f"--kubeconfig={plane.kubeconfig}",
        f"--config={_STAGES}",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--cidr={PODS}",
        "--node-lease-duration-seconds=40",
        "--node-ip=127.0.0.1",
        "--server-address=127.0.0.1:0",
    ]
    return [
        ("kube-controller-manager", [*plane.controller_manager(), *_UNLIMITED]),
        ("kube-scheduler", [*plane.scheduler(), *_UNLIMITED]),
        ("provisioner", plane.provisioner()),
        ("kwok", kwok),
    ]


def _node(number: int) -> Manifest:
    capacity = {"cpu": "1000", "memory": "4Ti", "pods": f"{NODE_PODS}"}
    name = f"simulated-{number}"
    labels = {"kubernetes.io/hostname": name}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"allocatable": capacity, "capacity": capacity},
    }
