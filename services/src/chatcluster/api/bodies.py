"""Bodies of requests, read to a bound and in time.

Owns how much of a body is read and for how long. Does not own what is in it. Nothing is parsed before all of it is
here, so nothing of a parser's cost depends on a client's word.
"""

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from chatcluster.api import refusals
from chatcluster.core import errors


@dataclass(frozen=True, slots=True)
class Bodies:
    """Reads bodies."""

    limit: int
    """Bytes of a body."""
    timeout: float
    """Seconds from the end of a request's head to the end of its body."""

    async def read(self, request: Request) -> bytes:
        """The whole body.

        Raises `refusals.BodyTooLarge` as soon as the head or the bytes so far say so, `refusals.BodyTooSlow`, and
        starlette's ClientDisconnect.
        """
        self._check(int(request.headers.get("content-length", "0")))  # the HTTP parser lets digits pass only
        try:
            async with asyncio.timeout(self.timeout):
                return await self._collect(request)
        except TimeoutError:
            raise refusals.BodyTooSlow(f"the body did not arrive within {self.timeout:g} s") from None

    async def text(self, request: Request) -> str:
        """The whole body, which has to be UTF-8. Raises `errors.Invalid` besides what `read` raises."""
        try:
            return (await self.read(request)).decode()
        except UnicodeDecodeError as exc:
            raise errors.Invalid(f"the body is not UTF-8: {exc.reason} at byte {exc.start}") from exc

    async def _collect(self, request: Request) -> bytes:
        body, more = b"", True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            self._check(len(body))
            more = message.get("more_body", False)
        return body

    def _check(self, size: int) -> None:
        if size > self.limit:
            raise refusals.BodyTooLarge(f"a body has at most {self.limit} bytes")
