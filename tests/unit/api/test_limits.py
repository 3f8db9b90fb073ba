import pytest
from starlette.requests import Request

from chatcluster.api.limits import Limits
from chatcluster.core import errors
from chatcluster.core.proxies import Proxies
from chatcluster.core.rates import Rate, Table


def limits(rate: Rate | None = None, trusted: str = "") -> Limits:
    """Limits at a moment that does not pass."""
    proxies = Proxies.from_env({"CHATCLUSTER_P": trusted}, "P")
    return Limits(Table(rate or Rate(2, 1), 10), proxies, lambda: 100.0)


def request(peer: tuple[str, int] | None, *forwarded_for: str) -> Request:
    """A request from an address."""
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded_for]
    return Request({"type": "http", "client": peer, "headers": headers})


def test_a_session_that_sends_too_fast_is_told_when_to_go_on() -> None:
    """Each session by itself."""
    one = limits()
    one.take(b"a")
    one.take(b"b")
    with pytest.raises(errors.RateLimited) as caught:
        one.take(b"a")
    assert caught.value.retry_after == pytest.approx(0.5)


def test_the_peer_is_the_client_unless_it_is_a_trusted_proxy() -> None:
    """X-Forwarded-For is believed of known proxies only, over all its headers."""
    headers = ("198.51.100.1", "10.0.0.9")
    assert limits().address(request(("10.0.0.1", 1), *headers)) == "10.0.0.1"
    assert limits(trusted="10.0.0.0/8").address(request(("10.0.0.1", 1), *headers)) == "198.51.100.1"
    assert limits().address(request(None)) == ""


def test_limits_count_an_ipv6_client_by_its_network() -> None:
    """Else one customer would have 2^64 limits."""
    assert limits().counted_address(request(("2001:db8::1", 1))) == "2001:db8::/64"
