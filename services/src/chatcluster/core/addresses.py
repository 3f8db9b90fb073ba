"""Addresses of servers as text: host:port.

Owns the brackets that an IPv6 address needs there (RFC 3986, section 3.2.2). It lives in core because Kubernetes gives
addresses without them, in EndpointSlices and to pods alike.
"""

import ipaddress
import re

_PORT = re.compile(r"[0-9]{1,5}")


def joined(host: str, port: int) -> str:
    """host:port, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read(text: str) -> str | None:
    """host:port, with the brackets that a template which joined the two has left out; None if it is something else."""
    host, _, port = text.rpartition(":")
    if not host or not _PORT.fullmatch(port) or int(port) > 65535:
        return None
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if bare != host or ":" in bare:
        return joined(bare, int(port)) if _is_ipv6(bare) else None
    return f"{host}:{int(port)}"


def _is_ipv6(text: str) -> bool:
    try:
        return isinstance(ipaddress.ip_address(text), ipaddress.IPv6Address)
    except ValueError:
        return False
