"""A machine of its own for the cluster, made of the kernel's namespaces: mounts, network, processes, host name.

Owns making it, entering it, its one link to the real machine, and its end. What is started in it sees the real
machine's programs and files, but the links, routes, packet filters, mounts and settings it makes are its own. The whole
of it hangs on one process, its init: with that one the kernel ends every process in it, and takes down everything that
they had set up. So nothing can be left behind, whoever is killed when; and nothing of the real machine is changed but
one link, which goes with it.
"""

import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from support.cluster.commands import ClusterError, run, until
from support.cluster.control_plane import PODS, SERVICES
from support.cluster.daemons import Daemon, Identity

_GONE_WITHIN = 60.0
_CGROUPS = Path("/sys/fs/cgroup")
_CONTROLLERS = ("cpu", "cpuset", "hugetlb", "memory", "pids")
_INIT = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True: signal.pause()"
"""It buries its children by ignoring their ends: whoever is an orphan in a process namespace becomes its child."""

_UNSHARE = (
    *("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"),
    "--propagation=slave",  # what the real machine unmounts is not held
)

# What would otherwise be written to the real machine: /run is new, /var/lib and /var/log are folders of the state.
# /sys shows this network's links. Settings that are not the network's are the real machine's: they can only be read,
# and those that a kubelet insists on look as it wants them.
_FURNISH = """
set -e
mount --bind "$1/lib" /var/lib
mount --bind "$1/log" /var/log
mount -t tmpfs tmpfs /run
mkdir /run/cgroups
mount --rbind /sys/fs/cgroup /run/cgroups
mount -t sysfs sysfs /sys
mount --rbind /run/cgroups /sys/fs/cgroup
umount --lazy /run/cgroups
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,rw /proc/sys/net
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000
do
    shown=$(mktemp /run/setting.XXXXXX)
    echo "${setting#*=}" > "$shown"
    mount --bind "$shown" "/proc/sys/${setting%=*}"
done
mount --make-rshared /
hostname chatcluster-test
ip link set lo up
ip address add "$2/30" dev eth0
ip link set eth0 up
ip route add default via "$3"
echo 1 > /proc/sys/net/ipv4/ip_forward
test -d /proc/sys/net/bridge || modprobe br_netfilter
echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
"""


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The cluster's machine; `folder` holds what it writes outside of temporary files.

    There may be several at a time, of different numbers. The real machine reaches the pods and Services of number 0;
    of the others, whose pods have the same addresses, only the machine itself.
    """

    folder: Path
    number: int

    @property
    def link(self) -> str:
        """The link on the real machine."""
        return f"chatcluster{self.number}"

    @property
    def outside(self) -> str:
        """The real machine's address on the link."""
        return f"10.245.{self.number}.1"

    @property
    def address(self) -> str:
        """The address of the cluster's machine."""
        return f"10.245.{self.number}.2"

    @property
    def group(self) -> str:
        """The control group below which pods are to be."""
        return f"chatcluster-test-{self.number}"

    @property
    def init(self) -> Daemon:
        """The process that it hangs on."""
        return Daemon("init", self.folder)

    @property
    def enter(self) -> list[str]:
        """What stands before a command that is to run in it."""
        identity = self.init.identity
        if identity is None:
            raise ClusterError("the cluster's machine is not there")
        return ["nsenter", f"--target={identity.pid}", "--mount", "--net", "--pid", "--ipc", "--uts", "--"]

    def create(self) -> None:
        """Make it, with its link; raises `ClusterError` when the kernel or the machine's addresses do not let it."""
        for name in ("lib", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        init = (sys.executable, "-I", "-S", "-c", _INIT, self._mark)
        identity = self.init.start([*_UNSHARE, *init], enters=True)
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", f"{identity.pid}")
        run("ip", "address", "add", f"{self.outside}/30", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        run(*self.enter, "sh", "-c", _FURNISH, "sh", self.folder, self.address, self.outside)
        for network in () if self.number else (PODS, SERVICES):
            run("ip", "route", "add", network, "via", self.address, "dev", self.link)
        _delegate()
        for group in _groups(self.group):
            group.mkdir(exist_ok=True)

    def destroy(self) -> None:
        """End it and everything in it, whatever state it is in, and wait until nothing of it is left."""
        for identity in _marked(self._mark):
            identity.signal(signal.SIGKILL)
        until(lambda: not any(_marked(self._mark)), within=_GONE_WITHIN, what="end of the cluster's machine")
        self.init.forget()
        link = Path(f"/sys/class/net/{self.link}")
        if link.exists():  # unless the kernel, which takes it down with the network, is quicker
            with contextlib.suppress(ClusterError):
                run("ip", "link", "delete", self.link)
        until(lambda: not link.exists(), within=_GONE_WITHIN, what=f"end of the link {self.link}")
        for group in _groups(self.group):
            until(partial(_removed, group), within=_GONE_WITHIN, what=f"end of everything in {group}")

    @property
    def _mark(self) -> str:
        # The last argument of its init. A file with an id would not be there yet when whoever starts it is killed.
        return f"chatcluster-test:{self.folder}"


def _marked(mark: str) -> list[Identity]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().endswith(b"\0" + os.fsencode(mark) + b"\0"):
                found.append(Identity.of(int(path.parent.name)))
    return [identity for identity in found if identity is not None]


def _delegate() -> None:
    # With control groups of version 2 the kubelet wants to find in its group whatever the machine's root has.
    control = _CGROUPS / "cgroup.subtree_control"
    if control.exists():
        there = (_CGROUPS / "cgroup.controllers").read_text().split()
        control.write_text(" ".join(f"+{name}" for name in _CONTROLLERS if name in there))


def _groups(name: str) -> list[Path]:
    unified = (_CGROUPS / "cgroup.controllers").exists()
    # With version 1 there may be a hierarchy of version 2 beside the others, in which containers get groups too.
    roots = [_CGROUPS] if unified else [path for path in _CGROUPS.iterdir() if (path / "cgroup.procs").exists()]
    return [root / name for root in roots]


def _removed(group: Path) -> bool:
    # A group whose processes are ending is busy for a moment.
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True
