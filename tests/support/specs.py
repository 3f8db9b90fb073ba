"""ChatCluster specs drawn from the schema: mostly such as a person might write, some that no API server accepts, and
some with a flaw that the schema cannot see.

Owns which leaves a spec sets and what stands in them: what the schema says, narrowed where most of what it allows would
show nothing, or cost thousands of pods. Does not own what becomes of a spec.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis
from hypothesis import strategies
from hypothesis.strategies import SearchStrategy, just, sampled_from

from support import crd, leaves
from support.cluster.manifests import STORAGE_CLASS
from support.crd import Node, Schema

Spec = dict[str, Any]

ROUND = 10
"""In so many specs each leaf is set once."""
WRONG = 3
"""In so many of them one leaf has a value that the schema does not allow."""

_LONGEST = 40
"""Characters of a text, unless the schema wants more."""
_TEXT = strategies.text(strategies.characters(min_codepoint=32, max_codepoint=126), max_size=_LONGEST)
_KEYS = [*["team", "example.com/team"] * 9, "not a key"]
FLAWS = {
    "absent": r"spec\.redis\.external\.\w+ names Secret absent",
    "third": r"spec\.redis\.external\.\w+ names Secret \w+, which has nothing under the key 'third'",
    "disk": "node affinity/selector",
    "missing": r"image \S+:missing",
    "no-class": "StorageClass 'no-class'",
    "no-priority": "PriorityClass with name no-priority",
    "nonsense": "affinity",
}
"""Words by which what the schema lets through is known to be wrong, and what has to be told of it."""
_HERE = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
_NOWHERE = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
_APART = {
    "weight": 1,
    "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"team": "chat"}}},
}


def _often(*usual: Any, once: Sequence[Any]) -> SearchStrategy[Any]:
    """Each of `once` is drawn in about one of thirty cases."""
    return sampled_from([*usual] * (30 // len(usual)) + [*once])


def _required(*terms: Any) -> Schema:
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [*terms]}}


def _preferred(term: Any) -> Schema:
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": term}]}


_IMAGES = ["registry.example.com/chat:missing", f"registry.example.com/chat@sha512:{'0123456789abcdef' * 8}"]
"""One that no node can pull, and one that is long."""

NARROWED: Mapping[str, SearchStrategy[Any]] = {
    # Pods cost time, and a thousand show nothing that three do not.
    "replicas": sampled_from([1, 2, 3]),
    "minReplicas": sampled_from([1, 2, 3]),
    "maxReplicas": sampled_from([3, 4, 1000]),
    # What rules that cross fields would nearly always refuse, if each were drawn by itself.
    "requests.cpu": sampled_from(["1m", "100m", "0.25", 1]),
    "requests.memory": sampled_from(["64Mi", "100M", "67108865", "0.08Gi", 70_000_000]),
    "limits.cpu": sampled_from(["1000m", 2, "3.5"]),
    "limits.memory": sampled_from(["512Mi", "1.5Gi", "700M", 1_073_741_824]),
    "pingSeconds": sampled_from([15, 54, 3600]),
    "pingTimeoutSeconds": sampled_from([1, 6, 14]),
    # Of texts that fit the pattern hardly any is a network, a size or the name of something that exists.
    "trustedProxies[]": sampled_from(["10.0.0.0/8", "fd00::/8", "192.0.2.7", "::1"]),
    "websocketURL": sampled_from(["wss://chat.example.com/ws", "ws://192.0.2.7:7000/ws", "ws://[fd00::7]:65535"]),
    "tcpAddress": sampled_from(["chat.example.com:7001", "192.0.2.7:30001", "[fd00::7]:65535"]),
    "image": sampled_from(["chat", "registry.example.com:5000/chat:1.0", *_IMAGES]),
    "storage.size": sampled_from(["1Gi", "2G", "1.5Gi", "1024Mi"]),
    "storageClassName": sampled_from([STORAGE_CLASS, "no-class"]),
    "priorityClassName": _often("system-cluster-critical", once=["no-priority"]),
    "SecretRef.name": _often("present", once=["absent"]),
    "SecretRef.key": _often("first", "second", once=["third"]),
    "topologyKey": sampled_from(["kubernetes.io/hostname", "topology.kubernetes.io/zone"]),
    "nodeSelector{}": _often({"kubernetes.io/os": "linux"}, once=[{"disk": "ssd"}, {"not a key": ""}]),
    # What is below these the schema leaves to Kubernetes.
    # Never an empty object: server-side apply of one over a full one makes it null, which no schema takes.
    "nodeAffinity": _often(_preferred(_HERE), _required(_HERE), once=[_required(_NOWHERE), {"nonsense": 1}]),
    "podAffinity": _often({"preferredDuringSchedulingIgnoredDuringExecution": [_APART]}, once=[{"nonsense": 1}]),
    "podAntiAffinity": _often({"preferredDuringSchedulingIgnoredDuringExecution": [_APART]}, once=[{"nonsense": 1}]),
}
"""By the end of a leaf's path, what is drawn instead of all that its schema allows; for a map, the whole of it."""


