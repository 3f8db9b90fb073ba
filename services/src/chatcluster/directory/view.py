"""What is known of a Service's endpoints, from all of its slices and from the recent past.

Owns how slices become one set, and how long an endpoint outlives its mention. Does not own the slices' format (slices)
nor the API server (apiserver). Pure: the time is an argument, in seconds of one clock that never goes back.

An address that answers nothing costs a caller next to nothing: a channel that cannot connect is never chosen. One that
is missing costs everything when it is the last. So an endpoint that a newer view lacks, or that is said not to serve,
is kept for a while: views are wrong when a node is out of touch, or while a controller rebuilds them. And it is kept
beyond that when nothing else is known, until the API server has spoken again: nobody may be left with nothing because
a watch broke in the middle of a change.
"""

from collections.abc import Mapping

from chatcluster.directory.slices import Endpoint

KEEP = 20.0
"""Seconds that an endpoint is kept which is not mentioned any more."""


class View:
    """The endpoints of one Service. Each of `replace`, `put` and `heard` is a word of the API server."""

    def __init__(self, keep: float = KEEP) -> None:
        self._keep = keep
        self._slices: dict[str, frozenset[Endpoint]] = {}
        self._kept: dict[Endpoint, float] = {}
        """What is mentioned no more, and until when it is kept. At most what was mentioned within `keep` seconds."""

    def addresses(self, now: float) -> frozenset[str]:
        """Where the endpoints are: those that are mentioned, and those that are kept."""
        fresh = {endpoint for endpoint, until in self._kept.items() if now < until}
        return frozenset(endpoint.address for endpoint in (self._mentioned() | fresh) or self._kept)

    def expires_in(self, now: float) -> float | None:
        """Seconds until `addresses` may change although nothing is said; None: it will not."""
        return min((until - now for until in self._kept.values() if now < until), default=None)

    def replace(self, slices: Mapping[str, frozenset[Endpoint]], now: float) -> None:
        """Take these as all slices that there are."""
        self._become({name: endpoints for name, endpoints in slices.items() if endpoints}, now)

    def put(self, name: str, endpoints: frozenset[Endpoint], now: float) -> None:
        """Take these as what one slice holds; nothing, when it is gone."""
        self.replace({**self._slices, name: endpoints}, now)

    def heard(self, now: float) -> None:
        """Take it that nothing has changed until now."""
        self._become(self._slices, now)

    def _become(self, slices: dict[str, frozenset[Endpoint]], now: float) -> None:
        before, self._slices = self._mentioned(), slices
        mentioned = self._mentioned()
        pods = {endpoint.pod for endpoint in mentioned}
        missing = {**self._kept, **dict.fromkeys(before - mentioned, now + self._keep)}
        # A pod that is mentioned elsewhere is not where it was.
        self._kept = {e: until for e, until in missing.items() if now < until and e.pod not in pods}

    def _mentioned(self) -> frozenset[Endpoint]:
        return frozenset().union(*self._slices.values())
