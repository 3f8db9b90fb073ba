import dataclasses
from typing import Any

import httpx
import pytest

from chatcluster.api.shapes import Gateways
from chatcluster.core import errors
from chatcluster.core.rates import Rate
from chatcluster.logic import authentication
from support import api as support
from support.api import Api, bearer, problem
from support.domain import session_of

ANN = {"name": "ann", "password": "secret"}


async def open_session(api: Api, path: str, body: Any = None) -> dict[str, Any]:
    """Register or log in; the answer."""
    response = await api.client.post(path, json=ANN if body is None else body)
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    content: dict[str, Any] = response.json()
    return content


async def get(api: Api, token: str, path: str) -> Any:
    """Read by v1; the answer, which has to be 200."""
    response = await api.client.get(path, headers=bearer(token))
    assert response.status_code == 200, response.text
    return response.json()


async def delete(api: Api, token: str, path: str) -> httpx.Response:
    """End something."""
    return await api.client.delete(path, headers=bearer(token))


async def test_an_account_begins_with_a_session(api: Api) -> None:
    """Its token is shown once; whose it is can be asked with it."""
    opened = await open_session(api, "/v1/accounts")

    assert opened.keys() == {"token", "expires_ms", "user"}
    assert await get(api, opened["token"], "/v1/me") == {"user": opened["user"], "expires_ms": opened["expires_ms"]}
    assert opened["user"] == {"id": 1, "name": "ann"}
    assert opened["expires_ms"] == (api.world.clock.time + 60) * 1000


async def test_a_login_opens_another_session(api: Api) -> None:
    """The first one stays; gochat's routes know both."""
    first = await open_session(api, "/v1/accounts")
    second = await open_session(api, "/v1/sessions")

    assert first["user"] == second["user"]
    for token in (first["token"], second["token"]):
        assert await api.user_id(token) == first["user"]["id"]


async def test_a_taken_name_is_409(api: Api) -> None:
    """Whatever the password."""
    await open_session(api, "/v1/accounts")
    response = await api.client.post("/v1/accounts", json={"name": "ann", "password": "other"})
    assert problem(response) == (409, "name_taken")


@pytest.mark.parametrize("who", [{"name": "ann", "password": "wrong"}, {"name": "bob", "password": "secret"}])
async def test_wrong_credentials_are_401(api: Api, who: dict[str, str]) -> None:
    """With a challenge, and no word of which of the two is wrong."""
    await open_session(api, "/v1/accounts")
    response = await api.client.post("/v1/sessions", json=who)
    assert problem(response) == (401, "wrong_credentials")
    assert response.headers["www-authenticate"] == 'Bearer realm="chatcluster"'
    assert response.json()["detail"] == "No account has this name and password."


@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/sessions"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "ann"},
        {"name": "ann", "password": ""},
        {"name": "", "password": "secret"},
        {"name": "x" * 65, "password": "secret"},
        {"name": "ann", "password": "x" * 1025},
        {"name": "ann", "password": "é" * 513},
        {"name": "ann", "password": "secret", "admin": True},
        ["ann", "secret"],
    ],
)
async def test_a_body_that_names_nobody_is_400(api: Api, path: str, body: Any) -> None:
    """And is not half understood."""
    assert problem(await api.client.post(path, json=body)) == (400, "invalid")


async def test_a_name_that_nobody_may_have_is_400(api: Api) -> None:
    """When it is to be given; as a login it is merely unknown."""
    who = {"name": "a\u0001", "password": "secret"}
    assert problem(await api.client.post("/v1/accounts", json=who)) == (400, "invalid")
    assert problem(await api.client.post("/v1/sessions", json=who)) == (401, "wrong_credentials")


async def test_an_address_that_tries_too_often_is_429() -> None:
    """Told when to come back."""
    async with support.running(support.Options(policy=authentication.Policy(60, 1, 1))) as api:
        for path in ("/v1/accounts", "/v1/sessions"):
            await open_session(api, path)
            response = await api.client.post(path, json=ANN)
            assert problem(response) == (429, "rate_limited")
            assert response.headers["retry-after"] == "60"


