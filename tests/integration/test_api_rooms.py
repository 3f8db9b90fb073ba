"""What a user keeps of rooms, over the real programs and Redis: lists, conversations, marks, sessions and tickets."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import system as systems
from support.eventually import eventually
from support.system import System


class User:
    """A user of the v1 routes."""

    def __init__(self, client: httpx.AsyncClient, opened: dict[str, Any]) -> None:
        self.token: str = opened["token"]
        self.id: int = opened["user"]["id"]
        self._client = client

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask something; the answer, which has to be a good one."""
        headers = {"authorization": f"Bearer {self.token}"}
        response = await self._client.request(method, path, json=body, headers=headers)
        assert response.is_success, response.text
        return response.json() if response.content else None

    async def is_known(self) -> bool:
        """Whether the session is open."""
        response = await self._client.get("/v1/me", headers={"authorization": f"Bearer {self.token}"})
        assert response.status_code in {200, 401}
        return response.status_code == 200


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[System]:
    """One logic, one task and one api: private messages are copied by the task."""
    async with systems.running(tmp_path, counts=(1, 1, 0, 1)) as system:
        yield system


@pytest.fixture
async def client(small: System) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the api."""
    async with httpx.AsyncClient(base_url=small.api_url, trust_env=False, timeout=30) as found:
        yield found


async def register(client: httpx.AsyncClient, name: str, path: str = "/v1/accounts") -> User:
    """Create a user, or log one in."""
    response = await client.post(path, json={"name": name, "password": "correct horse"})
    assert response.status_code == 201, response.text
    return User(client, response.json())


@pytest.mark.process
async def test_a_conversation_lists_itself_and_counts(client: httpx.AsyncClient) -> None:
    """For both, as soon as the task has copied it; what is marked as read is unread no more, on any device."""
    ann, bob = await register(client, "ann"), await register(client, "bob")
    await ann.ask("POST", f"/v1/users/{bob.id}/messages", {"text": "one"})
    stored = await ann.ask("POST", f"/v1/users/{bob.id}/messages", {"text": "two"})

    async def last(user: User) -> list[tuple[str, str, int]]:
        found = (await user.ask("GET", "/v1/conversations"))["conversations"]
        return [(it["user"]["name"], it["last"]["text"], it["unread"]) for it in found]

    async def both_list_it() -> bool:
        return [await last(ann), await last(bob)] == [[("bob", "two", 0)], [("ann", "two", 2)]]

    await eventually(both_list_it)
    mark = {"epoch": stored["epoch"], "offset": 1}
    assert await bob.ask("PUT", f"/v1/rooms/{stored['room']}/read", mark) == mark
    phone = await register(client, "bob", "/v1/sessions")
    assert await last(phone) == [("ann", "two", 1)]
    assert [read["offset"] for read in (await ann.ask("GET", f"/v1/rooms/{stored['room']}/reads"))["reads"]] == [1]


@pytest.mark.process
async def test_kept_rooms_outlive_redis(small: System, client: httpx.AsyncClient) -> None:
    """Killed and started again, it has the list, the marks and the count; marks hold in the new epoch."""
    ann, bob = await register(client, "ann"), await register(client, "bob")
    await ann.ask("PUT", "/v1/rooms/lobby")
    for text in ("one", "two", "three"):
        stored = await bob.ask("POST", "/v1/rooms/lobby/messages", {"text": text})
    await ann.ask("PUT", "/v1/rooms/lobby/read", {"epoch": stored["epoch"], "offset": 1})

    await small.redis.restart()

    async def is_listed_again() -> bool:
        response = await client.get("/v1/rooms", headers={"authorization": f"Bearer {ann.token}"})
        assert response.status_code in {200, 503}
        return response.status_code == 200 and [it["unread"] for it in response.json()["rooms"]] == [2]

    await eventually(is_listed_again, within=30)
    (kept,) = (await ann.ask("GET", "/v1/rooms"))["rooms"]
    assert kept["epoch"] > stored["epoch"]
    there = {"epoch": kept["epoch"], "offset": 3}
    assert await ann.ask("PUT", "/v1/rooms/lobby/read", {"epoch": stored["epoch"], "offset": 3}) == there


@pytest.mark.process
async def test_what_opens_a_session_is_stored_nowhere(small: System, client: httpx.AsyncClient) -> None:
    """No token, ticket or password is in what Redis has ever written, or in a log; their hashes and names are."""
    ann = await register(client, "ann")
    ticket = (await ann.ask("POST", "/v1/tickets"))["ticket"]
    other = await register(client, "ann", "/v1/sessions")
    listed = (await ann.ask("GET", "/v1/sessions"))["sessions"]
    (current,) = [session["id"] for session in listed if session["current"]]

    await small.redis.stop()
    stored = b"".join(file.read_bytes() for file in small.redis.append_only_files)
    logged = systems.logged(small.processes)

    assert hashlib.sha256(ticket.encode()).hexdigest().encode() in stored
    assert hashlib.sha256(ann.token.encode()).hexdigest().startswith(current)
    for secret in (ann.token, other.token, ticket, "correct horse"):
        assert secret.encode() not in stored
        assert secret not in logged
    assert '"/v1/tickets"' in logged


@pytest.mark.process
async def test_everywhere_ends_every_session(client: httpx.AsyncClient) -> None:
    """Of this user; the others' stay."""
    ann, bob = await register(client, "ann"), await register(client, "bob")
    phone, laptop = [await register(client, "ann", "/v1/sessions") for _ in range(2)]

    assert await phone.ask("DELETE", "/v1/sessions?others=true") == {"ended": 2}
    assert [await user.is_known() for user in (ann, phone, laptop, bob)] == [False, True, False, True]
    assert await phone.ask("DELETE", "/v1/sessions") == {"ended": 1}
    assert [await user.is_known() for user in (phone, bob)] == [False, True]
