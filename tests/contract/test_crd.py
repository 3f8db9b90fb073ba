"""The ChatCluster's schema is complete, and says the same as the operator's types.

What needs an API server (the rules in CEL, first of all) is in tests/cluster/test_crd.py.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from chatcluster_operator import desired, status
from chatcluster_operator.observed import Observed
from chatcluster_operator.spec import Spec
from support import crd, manifests
from support.crd import Node

NODES = list(crd.nodes())
SPEC = Node(".spec", crd.schema()["properties"]["spec"])
LONGEST_LIST, LONGEST_TEXT = 64, 32_768
PLAIN = {inspect.StrType: "string", inspect.IntType: "integer", inspect.BoolType: "boolean", inspect.ListType: "array"}


def types(kind: inspect.Type, node: Node) -> Iterator[tuple[inspect.Type, Node]]:
    """Yield each type that spec.py reads a place of the schema as, from the top down."""
    if isinstance(kind, inspect.UnionType) and any(isinstance(one, inspect.NoneType) for one in kind.types):
        [kind] = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    yield kind, node
    at = node.schema
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            if below := at.get("properties", {}).get(field.encode_name):
                yield from types(field.type, Node(f"{node.path}.{field.encode_name}", below))
    elif isinstance(kind, inspect.ListType) and "items" in at:
        yield from types(kind.item_type, Node(f"{node.path}[]", at["items"]))
    elif isinstance(kind, inspect.DictType) and node.is_map:
        yield from types(kind.value_type, Node(f"{node.path}{{}}", at["additionalProperties"]))


TYPES = list(types(inspect.type_info(Spec), SPEC))
STRUCTS = [(kind, node) for kind, node in TYPES if isinstance(kind, inspect.StructType)]


def test_the_schema_is_walked_to_the_end() -> None:
    """The tests below look at all of spec and status: a walk that ended early would pass them all."""
    paths = [node.path for node in NODES]

    assert {".spec.connect.podTemplate.tolerations[].effect", ".spec.api.podTemplate.labels{}"} <= set(paths)
    assert {".status.conditions[].reason", ".status.components.task.summary", ".status.selector"} <= set(paths)
    assert len(paths) == len(set(paths)) > 250
    assert {node.path for _, node in STRUCTS} >= {".spec.task.podTemplate.env[]", ".spec.redis.external.caSecretRef"}


def test_every_field_is_described() -> None:
    """Each has a description in whole sentences, which tells bounds, words to choose from, and the default."""
    described = [node for node in NODES if node.path != ".metadata"]  # Kubernetes describes that one itself

    assert [f"{node.path}: {problem}" for node in described for problem in lacks(node)] == []


def lacks(node: Node) -> Iterator[str]:
    """Yield what a description does not say."""
    text, at = node.schema.get("description", ""), node.schema
    if not (len(text) >= 12 and text[0].isupper() and text.endswith(".")):
        yield "no sentence"
    yield from (f"no {word}" for word in at.get("enum", []) if word not in text)
    if node.path.startswith(".spec") and at.get("type") == "integer":
        bounds = f"{at['minimum']:,} to {at['maximum']:,}"
        yield from [] if bounds in text else [f"no {bounds}"]
    if "default" in at and at.get("type") != "object":
        yield from [] if f"Default: {said(at['default'])}" in text else [f"no default {said(at['default'])}"]


def said(default: Any) -> str:
    """Return a default as descriptions say it."""
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:,}" if isinstance(default, int) else default or "empty"


def test_everything_is_bounded() -> None:
    """No text, list, map or number of the spec is without a bound."""
    assert [node.path for node in NODES if not is_bounded(node)] == []


def is_bounded(node: Node) -> bool:
    """Whether its size has a bound; what Kubernetes itself will check may be open."""
    at = node.schema
    match at.get("type"):
        case "array":
            return bool(at["maxItems"] <= LONGEST_LIST)
        case "integer":
            return "minimum" in at and ("maximum" in at or node.path.startswith(".status"))
        case "object" if node.is_map:
            return bool(at["maxProperties"] <= LONGEST_LIST)
        case "object":
            return "properties" in at or ".podTemplate.affinity." in node.path
        case "boolean":
            return True
    return "enum" in at or at.get("maxLength", LONGEST_TEXT + 1) <= LONGEST_TEXT


def test_types_are_the_same_in_schema_and_code() -> None:
    """A field has the type, and the words to choose from, that the operator reads it as."""
    wrong = [(node.path, node.schema.get("type"), kind) for kind, node in TYPES if not is_read_as(kind, node.schema)]

    assert wrong == []


def is_read_as(kind: inspect.Type, at: crd.Schema) -> bool:
    """Whether a type takes what a schema allows, and nothing else."""
    match kind:
        case inspect.AnyType():
            return True
        case inspect.UnionType():
            return bool(at.get("x-kubernetes-int-or-string")) and len(kind.types) == 2
        case inspect.LiteralType():
            return at["type"] == "string" and set(at["enum"]) == set(kind.values)
        case inspect.StructType() | inspect.DictType():
            return bool(at["type"] == "object")
    return "enum" not in at and at["type"] == PLAIN[type(kind)]


def test_fields_are_the_same_in_schema_and_code() -> None:
    """Each has exactly the fields of the other, and the same of them are required."""
    for kind, node in STRUCTS:
        assert {field.encode_name for field in kind.fields} == set(node.schema["properties"]), node.path
        required = {field.encode_name for field in kind.fields if field.required}
        assert required == set(node.schema.get("required", [])), node.path


def test_defaults_are_the_same_in_schema_and_code() -> None:
    """What the API server fills in is what the operator takes for a field that is absent; empty is absent."""
    for kind, node in STRUCTS:
        for field in kind.fields:
            at = node.schema["properties"][field.encode_name]
            filled_in = crd.defaulted(at.get("default"), at)

            assert pruned(filled_in) == pruned(default_of(field)), f"{node.path}.{field.encode_name}"


def default_of(field: inspect.Field) -> Any:
    """Return what the operator takes where a field is absent, as JSON; None where it must be there."""
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default_factory())
    return None if field.required else msgspec.to_builtins(field.default)


def pruned(value: Any) -> Any:
    """Return a value without what is absent or empty, and None for one that is nothing else."""
    if isinstance(value, dict):
        kept = {name: pruned(element) for name, element in value.items()}
        value = {name: element for name, element in kept.items() if element is not None}
    return None if value in ("", [], {}) else value


def test_defaults_are_valid() -> None:
    """A default is what a user might have written."""
    for node in NODES:
        if "default" in node.schema:
            assert crd.problems(crd.defaulted(node.schema["default"], node.schema), node.schema) == [], node.path


def test_an_empty_spec_shows_all_defaults() -> None:
    """What holds can be read in the stored resource: every object above a default has a default itself."""
    shown = crd.defaulted({}, crd.schema())["spec"]

    assert pruned(shown) == pruned(msgspec.to_builtins(Spec()))
    assert shown["connect"]["websocket"] == {"pingSeconds": 54, "pingTimeoutSeconds": 6}
    assert shown["redis"]["managed"]["storage"] == {"size": "1Gi"}
    assert "image" not in shown


@pytest.mark.parametrize("spec", [{}, {"connect": {"tcp": {"enabled": False}}}], ids=["all", "no TCP"])
def test_what_the_operator_reports_fits(spec: dict[str, Any]) -> None:
    """Nothing of a status is pruned in silence, neither of one that is ready nor of one that is not."""
    cluster = manifests.chatcluster(spec)
    wanted = desired.children(cluster, manifests.CONTEXT)
    seen = (manifests.settled(cluster), Observed())
    longest = f"chatcluster/services@sha512:{'0' * 128}"
    views = [status.View(cluster, wanted, one, image=longest) for one in seen]

    for view in views:
        assert crd.problems(status.status(view, {}, manifests.NOW), crd.schema()["properties"]["status"]) == []


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"connect": {"replicas": 0}}, "connect.replicas: 0 is less than the minimum of 1"),
        ({"api": {"replicas": "2"}}, "api.replicas: '2' is not of type 'integer'"),
        ({"api": {"autoscaling": {}}}, "api.autoscaling: 'maxReplicas' is a required property"),
        ({"api": {"resources": {"limits": {"cpu": -1}}}}, "api.resources.limits.cpu: -1 is less than the minimum of 1"),
        ({"rooms": {"size": 1}}, "rooms: Additional properties are not allowed ('size' was unexpected)"),
        ({"imagePullSecrets": [{"name": "a"}] * 2}, "imagePullSecrets: two elements have the same name"),
        ({"exposure": {"trustedProxies": ["::1"] * 2}}, "exposure.trustedProxies: an element stands there twice"),
    ],
)
def test_what_is_wrong_is_refused(spec: dict[str, Any], problem: str) -> None:
    """The validator that inputs of tests go through refuses what an API server refuses, or kubectl."""
    body = {"apiVersion": "chatcluster.io/v1alpha1", "kind": "ChatCluster", "metadata": {"name": "demo"}, "spec": spec}

    assert crd.problems_of_resource(body) == [f"$.spec.{problem}"]
