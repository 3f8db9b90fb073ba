"""The examples are valid, by the schema and by the operator's reading, and there is one for every field."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatcluster_operator import spec
from support import crd

EXAMPLES = sorted((crd.ROOT / "examples").glob("*.yaml"))
NAMES = {"minimal": "demo", "production": "chat"}
"""Of those that are not called like their file."""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid(path: Path) -> None:
    """It begins with what it is for, the schema takes it, and the operator reads it as it is written."""
    body = yaml.safe_load(path.read_text())
    cluster = spec.ChatCluster.parse(as_stored(body))

    assert path.read_text().startswith("# ")
    assert crd.problems_of_resource(body) == []
    assert cluster.name == body["metadata"]["name"] == NAMES.get(path.stem, path.stem)
    assert cluster.paused is (path.stem == "paused")


def as_stored(body: dict[str, Any]) -> dict[str, Any]:
    """Return a resource as an API server would have it."""
    metadata = {"namespace": "default", "uid": "0", "generation": 1, **body["metadata"]}
    return {**crd.defaulted(body, crd.schema()), "metadata": metadata}


def test_every_field_is_shown() -> None:
    """Some example sets each field, of one program at least; what is known from pods is shown in part."""
    specs = [yaml.safe_load(path.read_text())["spec"] for path in EXAMPLES]
    shown = {shared(path) for one in specs for path in set_in(one, ".spec")}
    fields = {shared(node.path) for node in crd.spec_nodes() if not node.path.endswith("}")}

    assert {path for path in fields - shown if ".podTemplate." not in path} == set()


def set_in(value: Any, path: str) -> Iterator[str]:
    """Yield the path of everything that is set."""
    yield path
    if isinstance(value, dict):
        for name, below in value.items():
            yield from set_in(below, f"{path}.{name}")
    elif isinstance(value, list):
        for below in value:
            yield from set_in(below, f"{path}[]")


def shared(path: str) -> str:
    """Return a path in which the programs are not told apart."""
    for program in ("task", "logic", "connect"):
        path = path.replace(f".spec.{program}.", ".spec.api.")
    return path