async def test_an_account_whose_answer_is_lost_is_504(api: Api) -> None:
    """It may exist: its user logs in. A login may simply be tried again."""
    api.logic.lost_responses["Register"] = [errors.OutcomeUnknown()]
    api.logic.lost_responses["Login"] = [errors.OutcomeUnknown()]
    assert problem(await api.client.post("/v1/accounts", json=ANN)) == (504, "outcome_unknown")
    assert problem(await api.client.post("/v1/sessions", json=ANN)) == (503, "unavailable")
    await open_session(api, "/v1/sessions")


async def test_open_sessions_are_listed(api: Api) -> None:
    """Each by a name that opens nothing, the newest first."""
    first = await open_session(api, "/v1/accounts")
    api.world.clock.time += 1
    second = await open_session(api, "/v1/sessions")

    listed = (await get(api, first["token"], "/v1/sessions"))["sessions"]

    assert [session["id"] for session in listed] == [
        session_of(opened["token"]).hex()[:16] for opened in (second, first)
    ]
    assert [session["current"] for session in listed] == [False, True]
    assert [session["expires_ms"] for session in listed] == [second["expires_ms"], first["expires_ms"]]
    assert [session["expires_ms"] - session["created_ms"] for session in listed] == [60_000, 60_000]


@pytest.mark.parametrize(
    ("path", "answer", "left"),
    [
        ("/v1/sessions/{other}", (204, b""), [True, False]),
        ("/v1/sessions/current", (204, b""), [False, True]),
        ("/v1/sessions?others=true", (200, b'{"ended":1}'), [True, False]),
        ("/v1/sessions?others=false", (200, b'{"ended":2}'), [False, False]),
        ("/v1/sessions", (200, b'{"ended":2}'), [False, False]),
    ],
)
async def test_sessions_are_ended(api: Api, path: str, answer: tuple[int, bytes], left: list[bool]) -> None:
    """One, this one, the others, or all; what is left goes on."""
    tokens = [(await open_session(api, where))["token"] for where in ("/v1/accounts", "/v1/sessions")]

    response = await delete(api, tokens[0], path.format(other=session_of(tokens[1]).hex()[:16]))

    assert (response.status_code, response.content) == answer
    found = [await api.client.get("/v1/me", headers=bearer(token)) for token in tokens]
    assert [response.status_code == 200 for response in found] == left


async def test_only_ones_own_sessions_are_ended(api: Api) -> None:
    """Another user's is as unknown as one that never was."""
    ann = await open_session(api, "/v1/accounts")
    bob = await open_session(api, "/v1/accounts", {"name": "bob", "password": "secret"})
    for name in (session_of(bob["token"]).hex()[:16], "0" * 16, "x"):
        assert problem(await delete(api, ann["token"], f"/v1/sessions/{name}")) == (404, "not_found")
    assert problem(await delete(api, ann["token"], "/v1/sessions?others=yes")) == (400, "invalid")
    await get(api, bob["token"], "/v1/me")


async def test_a_ticket_stands_for_the_session(api: Api) -> None:
    """Once, for a minute, where a token could be seen."""
    token = (await open_session(api, "/v1/accounts"))["token"]
    response = await api.client.post("/v1/tickets", headers=bearer(token))
    assert response.status_code == 201
    ticket = response.json()
    assert ticket["expires_ms"] == (api.world.clock.time + 60) * 1000
    assert (await api.world.tickets.redeem(session_of(ticket["ticket"]))).session == session_of(token)


async def test_tickets_are_counted() -> None:
    """Like messages."""
    async with support.running(support.Options(messages=Rate(0.5, 1))) as api:
        token = (await open_session(api, "/v1/accounts"))["token"]
        first = await api.client.post("/v1/tickets", headers=bearer(token))
        second = await api.client.post("/v1/tickets", headers=bearer(token))
        assert (first.status_code, problem(second)) == (201, (429, "rate_limited"))


async def test_gateways_are_told_as_they_were_set(api: Api) -> None:
    """Whoever has a session learns where to connect."""
    token = (await open_session(api, "/v1/accounts"))["token"]
    assert await get(api, token, "/v1/gateways") == {
        "websocket": ["ws://127.0.0.1:7000/ws"],
        "tcp": ["127.0.0.1:7001"],
    }


async def test_an_api_that_was_told_of_no_gateway_says_so() -> None:
    """It is the client's setting then."""
    options = dataclasses.replace(support.Options(), gateways=Gateways([], []))
    async with support.running(options) as api:
        token = (await open_session(api, "/v1/accounts"))["token"]
        assert await get(api, token, "/v1/gateways") == {"websocket": [], "tcp": []}
