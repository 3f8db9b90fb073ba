"""`make kind-up` and `make kind-down`: the product on kind, which needs Docker or podman.

Owns kind's cluster, getting images into it, and reading kind-config.yaml as kind does. Does not own building images
(`make images`), nor what happens in the cluster: `installation`.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from support import tiers
from support.cluster import cache, images, tools
from support.cluster.commands import ClusterError, run
from support.cluster.targets import KIND
from support.crd import ROOT
from support.installation import Installation

CONFIG = ROOT / "kind-config.yaml"
SOURCE = ROOT / "tests/cluster/kind"
ENGINES = ("docker", "podman")
NEEDED = {
    "kind": "https://kind.sigs.k8s.io, or go install sigs.k8s.io/kind@latest",
    "kubectl": "https://kubernetes.io/docs/tasks/tools",
    "helm": "https://helm.sh/docs/intro/install",
}

_UP = """\
ChatCluster is up, in kind's cluster {kind}:

  page        http://localhost:7070/
  REST        http://localhost:7070/v1/docs
  websocket   ws://localhost:7000/ws
  TCP         localhost:7001

  kubectl --context kind-{kind} describe chatcluster demo
"""
_STEP_WITHIN = 900.0


def check(engine: str) -> None:
    """Raise `ClusterError` when something is missing that the cluster needs on this machine, with where it is had."""
    if engine not in ENGINES:
        raise ClusterError(f"kind needs {' or '.join(ENGINES)}, and none runs here. As root on Linux: make cluster-up")
    for name, source in NEEDED.items():
        if shutil.which(name) is None:
            raise ClusterError(f"{name} is needed: {source}")


def up(engine: str) -> None:
    """Bring the cluster up, or up to date, with the images that `engine` has; raises `ClusterError` with what to do."""
    check(engine)
    if KIND not in _kind(engine, "get", "clusters").split():
        _kind(engine, "create", "cluster", f"--config={CONFIG}", "--wait=3m")
    with tempfile.TemporaryDirectory() as scratch:
        services, operator = (_load(engine, name, Path(scratch)) for name in images.PRODUCT)
        kubeconfig = Path(scratch) / "kubeconfig"
        _kind(engine, "export", "kubeconfig", f"--name={KIND}", f"--kubeconfig={kubeconfig}")
        installation = Installation(kubeconfig)
        installation.install({"image": {"tag": operator.rpartition(":")[2]}, "servicesImage": services})
        installation.start_demo()
    sys.stdout.write(_UP.format(kind=KIND))


def down(engine: str) -> None:
    """Take the cluster away, with all that it stored; do nothing when there is none."""
    check(engine)
    _kind(engine, "delete", "cluster", f"--name={KIND}")


def prepare() -> None:
    """Build what `configuration` needs, unless it is there; raises `ClusterError` without Go or a network."""
    if not _reader().exists():
        _reader().parent.mkdir(parents=True, exist_ok=True)
        partial = _reader().with_suffix(".partial")
        tools.go("build", "-trimpath", "-o", partial, ".", source=SOURCE)
        partial.replace(_reader())


def configuration(path: Path = CONFIG) -> dict[str, Any]:
    """Return a configuration as kind reads it, with kind's defaults; raises `ClusterError` for what kind refuses.

    Skips the running test, loudly, when `prepare` has not been called.
    """
    if not _reader().exists():
        tiers.missing(f"not there: {_reader().name}", "make test-deps")
    read: dict[str, Any] = json.loads(run(_reader(), path))
    return read


def main() -> None:
    """Do what the arguments say; a refusal is told in one paragraph, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m support.kind", description=__doc__)
    parser.add_argument("action", choices=("check", "up", "down"))
    parser.add_argument("--engine", required=True)
    arguments = parser.parse_args()
    try:
        {"check": check, "up": up, "down": down}[arguments.action](arguments.engine)
    except ClusterError as exc:
        sys.exit(f"kind: {exc}")


def _kind(engine: str, *arguments: str | Path) -> str:
    return run("kind", *arguments, within=_STEP_WITHIN, environ={**os.environ, "KIND_EXPERIMENTAL_PROVIDER": engine})


def _load(engine: str, name: str, scratch: Path) -> str:
    """Put an image on the node; returns its name there, which is another one whenever the image is."""
    built = f"docker.io/chatcluster/{name}:{images.version(name)}"
    identity = run(engine, "image", "inspect", "--format={{.Id}}", built).strip().removeprefix("sha256:")
    loaded, archive = f"{built}-{identity[:12]}", scratch / f"{name}.tar"
    run(engine, "tag", built, loaded)
    run(engine, "save", f"--output={archive}", loaded, within=_STEP_WITHIN)
    _kind(engine, "load", "image-archive", archive, f"--name={KIND}")
    return loaded


def _reader() -> Path:
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(SOURCE.iterdir())))
    return cache.root() / f"kind-config-{digest.hexdigest()[:16]}"


if __name__ == "__main__":
    main()
