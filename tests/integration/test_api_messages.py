"""Messages through the v1 routes of a whole cluster: where they end up, and that no repetition makes two of one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import system as systems
from support.eventually import eventually
from support.system import System

SETTINGS = {"CHATCLUSTER_API_MESSAGE_RATE": "10000", "CHATCLUSTER_API_MESSAGE_BURST": "10000"}


class User:
    """Somebody with a session."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {token}"}
        self.token = token
        self.number = 0

    async def send(self, path: str, text: str, key: str) -> httpx.Response:
        """Publish."""
        return await self._client.post(path, json={"text": text}, headers={**self._headers, "idempotency-key": key})

    async def read(self, path: str, **query: str | int) -> Any:
        """Read a room."""
        response = await self._client.get(path, params=query, headers=self._headers)
        assert response.status_code == 200, response.text
        return response.json()

    async def everything(self, path: str, limit: int) -> list[dict[str, Any]]:
        """All publications of a room, page by page."""
        found: list[dict[str, Any]] = []
        position = await self.read(path, limit=0)
        while True:
            since = found[-1]["offset"] if found else 0
            page = await self.read(path, epoch=position["epoch"], since=since, limit=limit)
            assert page["recovered"]
            if not page["publications"]:
                return found
            found += page["publications"]


@asynccontextmanager
async def user_of(client: httpx.AsyncClient, name: str) -> AsyncIterator[User]:
    """A new user."""
    response = await client.post("/user/register", json={"userName": name, "passWord": "secret"})
    user = User(client, response.json()["data"])
    response = await client.post("/user/checkAuth", json={"authToken": user.token})
    user.number = response.json()["data"]["userId"]
    yield user


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[System]:
    """A whole cluster in which tests may send fast."""
    async with systems.running(tmp_path, environ=SETTINGS) as system:
        yield system


@pytest.fixture
async def users(cluster: System) -> AsyncIterator[tuple[User, User]]:
    """Alice and Bob."""
    async with (
        httpx.AsyncClient(base_url=cluster.api_url, trust_env=False, timeout=30) as client,
        user_of(client, "alice") as alice,
        user_of(client, "bob") as bob,
    ):
        yield alice, bob


async def test_a_private_message_waits_in_the_inbox(users: tuple[User, User]) -> None:
    """Its recipient is nowhere; it is in both inboxes all the same, in order, and tells where it came from."""
    alice, bob = users
    for number in range(5):
        sent = await alice.send(f"/v1/users/{bob.number}/messages", f"m{number}", f"k{number}")
        assert sent.status_code == 201
    room = f"dm:{alice.number}:{bob.number}"

    async def arrived(user: User) -> list[dict[str, Any]]:
        inbox = await user.read("/v1/inbox")
        return list(inbox["publications"]) if inbox["offset"] == 5 else []

    for user in users:
        copies = await eventually(partial(arrived, user))
        assert [copy["text"] for copy in copies] == [f"m{number}" for number in range(5)]
        assert [copy["origin"]["offset"] for copy in copies] == [1, 2, 3, 4, 5]
        assert {copy["origin"]["room"] for copy in copies} == {room}
        assert {copy["to"]["id"] for copy in copies} == {bob.number}
        assert len(await user.everything(f"/v1/rooms/{room}/messages", limit=2)) == 5


async def test_a_killed_logic_neither_loses_nor_doubles(cluster: System, users: tuple[User, User]) -> None:
    """Messages are sent with a key until they are acknowledged; each is in the room once, where it was told."""
    alice, _ = users
    path, told, count = "/v1/rooms/7/messages", dict[str, int](), 400
    numbers = iter(range(count))

    async def send_some() -> None:
        for number in numbers:
            key = f"k{number}"
            await eventually(partial(acknowledged, key), within=20, every=0.2)

    async def acknowledged(key: str) -> bool:
        answer = await alice.send(path, f"text of {key}", key)
        assert answer.status_code in {200, 201, 429, 503, 504}, answer.text
        if answer.status_code <= 201:
            told[key] = answer.json()["offset"]
        return key in told

    async def kill_one() -> None:
        await eventually(lambda: len(told) > count // 4)
        await cluster.logic[0].kill()

    await asyncio.gather(kill_one(), *(send_some() for _ in range(8)))
    found = await alice.everything(path, limit=100)
    assert {publication["id"]: publication["offset"] for publication in found} == told
    assert [publication["offset"] for publication in found] == list(range(1, count + 1))
