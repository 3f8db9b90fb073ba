"""The images that pods of the test cluster run, built without an engine and kept by what they were made of.

Owns pause, the Debian base that stands in for Python's official image, Valkey of Debian's, the product's two images
from their own Dockerfiles, and one of these with a flaw. An image is a file, an archive as `docker save` writes it,
named after a hash of all that it was built from: what did not change is not built again. Does not own how it gets to a
node: `cluster`.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.cluster import cache, tools
from support.cluster.commands import run
from support.cluster.node import PAUSE

ROOT = Path(__file__).parent.parent.parent.parent
RECIPES = ROOT / "tests" / "cluster" / "images"
DEBIAN = "docker.io/chatcluster-test/debian:1"
VALKEY = "docker.io/chatcluster-test/valkey:1"
DROPPING = "docker.io/chatcluster-test/dropping:1"

_SUITE = "trixie"
_PACKAGES = ("ca-certificates", "python3", "python3-venv")
_CERTIFICATES = Path("/etc/ssl/certs")
_BUILD_WITHIN = 1_800.0
_KEPT = 4
"""How many archives of an image are kept: those of the branches that one works on."""
_LAYERS_KEPT = 200
"""How many layers are kept between builds, before those that no image needs are removed: about 5 GB."""
_SECLUDED = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""What a build mounts and starts is its own, and ends with it, also when it is killed."""
_UNSHIPPED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache/apt",
    "var/lib/apt/lists",
)
"""What a running image never reads: a third of Debian's size."""
PRODUCT = ("services", "operator")
_CONTEXT = {
    "services": ("services.lock", "services/src", "LICENSE"),
    "operator": ("operator.lock", "operator/src", "LICENSE"),
}
"""What the product's images are built from, below the root of the tree."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image's name in the cluster, and the archive that has it."""

    reference: str
    archive: Path


def build_base() -> list[Image]:
    """Build the images that do not depend on the tree, unless they are there; returns them."""
    return [pause(), debian(), valkey()]


def pause() -> Image:
    """Build the image that every pod needs."""
    source = tools.SOURCE / "pause" / "main.go"
    archive = _archive("pause", source, RECIPES / "pause.Dockerfile")
    with cache.making(archive) as made:
        if made is not None:
            context = made.with_suffix(".context")
            context.mkdir()
            tools.build_pause(context / "pause")
            _build(Image(PAUSE, made), RECIPES / "pause.Dockerfile", context)
    return Image(PAUSE, archive)


def debian() -> Image:
    """Build the base of the Python images: debootstrap, 40 s."""
    recipe = RECIPES / "debian.Dockerfile"
    archive = _archive("debian", recipe, text=f"{_SUITE} {_PACKAGES} {_UNSHIPPED}")
    with cache.making(archive) as made:
        if made is not None:
            context = made.with_suffix(".context")
            _debootstrap(context)
            _build(Image(DEBIAN, made), recipe, context)
    return Image(DEBIAN, archive)


def valkey() -> Image:
    """Build a Redis-compatible server's image on the base."""
    recipe = RECIPES / "valkey.Dockerfile"
    base = debian()
    archive = _archive("valkey", recipe, text=base.archive.name)
    with cache.making(archive) as made:
        if made is not None:
            _build(Image(VALKEY, made), recipe, RECIPES, f"--build-arg=BASE=docker-archive:{base.archive}")
    return Image(VALKEY, archive)


def product(name: str) -> Image:
    """Build `services` or `operator` from its own Dockerfile, tagged with its version."""
    base, recipe = debian(), ROOT / name / "Dockerfile"
    archive = _archive(name, recipe, *_files(name), text=base.archive.name)
    reference = f"docker.io/chatcluster/{name}:{version(name)}"
    with cache.making(archive) as made:
        if made is not None:
            # While it is built, what the machine trusts is trusted.
            trust = f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro"
            arguments = (
                f"--build-arg=PYTHON_IMAGE=docker-archive:{base.archive}",
                f"--build-arg=VERSION={version(name)}",
            )
            _build(Image(reference, made), recipe, ROOT, *arguments, trust)
    _forget_old(archive)
    return Image(reference, archive)


def dropping() -> Image:
    """Build `services` with a task that drops what it should deliver, and tells nobody."""
    recipe, base = RECIPES / "dropping.Dockerfile", product("services")
    archive = _archive("dropping", recipe, RECIPES / "dropping.py", text=base.archive.name)
    with cache.making(archive) as made:
        if made is not None:
            _build(Image(DROPPING, made), recipe, RECIPES, f"--build-arg=BASE=docker-archive:{base.archive}")
    _forget_old(archive)
    return Image(DROPPING, archive)


def version(name: str) -> str:
    """Return the version of one of the product's two distributions, which is its image's tag."""
    package = {"services": "chatcluster", "operator": "chatcluster_operator"}[name]
    text = (ROOT / name / "src" / package / "__init__.py").read_text()
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    assert found, f"{name} has no __version__"
    return found[1]


def _debootstrap(folder: Path) -> None:
    command = ("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", _SUITE, folder)
    run(*_SECLUDED, *command, within=_BUILD_WITHIN)
    for path in _UNSHIPPED:
        shutil.rmtree(folder / path, ignore_errors=True)
    # As in Python's official image.
    (folder / "usr/local/bin/python").symlink_to("/usr/bin/python3")


def _build(image: Image, recipe: Path, context: Path, *options: str) -> None:
    # Layers are kept, so that a changed source file does not install the dependencies again.
    storage = (f"--root={cache.root() / 'layers'}", f"--runroot={image.archive.with_suffix('.running')}")
    buildah = (*_SECLUDED, "buildah", *storage)
    named = (f"--file={recipe}", f"--tag={image.reference}")
    run(*buildah, "build", "--isolation=chroot", "--layers", *named, *options, f"{context}", within=_BUILD_WITHIN)
    archive = f"docker-archive:{image.archive}:{image.reference}"
    run(*buildah, "push", image.reference, archive, within=_BUILD_WITHIN)
    if len(run(*buildah, "images", "--all", "--quiet").split()) > _LAYERS_KEPT:
        run(*buildah, "rmi", "--prune")


def _forget_old(newest: Path) -> None:
    name = newest.name.rpartition("-")[0]
    archives = sorted(newest.parent.glob(f"{name}-*.tar"), key=lambda path: path.stat().st_mtime)
    for old in archives[:-_KEPT]:
        old.unlink()


def _archive(name: str, *files: Path, text: str = "") -> Path:
    digest = hashlib.sha256(text.encode())
    for path in files:
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return cache.root() / "images" / f"{name}-{digest.hexdigest()[:16]}.tar"


def _files(name: str) -> Iterator[Path]:
    for path in map(ROOT.joinpath, _CONTEXT[name]):
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (file for file in files if file.is_file() and "__pycache__" not in file.parts)