@dataclass(frozen=True)
class Drawing:
    """From what specs are drawn."""

    left_out: str = "$^"
    """A pattern of the paths that are never set."""
    narrowed: Mapping[str, SearchStrategy[Any]] = field(default_factory=lambda: NARROWED, repr=False)

    def leaves(self) -> list[Node]:
        """Return all that may be set."""
        return [leaf for leaf in leaves.leaves() if not re.search(self.left_out, leaf.path)]

    def value(self, leaf: Node) -> SearchStrategy[Any]:
        """Return what may stand in a leaf; for an element of a list or map, in the whole of it."""
        if "properties" in leaf.schema:
            return just({})
        for end, drawn in self.narrowed.items():
            if leaf.path.endswith(end):
                return drawn.map(lambda one: [one]) if end.endswith("[]") else drawn
        return _contained(leaf, _allowed(leaf.schema))


def _contained(leaf: Node, value: SearchStrategy[Any]) -> SearchStrategy[Any]:
    if leaf.path.endswith("{}"):
        return strategies.dictionaries(sampled_from(_KEYS), value, min_size=1, max_size=2)
    if leaf.path.endswith("[]"):
        return strategies.lists(value, min_size=1, max_size=3, unique=True)
    return value


def _allowed(at: Schema) -> SearchStrategy[Any]:
    match at:
        case {"enum": words}:
            return sampled_from(words)
        case {"type": "boolean"}:
            return strategies.booleans()
        case {"type": "integer", "minimum": least, "maximum": most}:
            return strategies.integers(least, most)
        case {"type": "string", "pattern": pattern}:
            texts = strategies.from_regex(pattern, fullmatch=True, alphabet=strategies.characters(codec="ascii"))
            return texts.filter(lambda text: at.get("minLength", 0) <= len(text) <= min(at["maxLength"], _LONGEST))
        case {"type": "string"}:
            return _TEXT
    raise AssertionError(f"say in NARROWED what to draw for {at}")


def _refused(at: Schema) -> SearchStrategy[Any]:
    """What the schema does not allow."""
    match at:
        case {"type": "integer", "minimum": least, "maximum": most}:
            return sampled_from([least - 1, most + 1, "many"])
        case {"type": "string", "pattern": _} | {"enum": _}:
            return sampled_from(["\u00fc ber", 7])
        case {"type": "string", "maxLength": most}:
            return just("x" * (most + 1))
    return just("nonsense")


