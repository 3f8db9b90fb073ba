"""The REST api, as far as an application without a page wants it: accounts, where the gateways are, messages, rooms.

Owns the calls and how a problem becomes an error of `chatcluster.core.errors`; no exception of the HTTP library leaves
this module. Does not own connections to gateways (client). Every call has a deadline; what is worth repeating is left
to whoever calls, but for messages, which are repeated with their key.
"""

import asyncio
import time
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp

from chatcluster.client import answers, backoff, frames
from chatcluster.client.failures import NoAnswer, NobodyThere, NotTheApi
from chatcluster.client.items import Page, Position, Presence, Receipt
from chatcluster.core import errors

T = TypeVar("T")

ANSWER_WITHIN = 15.0
"""Seconds for a request; the api itself repeats what fails for about ten."""
SEND_FOR = 30.0
"""Seconds for which a message is sent again."""
_LARGEST = 4 * 1024 * 1024
"""Bytes of an answer."""


class Rest:
    """One api, as long as an `async with` block."""

    def __init__(self, url: str, token: str = "", *, within: float = ANSWER_WITHIN) -> None:
        """`within`: seconds for each request."""
        self.url = url.rstrip("/")
        self._within = within
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http: aiohttp.ClientSession | None = None
        self.date: str | None = None
        """The `Date` of the last answer."""

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._within)
        self._http = aiohttp.ClientSession(timeout=timeout, headers=self._headers, trust_env=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http:
            await self._http.close()

    # -- accounts

    async def register(self, name: str, password: str) -> answers.Opened:
        """Create an account and open its first session."""
        return await self._open("/v1/accounts", name, password)

    async def log_in(self, name: str, password: str) -> answers.Opened:
        """Open another session."""
        return await self._open("/v1/sessions", name, password)

    async def log_out(self) -> None:
        """End this session."""
        await self.call("DELETE", "/v1/sessions/current")

    async def gateways(self) -> list[str]:
        """The websocket addresses of the gateways; any of them will do."""
        return _shaped(await self.call("GET", "/v1/gateways"), answers.Gateways).websocket

    # -- messages and rooms

    async def send(self, target: Mapping[str, Any], text: str, message_id: str | None = None) -> Receipt:
        """Publish to `{"room": …}` or `{"user": …}`, once, however often it has to be sent."""
        path = (
            f"/v1/rooms/{quote(target['room'])}/messages"
            if "room" in target
            else f"/v1/users/{target['user']}/messages"
        )
        key, first, tries = message_id or str(uuid.uuid4()), time.monotonic(), 0
        doubtful = False
        while True:
            age_ms = round((time.monotonic() - first) * 1000) if tries else 0
            try:
                fields = await self.call("POST", path, {"text": text, "age_ms": age_ms}, key=key)
                return _shaped({**fields, "message_id": key}, answers.SendAnswer).receipt()
            except errors.ChatError as exc:
                doubtful |= isinstance(exc, errors.OutcomeUnknown)
                if not exc.temporary:
                    raise
                if time.monotonic() - first > SEND_FOR:
                    raise (errors.OutcomeUnknown(str(exc)) if doubtful else exc) from exc
                await asyncio.sleep(exc.retry_after or backoff.longest(tries))
                tries += 1

    async def history(self, room: str, limit: int, before: Position | None = None) -> Page:
        """A page of a room's history, the oldest first: the newest, or those before a position."""
        query: dict[str, str | int] = {"limit": limit}
        if before:
            query |= {"epoch": before.epoch, "before": before.offset}
        found = await self.call("GET", f"/v1/rooms/{quote(room)}/messages", query=query)
        return _shaped(found, answers.HistoryAnswer).page()

    async def members(self, room: str) -> Presence:
        """Who is in a room now."""
        return _shaped(await self.call("GET", f"/v1/rooms/{quote(room)}/members"), answers.MembersAnswer).presence()

    async def rooms(self) -> list[answers.KeptRoom]:
        """The rooms that the user keeps."""
        return _shaped(await self.call("GET", "/v1/rooms"), answers.KeptRooms).rooms

    async def keep(self, room: str) -> None:
        """Put a room on that list."""
        await self.call("PUT", f"/v1/rooms/{quote(room)}")

    async def conversations(self) -> list[answers.Conversation]:
        """The user's private conversations, the one spoken in last first."""
        return _shaped(await self.call("GET", "/v1/conversations"), answers.Conversations).conversations

    # -- the wire

    async def call(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str | int] | None = None, key: str = ""
    ) -> dict[str, Any]:
        """One request. Raises what the api refused it with; `NobodyThere` when nobody was there to ask, `NoAnswer` when
        there was no answer to something that may have been done.
        """
        assert self._http, "enter the block first"
        headers = {"Idempotency-Key": key} if key else None
        try:
            async with self._http.request(method, self.url + path, json=body, params=query, headers=headers) as answer:
                self.date = answer.headers.get("Date")
                return _read(answer.status, await _body(answer), answer.headers.get("Retry-After", ""))
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as exc:
            raise NobodyThere(f"no api at {self.url} ({exc})") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            kind = NobodyThere if method == "GET" else NoAnswer
            raise kind(f"no answer from {self.url} ({str(exc) or 'in time'})") from exc

    async def _open(self, path: str, name: str, password: str) -> answers.Opened:
        return _shaped(await self.call("POST", path, {"name": name, "password": password}), answers.Opened)


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """The whole of an answer: it comes in pieces."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _LARGEST:
            raise NotTheApi(f"what answers is not ChatCluster's api: more than {_LARGEST} bytes")
    return bytes(body)


def _shaped(document: Mapping[str, Any], answer: type[T]) -> T:
    try:
        return frames.read(document, answer)
    except frames.BadFrame as exc:
        raise NotTheApi(f"what answers is not ChatCluster's api: {exc}") from exc


def _read(status: int, text: bytes, retry_after: str) -> dict[str, Any]:
    try:
        document = frames.parse(text) if text else {}
    except frames.BadFrame as exc:
        raise NotTheApi(f"what answers is not ChatCluster's api: status {status}, and {exc}") from exc
    if status < 400:
        return document
    seconds = float(retry_after) if retry_after.isdecimal() else None
    kind = errors.by_code(str(document.get("code", "")))
    raise kind(str(document.get("detail") or f"HTTP status {status}"), retry_after=seconds)
