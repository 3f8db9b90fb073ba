"""A whole Kubernetes cluster of one node on this machine, without Docker: up, down, and what is in it.

Owns the order of things. `up` is idempotent and starts from nothing whenever something of an earlier cluster is wrong:
a process that died, an `up` that was killed. `down` leaves nothing: neither processes nor mounts, links, namespaces,
groups, packet filters or changed settings; see `namespaces`.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from support.cluster import images, manifests, prerequisites, tools
from support.cluster.commands import ClusterError, run, until
from support.cluster.control_plane import ControlPlane
from support.cluster.daemons import Daemon
from support.cluster.images import Image
from support.cluster.kubectl import Kubectl
from support.cluster.namespaces import Namespaces
from support.cluster.node import SOCKET, Node

DAEMONS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("containerd", "kubelet", "kube-proxy", "coredns", "provisioner"),
)
PORT = 6443
ETCD_PORT = 2379

_LOCK, _USERS = "lock", "users"
_KEPT = "kept"
_READY_WITHIN = 120.0
_WELL_WITHIN = 30.0
_GRACE = 5.0
"""Seconds: an API server whose watches are held by others never ends by itself."""
_IMPORT_WITHIN = 300.0


def state() -> Path:
    """Return the folder for what a running cluster writes: $CHATCLUSTER_TEST_STATE, else below $XDG_STATE_HOME."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return Path(os.environ.get("CHATCLUSTER_TEST_STATE") or home / "chatcluster-test")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster that a folder of state belongs to, whether it is up or not."""

    folder: Path
    version: str = tools.KUBERNETES
    number: int = 0
    """Several can be up at a time, with folders and numbers of their own; see `Namespaces`."""

    @property
    def plane(self) -> ControlPlane:
        """Its control plane."""
        return ControlPlane(self.folder, self.version, self.machine.address, PORT, ETCD_PORT)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for use from this machine."""
        return self.plane.kubeconfig

    @property
    def kubectl(self) -> Kubectl:
        """Kubectl as its administrator."""
        return Kubectl(self.kubeconfig)

    @property
    def machine(self) -> Namespaces:
        """What its processes run in."""
        return Namespaces(self.folder, self.number)

    def daemon(self, name: str) -> Daemon:
        """Return one of its processes, by the names in `DAEMONS`."""
        return Daemon(name, self.folder)

    def start(self, name: str) -> None:
        """Start one of its processes, which is not running."""
        self.daemon(name).start([*self.machine.enter, *self._command(name)], enters=True)

    def stop(self, name: str) -> None:
        """Stop one of its processes."""
        self.daemon(name).stop(_GRACE)

    def up(self) -> None:
        """Bring it up with the images `pause` and `valkey` on its node; do nothing when it is up and well.

        Raises `ClusterError` with what is wrong; then nothing of it is left running.
        """
        prerequisites.check(self.version)
        base = (images.pause(), images.valkey())
        with self._held():
            if self.is_well():
                return
            self._clean()
            try:
                self._create(base)
            except BaseException:
                self.machine.destroy()
                raise
            (self.folder / "up").write_text(self.version)

    def down(self) -> None:
        """Take it down, whatever state it is in, with all that it stored; the folder stays, empty but for its locks."""
        prerequisites.check_root()
        with self._held():
            self._clean()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Have it up as long as the block. The last of its users takes it down, unless somebody said `keep`.

        Whoever is killed is no user any more, so that what a killed run of the tests left ends with the next one.
        """
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        with (self.folder / _USERS).open("w") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                self.up()
                yield
            finally:
                with self._held():
                    if _is_last(users) and not (self.folder / _KEPT).exists():
                        self._clean()

    def keep(self) -> None:
        """Have it stay up when its users have gone."""
        (self.folder / _KEPT).touch()

    def is_well(self) -> bool:
        """Whether it is up, complete, of this version, and all of its processes live."""
        with contextlib.suppress(OSError, ClusterError):
            if (self.folder / "up").read_text() == self.version:
                # On a busy machine an answer may be late, and whoever is not well is taken down.
                until(lambda: self.kubectl.ready() or not self._lives(), within=_WELL_WITHIN, what="answer")
                return self._lives()
        return False

    def load(self, *loaded: Image) -> None:
        """Put images on the node, in place of others of the same name; those that were put there before stay."""
        for image in loaded:
            mark = self.folder / f"{image.archive.name}.loaded"
            if not mark.exists():
                self._containers("images", "import", f"{image.archive}")
                mark.touch()

    def tag(self, reference: str, another: str) -> None:
        """Give an image on the node another name, as if it were a later version."""
        self._containers("images", "tag", "--force", reference, another)

    def _create(self, base: Sequence[Image]) -> None:
        self.machine.create()
        self.plane.prepare()
        self._node.prepare()
        for name in ("etcd", "kube-apiserver", "containerd"):
            self.start(name)
        until(self._runs_containers, within=_READY_WITHIN, what=f"containerd, see {self.daemon('containerd').log}")
        self.load(*base)
        self._await("kube-apiserver", self.kubectl.ready)
        for name in DAEMONS:
            if not self.daemon(name).running:
                self.start(name)
        self.kubectl.apply(*manifests.all_of_them(self.machine.address))
        self._await("kubelet", self.kubectl.runs_pods)

    def _command(self, name: str) -> list[str]:
        plane, node = self.plane, self._node
        commands = {
            "etcd": plane.etcd(),
            "kube-apiserver": plane.apiserver(bind="0.0.0.0", controllers=True),  # noqa: S104 - all of its own machine
            "kube-controller-manager": plane.controller_manager(),
            "kube-scheduler": plane.scheduler(),
            "containerd": node.containerd(),
            "kubelet": node.kubelet(),
            "kube-proxy": node.proxy(),
            "coredns": node.coredns(),
            "provisioner": plane.provisioner(),
        }
        return commands[name]

    @property
    def _node(self) -> Node:
        return Node(self.plane, self.machine.group)

    def _await(self, name: str, condition: Callable[[], bool]) -> None:
        def met() -> bool:
            if not self.daemon(name).running:
                raise ClusterError(f"{name} ended:\n{self.daemon(name).logged()}")
            return condition()

        until(met, within=_READY_WITHIN, what=f"readiness of {name}, see {self.daemon(name).log}")

    def _lives(self) -> bool:
        return all(self.daemon(name).running for name in ("init", *DAEMONS))

    def _runs_containers(self) -> bool:
        with contextlib.suppress(ClusterError):
            return bool(self._containers("version"))
        return False

    def _containers(self, *arguments: str) -> str:
        ctr = ("ctr", f"--address={SOCKET}", "--namespace=k8s.io", *arguments)
        return run(*self.machine.enter, *ctr, within=_IMPORT_WITHIN)

    def _clean(self) -> None:
        self.machine.destroy()
        for path in self.folder.iterdir():
            if path.name not in {_LOCK, _USERS}:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    @contextmanager
    def _held(self) -> Iterator[None]:
        # Whoever comes second waits: two sessions of tests that begin at once share one cluster.
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_last(users: TextIO) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
