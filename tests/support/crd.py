"""The schema of ChatCluster, as far as it can be used without an API server: its nodes, its defaults, what it refuses.

It does what https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/ says of
defaulting and of validation, with one difference: what the schema does not know is refused, as kubectl does, instead of
being pruned. The rules in CEL are not looked at: tests/cluster does that, on a real API server.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

ROOT = Path(__file__).parent.parent.parent
PATH = ROOT / "crds/chatclusters.yaml"

Schema = dict[str, Any]
_OPEN = "x-kubernetes-preserve-unknown-fields"
_KEYS = "x-kubernetes-list-map-keys"
_ROOT: Schema = {
    "apiVersion": {"enum": ["chatcluster.io/v1alpha1"]},
    "kind": {"enum": ["ChatCluster"]},
    "metadata": {"type": "object", _OPEN: True},
}


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the schema."""

    path: str
    """As `kubectl explain` has it, with [] for the elements of a list and {} for the values of a map."""
    schema: Schema

    @property
    def is_map(self) -> bool:
        """Whether its keys are the user's."""
        return "additionalProperties" in self.schema


@cache
def definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition. Not to be changed."""
    content: dict[str, Any] = yaml.safe_load(PATH.read_text())
    return content


@cache
def schema() -> Schema:
    """Return the schema of the stored version. Not to be changed."""
    [version] = [version for version in definition()["spec"]["versions"] if version["storage"]]
    content: Schema = version["schema"]["openAPIV3Schema"]
    return content


def nodes(path: str = "", at: Schema | None = None) -> Iterator[Node]:
    """Yield every place, from the root down; those below `at` with paths that begin with `path`."""
    at = schema() if at is None else at
    yield Node(path, at)
    for name, below in at.get("properties", {}).items():
        yield from nodes(f"{path}.{name}", below)
    if "items" in at:
        yield from nodes(f"{path}[]", at["items"])
    if "additionalProperties" in at:
        yield from nodes(f"{path}{{}}", at["additionalProperties"])


def spec_nodes() -> Iterator[Node]:
    """Yield every place of the spec."""
    return nodes(".spec", schema()["properties"]["spec"])


def defaulted(value: Any, at: Schema) -> Any:
    """Return a value with what the API server adds to it."""
    if isinstance(value, dict):
        known = at.get("properties", {})
        missing = {name: below["default"] for name, below in known.items() if "default" in below and name not in value}
        below = {**dict.fromkeys(value, at.get("additionalProperties", {})), **known}
        return {name: defaulted(element, below[name]) for name, element in {**value, **missing}.items()}
    if isinstance(value, list):
        return [defaulted(element, at.get("items", {})) for element in value]
    return value


def problems(value: Any, at: Schema) -> list[str]:
    """Return why the API server would refuse a value, CEL left aside; empty for one that it takes."""
    validator = _Validator(_closed(at), format_checker=jsonschema.FormatChecker())
    return sorted(f"{error.json_path}: {error.message}" for error in validator.iter_errors(value))


def problems_of_resource(body: dict[str, Any]) -> list[str]:
    """Return why the API server would refuse a whole ChatCluster, CEL left aside."""
    properties = {**schema()["properties"], **_ROOT}
    root = {**schema(), "properties": properties, "required": ["apiVersion", "kind", "metadata"]}
    return problems(defaulted(body, schema()), root)


def _closed(at: Schema) -> Schema:
    """The schema, in which what is not named is refused."""
    closed = dict(at)
    if "properties" in at:
        closed["properties"] = {name: _closed(below) for name, below in at["properties"].items()}
    if "items" in at:
        closed["items"] = _closed(at["items"])
    if at.get("type") == "object" and not at.get(_OPEN):
        closed["additionalProperties"] = _closed(at["additionalProperties"]) if "additionalProperties" in at else False
    return closed


def _keys_differ(_: Any, keys: list[str], value: Any, __: Schema) -> Iterator[jsonschema.ValidationError]:
    seen = [tuple(element.get(key) for key in keys) for element in value]
    if len(set(seen)) < len(seen):
        yield jsonschema.ValidationError(f"two elements have the same {', '.join(keys)}")


def _elements_differ(_: Any, kind: str, value: Any, __: Schema) -> Iterator[jsonschema.ValidationError]:
    if kind == "set" and len(set(value)) < len(value):
        yield jsonschema.ValidationError("an element stands there twice")


_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {_KEYS: _keys_differ, "x-kubernetes-list-type": _elements_differ}
)
