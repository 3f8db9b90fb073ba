"""JSON schemas of Kubernetes' own kinds and of ChatCluster, strict, and kubeconform that holds objects against them.

Owns their form, and where they come from: the description of its API that the Go module of Kubernetes has. The ones
that kubeconform would take are on a host that a test machine may not reach.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from support import crd, tiers
from support.cluster import cache, tools
from support.cluster.commands import run

Schema = dict[str, Any]

OWN = ("chatcluster.io/v1alpha1", "ChatCluster")

_KNOWN_AS = "x-kubernetes-group-version-kind"
_DEFINITIONS = "#/definitions/"
_LOOSE: dict[str, Schema] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
}
"""Where OpenAPI says `string`, and the API server takes more."""


def kubeconform(text: str, folder: Path) -> str:
    """Hold objects against the schemas in a folder; raises `ClusterError` that says what does not fit."""
    location = f"{folder}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    return run(tools.program(tools.KUBECONFORM), "-strict", "-summary", f"-schema-location={location}", "-", text=text)


def openapi() -> Path:
    """Return where Kubernetes' own description of its API is, whether it was fetched yet or not."""
    return cache.root() / f"openapi-{tools.KUBERNETES}.json"


def prepare() -> None:
    """Fetch that description, unless it is there; raises `ClusterError` without Go or a network."""
    if not openapi().exists():
        module = f"k8s.io/kubernetes@v{tools.KUBERNETES}"
        described = json.loads(tools.go("mod", "download", "-json", module, source=Path("/")))
        openapi().parent.mkdir(parents=True, exist_ok=True)
        partial = openapi().with_suffix(".partial")
        shutil.copyfile(Path(described["Dir"]) / "api/openapi-spec/swagger.json", partial)
        partial.replace(openapi())


def require() -> None:
    """Skip the running test, loudly, where that or kubeconform is missing."""
    lacking = tools.missing(tools.KUBERNETES, programs=(), tools=(tools.KUBECONFORM,))
    if lacking := lacking + [path.name for path in (openapi(),) if not path.exists()]:
        tiers.missing(f"not there: {', '.join(lacking)}", "make test-deps")


def write(folder: Path, kinds: Iterable[tuple[str, str]]) -> None:
    """Write a strict JSON schema for each (apiVersion, kind), and for ChatCluster, to where `kubeconform` looks."""
    definitions: dict[str, Schema] = {**json.loads(openapi().read_text())["definitions"], **_LOOSE}
    names = {_identity(known): name for name, schema in definitions.items() for known in schema.get(_KNOWN_AS, [])}
    for api_version, kind in set(kinds) - {OWN}:
        group, _, version = api_version.rpartition("/")
        name = names[group, version, kind]
        needed = {found: _strict(definitions[found]) for found in _reachable(definitions, name)}
        schema = {"$ref": f"{_DEFINITIONS}{name}", "definitions": needed}
        _path(folder, api_version, kind).write_text(json.dumps(schema))
    own = crd.schema()
    known = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    schema = _strict({**own, "properties": {**own["properties"], **known}})
    _path(folder, *OWN).write_text(json.dumps(schema))


def _identity(known: Mapping[str, str]) -> tuple[str, str, str]:
    return known["group"], known["version"], known["kind"]


def _path(folder: Path, api_version: str, kind: str) -> Path:
    group, _, version = api_version.rpartition("/")
    suffix = "-".join(filter(None, (group.partition(".")[0], version)))
    return folder / f"{kind}-{suffix}.json".lower()


def _reachable(definitions: Mapping[str, Schema], name: str) -> set[str]:
    found, ahead = set[str](), [name]
    while ahead:
        at = ahead.pop()
        if at not in found:
            found.add(at)
            ahead += _references(definitions[at])
    return found


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for element in schema for name in _references(element)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].removeprefix(_DEFINITIONS)] if isinstance(schema.get("$ref"), str) else []
    return own + [name for element in schema.values() for name in _references(element)]


def _strict(schema: Schema) -> Schema:
    """The schema, in which what is not named is refused."""
    closed = dict(schema)
    if "properties" in schema:
        closed["properties"] = {name: _strict(below) for name, below in schema["properties"].items()}
        closed.setdefault("additionalProperties", False)
    for below in ("items", "additionalProperties"):
        if isinstance(closed.get(below), dict):
            closed[below] = _strict(closed[below])
    return closed
