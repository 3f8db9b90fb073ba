"""The leaves of a ChatCluster's spec, and what differs between the children of two specs.

A leaf is a field that holds no fields. Its path is the schema's without `.spec.`, with [] for the elements of a list
and {} for the values of a map, as in `api.podTemplate.tolerations[].key`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from support import crd

KEY = "example.com/a"
"""Stands for {}: the key of an element of a map."""
FIRST = 0
"""Stands for []: the place of an element in a list."""
_BELOW = ("properties", "items", "additionalProperties")
_DIGESTS = {names.DESIRED_HASH, names.TEMPLATE_HASH}
_FILLED_IN = {"allocateLoadBalancerNodePorts", "externalTrafficPolicy", "healthCheckNodePort", "nodePort"}
"""What the API server adds to a Service for its type."""

Differences = dict[str, Any]
"""By child and path in it, what stands there afterwards; None for what is gone."""


def leaves() -> Iterator[crd.Node]:
    """Yield every leaf of the schema, by its path."""
    for node in crd.spec_nodes():
        if not any(below in node.schema for below in _BELOW):
            yield crd.Node(node.path.removeprefix(".spec."), node.schema)


def steps(path: str) -> list[str | int]:
    """Return how to get to a leaf, through `FIRST` and `KEY`."""
    return [
        FIRST if step == "[]" else KEY if step == "{}" else step for step in re.findall(r"\[\]|\{\}|[^.\[{]+", path)
    ]


def changed(spec: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a spec with another value of one leaf; what that is in is made where it is missing."""
    result: dict[str, Any] = _put(spec, steps(path), value)
    return result


def _put(at: Any, way: list[str | int], value: Any) -> Any:
    if not way:
        return value
    step, *rest = way
    if step == FIRST:
        return [_put(at[FIRST] if at else None, rest, value), *(at or [])[1:]]
    return {**(at or {}), step: _put((at or {}).get(step), rest, value)}


def differences(old: Mapping[str, Manifest], new: Mapping[str, Manifest]) -> Differences:
    """Return all that differs between the children of a ChatCluster, by role, but for the digests of themselves."""
    found: Differences = {role: None if role not in new else ... for role in old.keys() ^ new.keys()}
    for role in old.keys() & new.keys():
        was, is_ = dict(_said(old[role])), dict(_said(new[role]))
        found |= {f"{role} {path}": is_.get(path) for path in was.keys() | is_.keys() if was.get(path) != is_.get(path)}
    return found


def by_role(children: Iterable[Manifest]) -> dict[str, Manifest]:
    """Return children by what they are in their ChatCluster, as `Service api`."""
    return {f"{child['kind']} {child['metadata']['labels'][names.COMPONENT]}": child for child in children}


def _said(child: Manifest) -> Iterator[tuple[str, Any]]:
    metadata = child["metadata"]
    annotations = {name: text for name, text in metadata.get("annotations", {}).items() if name not in _DIGESTS}
    rest = {name: value for name, value in child.items() if name not in {"metadata", "status"}}
    said = {"metadata": {"labels": metadata["labels"], "annotations": annotations}, **rest}
    # What is called after its ChatCluster is so in each of them.
    prefix = f".{metadata['labels'][names.INSTANCE]}-"
    yield from ((path.replace(prefix, "."), value) for path, value in flat(said))


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what stands where. Elements that have a name go by it, and so do the lines of a text."""
    if isinstance(value, dict):
        for name, below in value.items():
            if name not in _FILLED_IN:
                yield from flat(below, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, element in enumerate(value):
            yield from _flat_element(element, number, path)
    elif isinstance(value, str) and "\n" in value:
        for line in value.splitlines():
            name, _, rest = line.partition(" ")
            yield f"{path}.{name}", rest
    else:
        yield path, value


def _flat_element(element: Any, number: int, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(element, dict) and "name" in element:
        rest = {name: value for name, value in element.items() if name != "name"}
        yield from flat(rest or "", f"{path}.{element['name']}")
    else:
        yield from flat(element, f"{path}.{number}")
