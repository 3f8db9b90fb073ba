"""Whose address a connection has, behind proxies that are known.

Owns which part of X-Forwarded-For is believed, and by what an address is counted. Does not own what is limited by
address. It lives in core because api and the gateways stand behind the same proxies.

A proxy appends the address that it was reached from, so only what trusted proxies appended is true: reading from the
right, the first address that is not a trusted proxy's own. Everything to the left of it is the client's own invention.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache

from chatcluster.core.environment import PREFIX, Environment, WrongSetting

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_HOPS = 16
"""So many addresses of X-Forwarded-For are looked at."""

_IPV6_PREFIX = 64
"""What one customer gets at least (RFC 6177): counting single addresses would limit nobody."""


class Proxies:
    """The proxies whose X-Forwarded-For is believed."""

    def __init__(self, trusted: tuple[Network, ...] = ()) -> None:
        self._trusted = trusted

    @classmethod
    def from_env(cls, environ: Mapping[str, str], name: str) -> "Proxies":
        """Read a list of networks, as `10.0.0.0/8,fd00::/8`; empty by default: nobody is believed."""
        words = Environment(environ).words(name)
        try:
            return cls(tuple(ipaddress.ip_network(word, strict=False) for word in words))
        except ValueError as exc:
            raise WrongSetting(PREFIX + name, f"is not a list of networks: {exc}", "10.0.0.0/8,fd00::/8") from exc

    @property
    def exist(self) -> bool:
        """Whether there is any; otherwise nobody needs to look for headers."""
        return bool(self._trusted)

    def client(self, peer: str, forwarded_for: Iterable[str]) -> str:
        """The client's address, by what peer and headers say; what cannot be read is left out.

        `forwarded_for` holds the values of all X-Forwarded-For headers in their order. Never raises; returns `peer` as
        it is when that is no address.
        """
        address = _parse(peer)
        if address is None:
            return peer
        for hop in _hops(forwarded_for) if self._trusted else ():
            if not self._trusts(address):
                break
            before = _parse(hop)
            if before is None:
                break
            address = before
        return str(address)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def counted_as(address: str) -> str:
    """By what an address is counted for a limit: itself, or its /64 network for IPv6."""
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(parsed), _IPV6_PREFIX), strict=False))
    return address


def _hops(forwarded_for: Iterable[str]) -> list[str]:
    return ",".join(forwarded_for).split(",")[: -MAX_HOPS - 1 : -1]


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address | None:
    text = text.strip()
    if text.startswith("["):  # [2001:db8::1]:443, as some proxies write it
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 203.0.113.7:443
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
