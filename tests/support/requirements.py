"""`make test-deps` and, with --cluster, `make cluster-deps`: what the tests need of the system beside Python.

On Debian as root its packages are installed; otherwise, and when that fails, the exact commands are printed, and the
tests that need them say that they were skipped. What Go modules have is built by anybody, into a cache outside the
tree: a quarter of an hour the first time.
"""

import os
import shutil
import subprocess
import sys

from chatcluster.local import redis
from support import kind, schemas
from support.cluster import images, prerequisites, tools
from support.cluster.commands import ClusterError

REDIS = {"redis-server": "a Redis of the system's own, beside the wheel's Valkey"}
CLUSTER = dict.fromkeys(prerequisites.PACKAGES.values(), "the Kubernetes cluster without Docker")


def main(*, cluster: bool) -> None:
    """Install and build what is missing, or say how."""
    _install_packages([*_missing_redis(), *(prerequisites.missing_packages() if cluster else [])])
    if not cluster:
        return
    try:
        _build()
    except ClusterError as exc:
        sys.stdout.write(f"Without the test cluster: {exc}\n")


def _install_packages(missing: list[str]) -> None:
    commands = [["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *missing]]
    if not missing or (_may_install() and not any(subprocess.call(command) for command in commands)):  # noqa: S603
        return
    for package in missing:
        sys.stdout.write(f"Missing: {package} ({ {**CLUSTER, **REDIS}[package] }). As root, on Debian:\n")
    sys.stdout.writelines(f"  {' '.join(command)}\n" for command in commands)


def _missing_redis() -> list[str]:
    return [] if any(not server.bundled for server in redis.available(os.environ)) else [*REDIS]


def _build() -> None:
    for version in (tools.KUBERNETES, tools.OLDEST_KUBERNETES):
        _say_when_slow(tools.missing(version))
        tools.build_kubernetes(version)
    for tool in tools.TOOLS:
        _say_when_slow(tools.missing(tools.KUBERNETES, programs=(), tools=(tool,)))
        tools.build(tool)
    schemas.prepare()
    kind.prepare()
    if os.geteuid() == 0 and not prerequisites.missing():
        images.build_base()


def _say_when_slow(missing: list[str]) -> None:
    if missing:
        sys.stdout.write(f"Building {', '.join(missing)}\n")
        sys.stdout.flush()


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


if __name__ == "__main__":
    main(cluster="--cluster" in sys.argv[1:])
