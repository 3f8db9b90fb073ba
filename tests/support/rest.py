"""The REST api, as a client sees it; on aiohttp, because a load that shares the machine has to be light."""

import json
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from support.canaries import PASSWORD
from support.checker import Position


@dataclass(frozen=True, slots=True)
class User:
    """An account and its session."""

    id: int
    name: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What a v1 request of this user carries."""
        return {"Authorization": f"Bearer {self.token}"}


class Lost(Exception):
    """A request without an answer: it may or may not have been received."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the api answered."""

    status: int
    body: Any

    def read(self) -> Any:
        """Return its body when it is a success. Raises `Lost` otherwise: what was asked can be asked again."""
        if self.status >= 400:
            raise Lost(f"{self.status}: {self.body}")
        return self.body

    @property
    def problem(self) -> str:
        """Status, code and detail of a refusal."""
        return f"{self.status} {self.body.get('code')}: {self.body.get('detail')}"


class Api:
    """One api, over a pool of connections that are kept open."""

    def __init__(self, url: str) -> None:
        self._session = aiohttp.ClientSession(
            url, timeout=aiohttp.ClientTimeout(5), connector=aiohttp.TCPConnector(limit=0)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def get(self, path: str, user: User | None = None, **query: str | int) -> Answer:
        """GET as that user. Raises `Lost`."""
        return await self._call("GET", path, params=query, headers=user.headers if user else {})

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """POST a JSON body. Raises `Lost`."""
        return await self._call("POST", path, json=body, headers=headers)

    async def gochat(self, path: str, **body: Any) -> Any:
        """Call one of gochat's routes; its `data`. Raises AssertionError with gochat's message."""
        answer = (await self.post(path, body)).body
        assert answer["code"] == 0, answer["message"]
        return answer["data"]

    async def register(self, name: str) -> User:
        """Make an account."""
        token = await self.gochat("/user/register", userName=name, passWord=PASSWORD)
        who = await self.gochat("/user/checkAuth", authToken=token)
        return User(who["userId"], name, token)

    async def publish(self, user: User, path: str, text: str) -> Answer:
        """Send one message, once."""
        return await self.post(path, {"text": text}, **user.headers, **{"Idempotency-Key": text})

    async def where(self, user: User, path: str) -> Position:
        """Return where a room (`/v1/rooms/...`) or the inbox ends."""
        body = (await self.get(path, user, limit=1)).read()
        return body["epoch"], body["offset"]

    async def read(self, user: User, path: str, after: Position) -> tuple[Position, bool, list[tuple[Position, str]]]:
        """Read a room (`/v1/rooms/...`) or the inbox from a position to its end: where it ends, recovered, entries."""
        recovered, entries = True, list[tuple[Position, str]]()
        while True:
            answer = (await self.get(path, user, epoch=after[0], since=after[1], limit=1000)).read()
            recovered &= answer["recovered"]
            found = [((p["epoch"], p["offset"]), p["text"]) for p in answer["publications"]]
            entries += found
            after = (answer["epoch"], found[-1][0][1] if found else answer["offset"])
            if not found or after[1] >= answer["offset"]:
                return (answer["epoch"], answer["offset"]), recovered, entries

    async def _call(self, method: str, path: str, **rest: Any) -> Answer:
        try:
            async with self._session.request(method, path, **rest) as answer:
                return Answer(answer.status, json.loads(await answer.read()))
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise Lost(f"{type(exc).__name__} {exc}".strip()) from exc
