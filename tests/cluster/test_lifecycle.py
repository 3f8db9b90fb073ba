"""The test cluster's beginning and end: it comes up again after any crash, and leaves nothing behind.

These clusters have a number and a folder of their own, beside the one that the other tests use.
"""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from chatcluster.local.children import die_with
from support import tiers
from support.cluster import prerequisites
from support.cluster.cluster import DAEMONS, Cluster, state
from support.cluster.commands import ClusterError, run, until
from support.eventually import eventually

NUMBER = 1
CLUSTER = f"""
import pathlib, sys
from support.cluster.cluster import Cluster
cluster = Cluster(pathlib.Path(sys.argv[1]), number={NUMBER})
"""
UP = f"{CLUSTER}cluster.up()"
USE = f"""{CLUSTER}
with cluster.used():
    print("used", flush=True)
    sys.stdin.read()
"""
SETTINGS = ("net/ipv4/ip_forward", "vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")


@dataclass(frozen=True)
class Machine:
    """What a cluster could leave behind on the machine."""

    processes: frozenset[str]
    namespaces: frozenset[str]
    mounts: frozenset[str]
    links: frozenset[str]
    routes: frozenset[str]
    groups: frozenset[str]
    filters: str
    settings: tuple[str, ...]

    def added_to(self, before: "Machine") -> dict[str, object]:
        """Return what is here that was not there, by kind; what others took down meanwhile does not count.

        Control groups count in any case: only one cluster has these.
        """
        sets = ("processes", "namespaces", "mounts", "links", "routes")
        added: dict[str, object] = {name: getattr(self, name) - getattr(before, name) for name in sets}
        added["groups"] = self.groups
        same = (self.filters, self.settings) == (before.filters, before.settings)
        return {name: value for name, value in [*added.items(), ("changed", not same)] if value}


def machine(folder: Path) -> Machine:
    """Look at this machine: of its processes only at those that have to do with a cluster's folder."""
    commands = {int(path.parent.name): _read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    own = {f"{pid} {command}" for pid, command in commands.items() if str(folder) in command and pid != os.getpid()}
    namespaces = {link for pid in commands for kind in ("pid", "mnt", "net") if (link := _link(pid, kind))}
    return Machine(
        frozenset(own),
        frozenset(namespaces),
        frozenset(Path("/proc/self/mounts").read_text().splitlines()),
        frozenset(path.name for path in Path("/sys/class/net").iterdir()),
        frozenset(run("ip", "route").splitlines()),
        frozenset(str(path) for path in Path("/sys/fs/cgroup").glob(f"**/chatcluster-test-{NUMBER}")),
        "\n".join(line for line in run("iptables-save").splitlines() if not line.startswith("#")),
        tuple(Path("/proc/sys", name).read_text() for name in SETTINGS),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def _link(pid: int, kind: str) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    except OSError:
        return ""


async def is_as_before(folder: Path, before: Machine) -> None:
    """Wait until nothing is here that was not there: the kernel may still be burying processes that were killed."""

    def nothing_added() -> bool:
        assert machine(folder).added_to(before) == {}
        return True

    await eventually(nothing_added, within=10)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Yield a cluster that is not up, also when a killed run of these tests left it up; take it down after the test.

    There is one of its number on this machine: another run of these tests waits.
    """
    try:
        prerequisites.check()
    except ClusterError as exc:
        tiers.missing(f"no cluster: {exc}", f"{prerequisites.INSTALL}, as root on Linux")
    cluster = Cluster(state().with_name(f"{state().name}-{NUMBER}"), number=NUMBER)
    cluster.folder.parent.mkdir(parents=True, exist_ok=True)
    with cluster.folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cluster.down()
        yield cluster
        cluster.down()


def begin(cluster: Cluster, code: str = UP) -> "subprocess.Popen[str]":
    """Bring it up in a process of its own, or do something else with it."""
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    pipe = subprocess.PIPE
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-c", code, str(cluster.folder)],
        env=environ,
        stdin=pipe,
        stdout=pipe,
        text=True,
        preexec_fn=partial(die_with, os.getpid()),  # noqa: PLW1509 - calls nothing that locks
    )


async def test_up_and_down(cluster: Cluster) -> None:
    """Going up is idempotent, mends what was killed, and after going down the machine is as it was before."""
    before = machine(cluster.folder)

    cluster.up()
    first = cluster.daemon("init").identity
    cluster.up()
    assert cluster.daemon("init").identity == first
    cluster.daemon("kube-proxy").kill()
    assert not cluster.is_well()
    cluster.up()
    assert cluster.is_well()
    assert machine(cluster.folder).added_to(before)["processes"]

    cluster.down()
    await is_as_before(cluster.folder, before)
    assert {path.name for path in cluster.folder.iterdir()} <= {"lock", "users"}
    cluster.down()


@pytest.mark.parametrize("stage", ["init", "containerd", "kubelet"])
async def test_killed_on_its_way_up(cluster: Cluster, stage: str) -> None:
    """Whoever brings it up is killed by SIGKILL in the middle: going down still leaves nothing behind."""
    before = machine(cluster.folder)
    with begin(cluster) as begun:
        until((cluster.folder / f"{stage}.pid").exists, within=120, what=f"start of {stage}")
        begun.kill()

    assert machine(cluster.folder).added_to(before)["processes"]
    cluster.down()
    await is_as_before(cluster.folder, before)


async def test_its_last_user_takes_it_down(cluster: Cluster) -> None:
    """Who shares it with others leaves it to them, and who is killed leaves it to the next; then nothing is left."""
    before = machine(cluster.folder)
    with begin(cluster, USE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "used\n"
        first = cluster.daemon("init").identity
        with cluster.used():
            pass
        assert cluster.is_well()
        other.kill()

    assert cluster.is_well()
    with cluster.used():
        assert cluster.daemon("init").identity == first
    await is_as_before(cluster.folder, before)


def test_it_stays_for_whoever_said_so(cluster: Cluster) -> None:
    """The tests do not take down what a person brought up."""
    cluster.up()
    cluster.keep()

    with cluster.used():
        pass

    assert cluster.is_well()


def test_up_after_a_crash(cluster: Cluster) -> None:
    """What is left of a cluster whose own init was killed, and of one that never got up, does not stand in the way."""
    with begin(cluster) as begun:
        until((cluster.folder / "kubelet.pid").exists, within=120, what="start of the kubelet")
        begun.kill()

    cluster.up()
    assert cluster.is_well()
    identity = cluster.daemon("init").identity
    assert identity is not None
    identity.signal(signal.SIGKILL)
    until(lambda: not any(cluster.daemon(name).running for name in DAEMONS), within=30, what="end of all processes")
    cluster.up()
    assert cluster.is_well()
