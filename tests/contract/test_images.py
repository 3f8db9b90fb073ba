"""The images' recipes agree with what runs the images, and with what the programs import."""

import re
import tomllib
from pathlib import Path

import pytest

from chatcluster_operator import names
from chatcluster_operator.resources import security
from support import crd

NAMES = ("services", "operator")


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_root(name: str) -> None:
    """An image runs as the user that its pods say, by number: by a name Kubernetes cannot tell that it is not root."""
    assert instructions(name, "USER") == [f"{security.USER}:{security.USER}"]


@pytest.mark.parametrize("name", NAMES)
def test_the_lock_alone_decides_what_is_installed(name: str) -> None:
    """Wheels only, with their hashes."""
    [install] = [step for step in instructions(name, "RUN") if " install " in step]

    assert {"--require-hashes", "--only-binary", ":all:", f"/{name}.lock"} <= set(install.split())


@pytest.mark.parametrize("name", NAMES)
def test_the_lock_has_every_dependency(name: str) -> None:
    """Whatever a distribution says that it needs is locked."""
    project = tomllib.loads((crd.ROOT / name / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[^A-Za-z0-9-]", dependency)[0] for dependency in project["dependencies"]}

    assert needed - set(re.findall(r"^([a-z0-9-]+)==", lock(name).read_text(), re.MULTILINE)) == set()


@pytest.mark.parametrize("name", NAMES)
def test_the_context_has_what_is_copied_and_nothing_else(name: str) -> None:
    """What .dockerignore lets through is what the recipes copy."""
    sources = {copied.split()[0] for copied in instructions(name, "COPY") if not copied.startswith("--from=")}
    ignored = (crd.ROOT / ".dockerignore").read_text().splitlines()

    assert sources == {"LICENSE", f"{name}.lock", f"{name}/src"}
    assert {f"!{source}" for source in sources} <= set(ignored)
    assert "*" in ignored


def test_the_ports_are_those_of_the_services() -> None:
    """The recipe tells of every port that the operator leads anybody to."""
    [exposed] = instructions("services", "EXPOSE")
    ports = {port for name, port in names.PORTS.items() if name != names.REDIS}

    assert set(map(int, exposed.split())) == ports
    assert instructions("operator", "EXPOSE") == [str(names.PORTS["health"])]


def lock(name: str) -> Path:
    """Return the lock of a distribution."""
    return crd.ROOT / f"{name}.lock"


def instructions(name: str, instruction: str) -> list[str]:
    """Return the arguments of each such instruction of a recipe, a continued one as one line."""
    text = (crd.ROOT / name / "Dockerfile").read_text().replace("\\\n", " ")
    return re.findall(rf"^{instruction} (.*)$", text, re.MULTILINE)
