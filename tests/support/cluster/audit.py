"""What an API server was asked, as its audit log tells.

Owns reading the log: who asked for what, and what came of it. Does not own the policy it is written by
(`control_plane`): level Metadata, every request once when it is answered, and a watch also when it begins.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})

_DECISION = "authorization.k8s.io/decision"
_BEYOND = ("cannot create resource", "attempting to grant RBAC permissions not currently held")
"""How the API server refuses what only shows when a request that was let in is looked at: making an object by
server-side apply, and granting."""

Right = tuple[str, str, str]
"""API group, resource with its subresource, verb: what a rule of a role grants."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request for an object or for a list of them."""

    verb: str
    group: str
    resource: str
    """With its subresource: `chatclusters/status`."""
    namespace: str
    name: str
    code: int
    """HTTP status of the answer."""
    is_forbidden: bool
    """Whether whoever asked had no right to; 403 alone may also mean a quota, or a namespace that is going."""
    received: str
    """When, in RFC 3339 with microseconds, in UTC."""

    @property
    def is_write(self) -> bool:
        """Whether it was to change something."""
        return self.verb in WRITES

    @property
    def rights(self) -> set[Right]:
        """What it takes to do this; a patch that made the object, which only server-side apply does, was a create too.

        https://kubernetes.io/docs/reference/using-api/server-side-apply/#api-implementation
        """
        verbs = {self.verb, "create"} if (self.verb, self.code) == ("patch", 201) else {self.verb}
        return {(self.group, self.resource, verb) for verb in verbs}


def requests(log: Path, user: str, since: str = "") -> Iterator[Request]:
    """Yield what a user asked for from a time on, in the order of the answers; not what discovery and health were."""
    for path in (*sorted(log.parent.glob(f"{log.stem}-*{log.suffix}")), log):
        with path.open() as lines:
            for line in lines:
                if f'"{user}"' in line and line.endswith("\n"):  # the last line may not be whole yet
                    yield from _requests(json.loads(line), user, since)


def _requests(event: dict[str, Any], user: str, since: str) -> Iterator[Request]:
    asked, answer = event.get("objectRef", {}), event.get("responseStatus", {})
    if "resource" not in asked or event["user"]["username"] != user or event["requestReceivedTimestamp"] < since:
        return
    if event["stage"] == "ResponseComplete" and event["verb"] == "watch":
        return  # it was told of when it began
    yield Request(
        verb=event["verb"],
        group=asked.get("apiGroup", ""),
        resource="/".join(filter(None, (asked["resource"], asked.get("subresource")))),
        namespace=asked.get("namespace", ""),
        name=asked.get("name", ""),
        code=answer.get("code", 0),
        is_forbidden=event.get("annotations", {}).get(_DECISION) == "forbid"
        or any(said in answer.get("message", "") for said in _BEYOND),
        received=event["requestReceivedTimestamp"],
    )
