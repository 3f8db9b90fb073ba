"""Limits that api keeps by itself: how often a session may send, and by which address a client is counted.

Owns one bounded table of rates. It holds for one replica of api: what holds for the cluster (a room's rate, logins and
registrations of an address) is logic's. Does not own the rates themselves (settings).
"""

from collections.abc import Callable

from starlette.requests import Request

from chatcluster.core import errors, proxies, rates


class Limits:
    """Who is asking, and whether too often."""

    def __init__(self, messages: rates.Table, proxies: proxies.Proxies, now: Callable[[], float]) -> None:
        """`now` is a clock that never goes back, in seconds."""
        self._messages = messages
        self._proxies = proxies
        self._now = now

    def take(self, session: bytes) -> None:
        """Count a message of a session. Raises `errors.RateLimited` with the time to wait."""
        wait = self._messages.take(session, self._now())
        if wait:
            raise errors.RateLimited("too many messages of this session", retry_after=wait)

    def address(self, request: Request) -> str:
        """Where a request comes from: the peer, or what trusted proxies say of it."""
        peer = request.scope.get("client")
        if not peer:
            return ""
        forwarded_for = request.headers.getlist("x-forwarded-for") if self._proxies.exist else []
        return self._proxies.client(peer[0], forwarded_for)

    def counted_address(self, request: Request) -> str:
        """The same, as limits count it: an IPv6 address by its network."""
        return proxies.counted_as(self.address(request))
