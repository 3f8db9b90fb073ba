"""EndpointSlices as Kubernetes writes them: what a single one says about where the endpoints of a Service are.

Owns the fields that are read (`discovery.k8s.io/v1`) and what they mean. Does not own how several slices, and what they
said before, become one view (view), nor how they come here (apiserver). Pure.
"""

from collections.abc import Callable

import msgspec

from chatcluster.core import addresses


class Endpoint(msgspec.Struct, frozen=True):
    """One way to one pod."""

    pod: str
    """Its UID; for an endpoint that is no pod, its address. A pod that gets another address is known by it."""
    address: str
    """host:port, with brackets around an IPv6 address."""


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """Of any object."""

    name: str = ""
    resource_version: str = ""


class _Conditions(msgspec.Struct, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class _Pod(msgspec.Struct, frozen=True):
    uid: str = ""


class _Endpoint(msgspec.Struct, frozen=True, rename="camel"):
    addresses: tuple[str, ...]
    conditions: _Conditions = _Conditions()
    target_ref: _Pod = _Pod()


class _Port(msgspec.Struct, frozen=True):
    name: str | None = None
    port: int | None = None


class EndpointSlice(msgspec.Struct, frozen=True):
    """What is read of one."""

    metadata: Metadata
    endpoints: tuple[_Endpoint, ...] | None = None
    """`null` for a Service without pods: Go's empty list."""
    ports: tuple[_Port, ...] | None = None

    def serving(self, port: str) -> frozenset[Endpoint]:
        """The endpoints that take calls at the port of this name.

        A pod that terminates is among them as long as it serves.
        """
        return self._endpoints(port, _serves)

    def staying(self, port: str) -> frozenset[Endpoint]:
        """Those that should take calls there: all that do not terminate, whether or not they serve now."""
        return self._endpoints(port, lambda conditions: not conditions.terminating)

    def _endpoints(self, port: str, counts: Callable[[_Conditions], bool]) -> frozenset[Endpoint]:
        """Of several addresses of one the first counts: the API calls them interchangeable."""
        number = next((p.port for p in self.ports or () if p.name == port), None)
        if number is None:
            return frozenset()
        return frozenset(
            Endpoint(found.target_ref.uid or found.addresses[0], addresses.joined(found.addresses[0], number))
            for found in self.endpoints or ()
            if found.addresses and counts(found.conditions)
        )


def _serves(conditions: _Conditions) -> bool:
    # By the API reference of EndpointConditions an unknown `serving` is what `ready` is, an unknown `ready` is true.
    return conditions.serving if conditions.serving is not None else conditions.ready is not False
