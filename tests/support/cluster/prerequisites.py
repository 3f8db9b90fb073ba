"""What the machine must have, by what is to be run: the programs, and the right to make namespaces.

Owns telling what is missing and which command brings it. Does not own installing it: `support.requirements`.
"""

import os
import shutil
import sys

from support.cluster import tools
from support.cluster.commands import ClusterError

INSTALL = "make test-deps"

PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
"""Programs of the whole cluster, and Debian's packages that have them."""


def missing(version: str = tools.KUBERNETES) -> list[str]:
    """Name what the whole cluster lacks on this machine: packages, and programs that are to be built."""
    packages = [f"Debian's package {package}" for package in missing_packages()]
    return packages + tools.missing(version, tools=(tools.COREDNS,))


def missing_packages() -> list[str]:
    """Name Debian's packages that the whole cluster lacks."""
    return sorted({package for name, package in PACKAGES.items() if shutil.which(name, path=_PATH) is None})


def check(version: str = tools.KUBERNETES) -> None:
    """Raise `ClusterError` when a whole cluster cannot be started here, with the way to change that."""
    check_root()
    if lacking := missing(version):
        raise ClusterError(f"missing: {', '.join(lacking)}. They come with: {INSTALL}")


def check_root() -> None:
    """Raise `ClusterError` when this is not Linux, or not root."""
    if sys.platform != "linux":
        raise ClusterError("the cluster without Docker needs Linux; elsewhere: make kind-up")
    if os.geteuid() != 0:
        raise ClusterError("the cluster without Docker needs root (sudo make cluster-up); without: make kind-up")


_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
