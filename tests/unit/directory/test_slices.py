import json
from typing import Any

import msgspec
import pytest

from chatcluster.directory.slices import Endpoint, EndpointSlice
from support.apiserver import endpoint_slice


def read(thing: dict[str, Any]) -> EndpointSlice:
    """Read a slice as it comes from the API server."""
    return msgspec.json.decode(json.dumps(thing), type=EndpointSlice)


def addresses(thing: dict[str, Any]) -> set[str]:
    """Where the endpoints of a slice serve gRPC."""
    return {endpoint.address for endpoint in read(thing).serving("grpc")}


def test_pods_are_known_by_uid_and_address() -> None:
    """An endpoint is a pod at an address, at the port of the name that is asked for."""
    found = read(endpoint_slice("a", "10.0.0.1", "10.0.0.2", port=6901)).serving("grpc")

    assert found == {Endpoint("uid-of-10.0.0.1", "10.0.0.1:6901"), Endpoint("uid-of-10.0.0.2", "10.0.0.2:6901")}


@pytest.mark.parametrize(
    ("conditions", "serves"),
    [
        ({"ready": True, "serving": True, "terminating": False}, True),
        ({"ready": False, "serving": True, "terminating": True}, True),
        ({"ready": False, "serving": False, "terminating": True}, False),
        ({"ready": False, "serving": False, "terminating": False}, False),
        ({"ready": False}, False),
        ({"ready": True}, True),
        ({"ready": None, "serving": None}, True),
        ({}, True),
    ],
)
def test_an_endpoint_counts_as_long_as_it_serves(conditions: dict[str, bool | None], serves: bool) -> None:
    """A pod that terminates counts while it serves; what is not said is taken as the API's reference takes it."""
    thing = endpoint_slice("a", "10.0.0.1")
    thing["endpoints"][0]["conditions"] = conditions

    assert addresses(thing) == ({"10.0.0.1:6900"} if serves else set())


@pytest.mark.parametrize(
    ("conditions", "stays"),
    [
        ({"ready": True, "serving": True, "terminating": False}, True),
        ({"ready": False, "serving": False, "terminating": False}, True),
        ({"ready": False, "serving": True, "terminating": True}, False),
        ({"terminating": None}, True),
        ({}, True),
    ],
)
def test_an_endpoint_stays_as_long_as_it_does_not_terminate(conditions: dict[str, bool | None], stays: bool) -> None:
    """Whether or not it serves now: it should."""
    thing = endpoint_slice("a", "10.0.0.1")
    thing["endpoints"][0]["conditions"] = conditions

    assert bool(read(thing).staying("grpc")) == stays


def test_ipv6_addresses_get_brackets() -> None:
    """Else the port could not be told from the address."""
    assert addresses(endpoint_slice("a", "fd00::7")) == {"[fd00::7]:6900"}


def test_an_endpoint_that_is_no_pod_is_known_by_its_address() -> None:
    """Slices may be written by hand, for a logic outside the cluster."""
    thing = endpoint_slice("a", "10.0.0.1")
    del thing["endpoints"][0]["targetRef"]

    assert read(thing).serving("grpc") == {Endpoint("10.0.0.1", "10.0.0.1:6900")}


def test_only_the_first_address_counts() -> None:
    """Several addresses of one endpoint are one pod, which needs one channel."""
    thing = endpoint_slice("a", "10.0.0.1")
    thing["endpoints"][0]["addresses"] = ["10.0.0.1", "10.0.0.9"]

    assert addresses(thing) == {"10.0.0.1:6900"}


@pytest.mark.parametrize(
    "change", [{"endpoints": None}, {"endpoints": []}, {"ports": None}, {"ports": [{"name": "http", "port": 1}]}]
)
def test_a_slice_may_hold_nothing(change: dict[str, Any]) -> None:
    """A Service without pods has a slice with `null`; one of another port has nothing for us."""
    assert addresses({**endpoint_slice("a", "10.0.0.1"), **change}) == set()


def test_a_port_without_number_is_none() -> None:
    """`null` stands for all ports in the API: there is nothing to call."""
    thing = endpoint_slice("a", "10.0.0.1")
    thing["ports"] = [{"name": "grpc", "port": None}]

    assert addresses(thing) == set()