@strategies.composite
def specs(draw: strategies.DrawFn, drawing: Drawing, chosen: Sequence[Node], is_wrong: bool) -> Spec:
    """Draw a spec in which these leaves are set; of those below a managed and an external Redis only one kind."""
    kinds = sorted({".".join(leaf.path.split(".")[:2]) for leaf in chosen if leaf.path.startswith("redis.")})
    kind = draw(sampled_from(kinds or ["redis.managed"]))
    kept = [leaf for leaf in chosen if not leaf.path.startswith("redis.") or leaf.path.startswith(kind)]
    spec: Spec = {}
    for leaf in kept:
        spec = leaves.changed(spec, leaf.path.rstrip("[]{}"), draw(drawing.value(leaf)))
    spec = draw(_completed(drawing, spec, "", crd.schema()["properties"]["spec"]))
    if is_wrong and kept:
        leaf = draw(sampled_from(kept))
        spec = leaves.changed(spec, leaf.path, draw(_refused(leaf.schema)))
    return spec


@strategies.composite
def _completed(draw: strategies.DrawFn, drawing: Drawing, value: Any, path: str, at: Schema) -> Any:
    """Draw what must be there, too, and what the rules ask of single elements."""
    if isinstance(value, list) and "properties" in at.get("items", {}):
        return [_agreeing(draw(_completed(drawing, one, f"{path}[]", at["items"]))) for one in value]
    if not isinstance(value, dict) or "properties" not in at:
        return value
    known = at["properties"]
    below = {name: Node(f"{path}.{name}".removeprefix("."), known[name]) for name in known}
    missing = {name: draw(drawing.value(below[name])) for name in at.get("required", []) if name not in value}
    whole = {**value, **missing}
    return {name: draw(_completed(drawing, one, below[name].path, known[name])) for name, one in whole.items()}


def _agreeing(element: Mapping[str, Any]) -> Spec:
    """Return an element of a list as its rules want it."""
    agreed = dict(element)
    if "tolerationSeconds" in agreed:
        agreed["effect"] = "NoExecute"
    if "minDomains" in agreed:
        agreed["whenUnsatisfiable"] = "DoNotSchedule"
    if agreed.keys() & {"value", "effect", "operator", "tolerationSeconds"} and "name" not in agreed:
        agreed["operator"] = "Equal" if "value" in agreed else "Exists"
        if "value" in agreed:
            agreed.setdefault("key", "dedicated")
    return agreed


@strategies.composite
def rounds(draw: strategies.DrawFn, drawing: Drawing) -> list[Spec]:
    """Draw so many specs that each leaf is chosen once."""
    order = draw(strategies.permutations(drawing.leaves()))
    wrong = draw(strategies.permutations([True] * WRONG + [False] * (ROUND - WRONG)))
    return [draw(specs(drawing, order[number::ROUND], wrong[number])) for number in range(ROUND)]


def walk(drawing: Drawing, count: int, seed: int) -> list[Spec]:
    """Return so many specs, the same ones for the same seed."""
    found = (spec for number in itertools.count() for spec in _round(drawing, f"{seed} {number}"))
    return list(itertools.islice(found, count))


def _round(drawing: Drawing, seed: str) -> list[Spec]:
    # The first example of a run is the simplest one, and many of the later ones are variations of what came before.
    examples: list[list[Spec]] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=2,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(rounds(drawing))
    def collect(example: list[Spec]) -> None:
        examples.append(example)

    collect()
    return examples[-1]


def flaws(spec: Spec) -> list[str]:
    """Return the patterns of which one is told, if this spec is accepted; none for one that can run."""
    words = set(re.findall(r"[\w-]+", json.dumps(spec)))
    return [told for word, told in FLAWS.items() if word in words]


def set_leaves(value: Any, at: Schema | None = None, path: str = "") -> Iterator[str]:
    """Yield the paths of the leaves that a spec sets."""
    at = crd.schema()["properties"]["spec"] if at is None else at
    if "properties" in at:
        for name, below in value.items():
            yield from set_leaves(below, at["properties"][name], f"{path}.{name}" if path else name)
    elif "items" in at:
        for below in value:
            yield from set_leaves(below, at["items"], f"{path}[]")
    elif "additionalProperties" in at:
        yield from ([f"{path}{{}}"] if value else [])
    else:
        yield path
