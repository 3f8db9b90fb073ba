"""Operations: what the v1 routes are, said once for the router and for the OpenAPI document.

Owns what is said of a route. Does not own what it does (the modules v1_*), nor how the document looks (openapi). Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec import Struct

from chatcluster.api.edge import Handler
from chatcluster.core import errors


@dataclass(frozen=True, slots=True)
class Media:
    """A body that is none of our shapes."""

    type: str
    shape: str
    """What it is to a JSON Schema."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of a request beside its body; those in a path are required, others are not."""

    name: str
    place: Literal["path", "query", "header"]
    schema: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    handle: Handler
    name: str
    """Unique; generated clients call it so."""
    group: str
    summary: str
    answers: Mapping[int, type[Struct] | Media | None]
    """What is in the body of each status that is no refusal; None: nothing."""
    refusals: Sequence[type[errors.ChatError]] = ()
    """Besides those that every such operation has."""
    body: type[Struct] | None = None
    parameters: Sequence[Parameter] = field(default=())
    public: bool = False
    """It needs no session."""
    pure: bool = False
    """It asks nobody, so it cannot fail."""


def routes(operations: Iterable[Operation]) -> dict[str, dict[str, Handler]]:
    """The handler of each path and method."""
    found: dict[str, dict[str, Handler]] = {}
    for operation in operations:
        found.setdefault(operation.path, {})[operation.method] = operation.handle
    return found
