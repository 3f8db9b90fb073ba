"""The values of the Helm chart: every one is described, and a wrong one is refused by its name."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from support import chart, crd
from support.chart import CHART
from support.cluster.commands import ClusterError

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"replicas": 2}, "", "additional properties 'replicas' not allowed"),
    ({"image": "operator:1"}, "/image", "got string, want object"),
    ({"image": {"tag": "a b"}}, "/image/tag", "'a b' does not match pattern"),
    (
        {"image": {"pullPolicy": "Sometimes"}},
        "/image/pullPolicy",
        "value must be one of 'Always', 'IfNotPresent', 'Never'",
    ),
    ({"servicesImage": "a b"}, "/servicesImage", "'a b' does not match pattern"),
    ({"watchNamespaces": "chat"}, "/watchNamespaces", "got string, want array"),
    ({"watchNamespaces": ["Chat"]}, "/watchNamespaces/0", "'Chat' does not match pattern"),
    ({"watchNamespaces": ["chat", "chat"]}, "/watchNamespaces", "items at 0 and 1 are equal"),
    ({"logLevel": "loud"}, "/logLevel", "value must be one of 'debug', 'info', 'warning', 'error'"),
    ({"resyncSeconds": "60s"}, "/resyncSeconds", "got string, want integer"),
    ({"workers": 0}, "/workers", "minimum: got 0, want 1"),
    ({"resources": {"cpu": 1}}, "/resources", "additional properties 'cpu' not allowed"),
    ({"podAnnotations": {"a": 1}}, "/podAnnotations/a", "got number, want string"),
    ({"imagePullSecrets": ["pull"]}, "/imagePullSecrets/0", "got string, want object"),
    (
        {"monitoring": {"podMonitor": {"interval": "soon"}}},
        "/monitoring/podMonitor/interval",
        "'soon' does not match pattern",
    ),
    (
        {"monitoring": {"alerts": {"runbooks": "wiki"}}},
        "/monitoring/alerts/runbooks",
        "'wiki' does not match pattern",
    ),
    (
        {"monitoring": {"dashboards": {"labels": {"a": 1}}}},
        "/monitoring/dashboards/labels/a",
        "got number, want string",
    ),
    ({"networkPolicy": {"apiServerPorts": []}}, "/networkPolicy/apiServerPorts", "minItems: got 0, want 1"),
]


SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())


@pytest.mark.kubernetes
@pytest.mark.parametrize(("values", "place", "message"), WRONG, ids=lambda case: case if isinstance(case, str) else "")
def test_a_wrong_value_is_refused(values: dict[str, Any], place: str, message: str) -> None:
    """helm names the value, and what is wrong with it."""
    chart.require()
    with pytest.raises(ClusterError) as refused:
        chart.render(values)

    assert f"at '{place}': {message}" in str(refused.value)


def test_the_schema_knows_every_value() -> None:
    """Each has a default in values.yaml and another one in what the tests set; no object of the chart's own is open."""
    assert set(places(DEFAULTS)) == LEAVES
    assert set(places(chart.EVERYTHING)) == LEAVES
    assert [path for path in LEAVES if value(DEFAULTS, path) == value(chart.EVERYTHING, path)] == []
    assert [path for path, node in NODES.items() if "properties" in node and node["additionalProperties"]] == []


def test_every_value_is_described() -> None:
    """The schema says what it means, and docs/install.md has a line for it with its default."""
    lines = (crd.ROOT / "docs/install.md").read_text().splitlines()

    assert [path for path, node in NODES.items() if not node.get("description")] == []
    for path in LEAVES:
        default = json.dumps(value(DEFAULTS, path)).replace('""', "empty")
        assert any(line.startswith(f"| `{path}` | {default} | ") for line in lines), f"| `{path}` | {default} | "


def nodes(schema: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every place of the values, and its schema."""
    for name, below in schema.get("properties", {}).items():
        shared = SCHEMA["definitions"].get(below.get("$ref", "").removeprefix("#/definitions/"), {})
        yield above + name, {**shared, **below}
        yield from nodes(below, f"{above}{name}.")


NODES = {path: node for path, node in nodes(SCHEMA) if path != "global"}
LEAVES = {path for path, node in NODES.items() if "properties" not in node}


def places(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield where values are, down to what the schema does not look into."""
    for name, below in values.items():
        if above + name in LEAVES or not isinstance(below, dict):
            yield above + name
        else:
            yield from places(below, f"{above}{name}.")


def value(values: Mapping[str, Any], path: str) -> Any:
    """Return the value at a place."""
    for name in path.split("."):
        values = values[name]
    return values
