import pytest
from hypothesis import given, strategies as st

from chatcluster.core import environment, proxies

TRUSTED = proxies.Proxies.from_env({"CHATCLUSTER_P": "10.0.0.0/8, fd00::/8"}, "P")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # a stranger says so: not believed
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),  # the client's own invention stands left
        ("10.0.0.1", ["1.2.3.4", "198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["rubbish, 10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("fd00::1%eth0", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("unix socket", ["198.51.100.1"], "unix socket"),
        ("", [], ""),
    ],
)
def test_only_what_trusted_proxies_appended_is_believed(peer: str, forwarded_for: list[str], client: str) -> None:
    """From the right, the first address that is no trusted proxy is the client's."""
    assert TRUSTED.client(peer, forwarded_for) == client


def test_nobody_is_believed_by_default() -> None:
    """Without trusted proxies the header says nothing."""
    assert proxies.Proxies.from_env({}, "P").client("10.0.0.1", ["198.51.100.1"]) == "10.0.0.1"


def test_a_long_header_is_read_to_a_bound() -> None:
    """Behind more hops than are looked at, the last one looked at stands for the client."""
    hops = ", ".join(["198.51.100.1"] + ["10.0.0.2"] * (proxies.MAX_HOPS + 1))
    assert TRUSTED.client("10.0.0.1", [hops]) == "10.0.0.2"


@given(st.text(), st.lists(st.text()))
def test_any_text_gives_an_answer(peer: str, forwarded_for: list[str]) -> None:
    """Peers and headers of any content raise nothing."""
    TRUSTED.client(peer, forwarded_for)
    proxies.counted_as(peer)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unix socket", "unix socket"),
    ],
)
def test_an_ipv6_address_is_counted_by_its_network(address: str, counted: str) -> None:
    """Whoever has a /64 has one limit, not 2^64."""
    assert proxies.counted_as(address) == counted


def test_a_wrong_list_is_refused_by_name() -> None:
    """A network that is none stops the program with the variable's name."""
    with pytest.raises(environment.WrongSetting, match="CHATCLUSTER_P"):
        proxies.Proxies.from_env({"CHATCLUSTER_P": "10.0.0.0/99"}, "P")
