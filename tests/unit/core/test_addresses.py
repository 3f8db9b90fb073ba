import pytest

from chatcluster.core import addresses


@pytest.mark.parametrize(
    ("host", "text"),
    [("10.1.2.3", "10.1.2.3:6912"), ("demo-redis.chat.svc", "demo-redis.chat.svc:6912"), ("fd00::7", "[fd00::7]:6912")],
)
def test_an_ipv6_address_is_put_into_brackets(host: str, text: str) -> None:
    """Nobody could tell its last part from a port."""
    assert addresses.joined(host, 6912) == text
    assert addresses.read(text) == text


@pytest.mark.parametrize("bare", ["fd00::7:6912", "::1:6912", "2001:db8:0:0:0:0:0:1:6912"])
def test_brackets_that_were_left_out_are_put_there(bare: str) -> None:
    """As in $(POD_ADDRESS):6912 of a pod's template."""
    assert addresses.read(bare) == f"[{bare.removesuffix(':6912')}]:6912"


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":6912", "host:port", "host:65536", "a:b:6912", "[host]:6912", "[10.1.2.3]:1", "fd00::"],
)
def test_what_is_no_address_is_not_read(text: str) -> None:
    """Neither a host alone, nor a port that there cannot be, nor brackets around anything else."""
    assert addresses.read(text) is None
