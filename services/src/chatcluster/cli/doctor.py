"""Looking at a deployment from outside, end to end: what a user's message goes through, step by step.

Owns the looks and their order: what needs something that was found broken is not looked at. Does not own what a look
means (diagnosis). It leaves one message in a room of its own, `room:doctor-<user id>`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from chatcluster.cli import diagnosis
from chatcluster.cli.diagnosis import Finding, State
from chatcluster.client import Client, items, transport
from chatcluster.client.rest import Rest
from chatcluster.client.room import Room
from chatcluster.core import errors

CONNECT_WITHIN = 5.0
_NOBODY = "A" * 43 + "="
"""A token that nobody has: asking with it leads through api and logic to Redis."""
_NO_GATEWAY = "the api tells of none (CHATCLUSTER_API_WEBSOCKET_URL); name one: --gateway ws://HOST:7000/ws"
_LOG_IN = "log in first: chatcluster login NAME"


@dataclass
class Doctor:
    """One examination."""

    api: str
    token: str = ""
    """Empty: what needs a session is not looked at."""
    user_id: int = 0
    gateways: Sequence[str] = ()
    """Instead of those that the api tells of."""
    origin: str = ""
    clock: Callable[[], float] = time.time
    """This machine's, in seconds since 1970."""
    offsets: dict[str, float] = field(default_factory=dict)
    """Clocks, in seconds ahead of this machine's."""

    async def examine(self) -> AsyncIterator[Finding]:
        """The findings, one by one."""
        async with Rest(self.api, self.token or _NOBODY) as rest:
            found = diagnosis.api(await self._ask(rest, "/v1/nothing"), self.api)
            yield found
            if found.state is State.BAD:
                return
            failure = await self._ask(rest, "/v1/me")
            if failure is not None and failure.temporary:
                # Logic needs a few seconds to know that Redis has stopped answering, and to say so.
                failure = await self._ask(rest, "/v1/me")
            found = diagnosis.backend(failure)
            yield found
            if found.state is State.BAD:
                return
            if failure is not None:
                yield diagnosis.unknown("storing, gateways, delivery", _LOG_IN)
            else:
                async for found in self._in_session(rest):
                    yield found
            yield diagnosis.clocks(self.offsets)

    async def _in_session(self, rest: Rest) -> AsyncIterator[Finding]:
        failure = await self._store(rest)
        yield diagnosis.publishing(failure)
        reached: list[str] = []
        urls = self.gateways or await rest.gateways()
        if not urls:
            yield diagnosis.unknown("gateways", _NO_GATEWAY)
        for url in urls:
            error = await self._enter(url)
            reached += [url] if error is None else []
            yield diagnosis.gateway(url, error)
            if self.origin:
                yield diagnosis.origin(self.origin, url, await self._open(url))
        if failure is None and reached:
            yield diagnosis.delivery(await self._deliver(rest, reached))
        else:
            yield diagnosis.unknown("delivery", "it takes a stored message, and a gateway to hear it at")

    @property
    def _room(self) -> str:
        return f"room:doctor-{self.user_id}"

    async def _ask(self, rest: Rest, path: str) -> errors.ChatError | None:
        before = self.clock()
        try:
            await rest.call("GET", path)
        except errors.NotFound:
            return None
        except errors.ChatError as exc:
            return None if type(exc) is errors.ChatError else exc
        finally:
            self._note_date(rest.date, before)
        return None

    async def _store(self, rest: Rest) -> errors.ChatError | None:
        before = self.clock()
        try:
            fields = await rest.call("POST", f"/v1/rooms/{self._room}/messages", {"text": "doctor"})
        except errors.ChatError as exc:
            return exc
        self.offsets["Redis"] = fields["time_ms"] / 1000 - self._middle(before)
        return None

    async def _enter(self, url: str) -> errors.ChatError | None:
        try:
            async with Client.connect(url, token=self.token, within=CONNECT_WITHIN) as chat:
                before = self.clock()
                self.offsets[url] = await chat.ping() / 1000 - self._middle(before)
        except errors.ChatError as exc:
            return exc
        return None

    async def _open(self, url: str) -> transport.Unreachable | None:
        try:
            async with transport.opened(url, self.origin):
                return None
        except transport.Unreachable as exc:
            return exc

    async def _deliver(self, rest: Rest, urls: list[str]) -> float | None:
        with suppress(TimeoutError, errors.ChatError):
            async with asyncio.timeout(diagnosis.DELIVERY_WITHIN), Client.connect(urls, token=self.token) as chat:
                room = await chat.join(self._room)
                before = time.monotonic()
                await rest.call("POST", f"/v1/rooms/{self._room}/messages", {"text": "doctor"})
                await _first_message(room)
                return time.monotonic() - before
        return None

    def _note_date(self, date: str | None, before: float) -> None:
        with suppress(TypeError, ValueError):
            # HTTP's dates are cut to whole seconds: in the middle they are half a second late.
            self.offsets["api"] = parsedate_to_datetime(date or "").timestamp() + 0.5 - self._middle(before)

    def _middle(self, before: float) -> float:
        """The time in the middle of a question and its answer."""
        return (before + self.clock()) / 2


async def _first_message(room: Room) -> None:
    async for item in room:
        if isinstance(item, items.Message):
            return
