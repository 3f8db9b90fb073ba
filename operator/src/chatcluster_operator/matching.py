"""Whether a live object still says what was applied.

Owns the comparison. A live object holds more than was applied: defaults, and what others added to maps and to lists
that are merged by a key. That is theirs. What server-side apply would change is drift, and only that:
https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy . Pure.
"""

from typing import Any

from chatcluster_operator import quantities

_MERGED = {
    *("containers", "env", "imagePullSecrets", "ownerReferences", "ports", "topologySpreadConstraints"),
    *("volumeMounts", "volumes"),
}
"""Lists to which others may add elements. All other lists belong to whoever applies them, whole: an element more in
them, or a field more in an element (`namespaceSelector` beside the `podSelector` of a NetworkPolicy), is drift."""
_FILLED_IN = {"volumeClaimTemplates"}
"""Whole lists in whose elements the API server sets defaults."""
_QUANTITIES = {"limits", "requests"}
_NOTHING: tuple[Any, ...] = (None, "", [], {})
"""What the API server may leave out."""


def covers(live: Any, desired: Any) -> bool:
    """Whether everything that is desired is live."""
    return _covers(live, desired, key="", whole=False)


def _covers(live: Any, desired: Any, *, key: str, whole: bool) -> bool:
    """`whole`: inside of a list that belongs to whoever applies it."""
    if live is None and desired in _NOTHING:
        return True
    if isinstance(desired, dict):
        return isinstance(live, dict) and _covers_map(live, desired, key=key, whole=whole)
    if isinstance(desired, list):
        return isinstance(live, list) and _covers_list(live, desired, key=key, whole=whole)
    return bool(live == desired) or (key in _QUANTITIES and _are_worth_the_same(live, desired))


def _covers_map(live: dict[str, Any], desired: dict[str, Any], *, key: str, whole: bool) -> bool:
    if whole and not live.keys() <= desired.keys():
        return False
    return all(
        _covers(live.get(name), value, key=key if key in _QUANTITIES else name, whole=whole)
        for name, value in desired.items()
    )


def _covers_list(live: list[Any], desired: list[Any], *, key: str, whole: bool) -> bool:
    if key in _MERGED and not whole:
        return all(any(_covers(one, wanted, key="", whole=False) for one in live) for wanted in desired)
    return len(live) == len(desired) and all(
        _covers(one, wanted, key="", whole=key not in _FILLED_IN) for one, wanted in zip(live, desired, strict=True)
    )


def _are_worth_the_same(live: Any, desired: Any) -> bool:
    try:
        return quantities.number(live) == quantities.number(desired)
    except ValueError:
        return False  # "limits" may also be the name of a label
