from typing import Any

import httpx
import pytest

from chatcluster.api.backend import Deadlines
from chatcluster.core import errors, ids
from chatcluster.core.rates import Rate
from support import api as support
from support.api import Api, bearer, problem

ROOM = "/v1/rooms/room:7/messages"


async def send(api: Api, token: str, text: str, key: str = "", path: str = ROOM) -> httpx.Response:
    """Publish by v1."""
    headers = bearer(token, idempotency_key=key) if key else bearer(token)
    return await api.client.post(path, json={"text": text}, headers=headers)


async def read(api: Api, token: str, path: str = ROOM, **query: str | int) -> Any:
    """Read by v1; the answer, which has to be 200."""
    response = await api.client.get(path, params=query, headers=bearer(token))
    assert response.status_code == 200, response.text
    return response.json()


# -- publishing


async def test_a_message_is_told_where_it_stands(api: Api) -> None:
    """201, with the room's full name, epoch, offset, time and the message's id."""
    token = await api.register("alice")
    response = await send(api, token, "hi", "key-1")
    assert response.status_code == 201
    content = response.json()
    assert content.keys() == {"room", "epoch", "offset", "time_ms", "id"}
    assert (content["room"], content["offset"], content["id"]) == ("room:7", 1, "key-1")


async def test_a_repeat_is_200_with_the_same_place(api: Api) -> None:
    """The same key and text, however often."""
    token = await api.register("alice")
    first = await send(api, token, "hi", "key-1")
    second = await send(api, token, "hi", "key-1")
    assert (second.status_code, second.json()) == (200, first.json())


async def test_the_same_key_with_another_text_is_a_conflict(api: Api) -> None:
    """And stores nothing."""
    token = await api.register("alice")
    await send(api, token, "hi", "key-1")
    assert problem(await send(api, token, "ho", "key-1")) == (409, "conflict")
    assert (await read(api, token))["offset"] == 1


async def test_without_a_key_one_is_drawn_and_told(api: Api) -> None:
    """Two such messages are two."""
    token = await api.register("alice")
    answers = [(await send(api, token, "hi")).json() for _ in range(2)]
    assert [(answer["offset"], answer["id"]) for answer in answers] == [(1, "drawn-1"), (2, "drawn-2")]


async def test_a_room_without_a_kind_is_an_open_one(api: Api) -> None:
    """`7` is gochat's room 7."""
    token = await api.register("alice")
    assert (await send(api, token, "hi", path="/v1/rooms/7/messages")).json()["room"] == "room:7"
    assert (await send(api, token, "hi", path="/v1/rooms/general/messages")).json()["room"] == "room:general"


async def test_a_private_message_stands_in_the_conversation(api: Api) -> None:
    """And both of the two read it there, with its recipient."""
    alice, bob = await api.register("alice"), await api.register("bob")
    one, other = await api.user_id(alice), await api.user_id(bob)
    sent = await send(api, alice, "psst", path=f"/v1/users/{other}/messages")
    assert sent.status_code == 201
    room = sent.json()["room"]
    assert room == ids.conversation(ids.UserId(one), ids.UserId(other))
    for token in (alice, bob):
        [publication] = (await read(api, token, f"/v1/rooms/{room}/messages"))["publications"]
        assert publication["from"] == {"id": one, "name": "alice"}
        assert publication["to"] == {"id": other, "name": "bob"}


@pytest.mark.parametrize("user", ["999999", "0", "bob", "-1", "4294967297", "9" * 30])
async def test_a_private_message_to_nobody_is_404(api: Api, user: str) -> None:
    """Unlike gochat's route, this one says so."""
    token = await api.register("alice")
    assert problem(await send(api, token, "psst", path=f"/v1/users/{user}/messages")) == (404, "not_found")


@pytest.mark.parametrize(
    ("room", "status", "code"),
    [
        ("dm:998:999", 403, "forbidden"),
        ("user:999", 403, "forbidden"),
        ("dm:2:1", 400, "invalid"),
        ("room:", 400, "invalid"),
        ("room:a%20b", 400, "invalid"),
        ("room:" + "x" * 65, 400, "invalid"),
        ("channel:7", 400, "invalid"),
        ("%00", 400, "invalid"),
        ("%ff", 400, "invalid"),
    ],
)
async def test_rooms_of_others_and_rooms_that_are_none(api: Api, room: str, status: int, code: str) -> None:
    """Told apart, for writing, reading and members alike."""
    token = await api.register("alice")
    assert problem(await send(api, token, "hi", path=f"/v1/rooms/{room}/messages")) == (status, code)
    for path in ("messages", "members"):
        response = await api.client.get(f"/v1/rooms/{room}/{path}", headers=bearer(token))
        assert problem(response) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"text":7}',
        b'{"text":null}',
        b'{"text":""}',
        b'{"text":"hi","txt":"ho"}',
        b'{"text":"hi"}rubbish',
        b'{"text":"\xff"}',
        b'{"text":"\\ud800"}',
        b'{"text":"a\\u0000b"}',
        b'{"text":"hi","age_ms":-1}',
        b'{"text":"hi","age_ms":4294967296}',
        b'{"text":"hi","age_ms":NaN}',
        b"[" * 60_000,
        b'{"text":"' + b"x" * 4097 + b'"}',
    ],
)
async def test_a_body_that_is_no_message_is_400(api: Api, body: bytes) -> None:
    """With a text that says why, and nothing is stored."""
    token = await api.register("alice")
    response = await api.client.post(ROOM, content=body, headers=bearer(token, content_type="application/json"))
    assert problem(response) == (400, "invalid")
    assert (await read(api, token))["offset"] == 0


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
async def test_a_body_that_is_not_announced_as_json_is_415(api: Api, content_type: str) -> None:
    """So no page can have a browser send one without asking first."""
    headers = bearer(await api.register("alice"), content_type=content_type)
    response = await api.client.post(ROOM, content=b'{"text":"hi"}', headers=headers)
    assert problem(response) == (415, "media_type")


async def test_a_body_that_is_too_large_is_413(api: Api) -> None:
    """Before it is parsed."""
    token = await api.register("alice")
    assert problem(await send(api, token, "x" * 65_536)) == (413, "body_too_large")


@pytest.mark.parametrize("keys", [["a b"], ["é"], ["x" * 129], [""], ["a", "a"]])
async def test_a_key_that_cannot_be_is_400(api: Api, keys: list[str]) -> None:
    """1 to 128 visible ASCII characters, once."""
    token = await api.register("alice")
    headers = [("authorization", f"Bearer {token}"), *(("idempotency-key", key) for key in keys)]
    response = await api.client.post(
        ROOM, json={"text": "hi"}, headers=[(name.encode(), value.encode("latin-1")) for name, value in headers]
    )
    assert problem(response) == (400, "invalid")


async def test_a_retry_that_is_too_late_is_refused(api: Api) -> None:
    """The key may have been forgotten: storing it could make two of one."""
    headers = bearer(await api.register("alice"), idempotency_key="key-1")
    response = await api.client.post(ROOM, json={"text": "hi", "age_ms": 600_000}, headers=headers)
    assert problem(response) == (409, "expired")


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_lost_answer_is_asked_for_again(api: Api, lost: int) -> None:
    """The client gets its place, told as stored by an earlier attempt, which was api's own."""
    token = await api.register("alice")
    api.logic.lost_responses["Publish"] = [errors.OutcomeUnknown()] * lost
    response = await send(api, token, "once")
    assert (response.status_code, response.json()["offset"]) == (200, 1)
    assert (await read(api, token))["offset"] == 1


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.Unavailable(), 503, "unavailable"),
        (errors.Busy(), 503, "busy"),
        (errors.RateLimited(retry_after=3), 429, "rate_limited"),
    ],
)
async def test_what_was_not_stored_says_when_to_come_back(
    api: Api, error: errors.ChatError, status: int, code: str
) -> None:
    """With Retry-After, to be repeated with the same key."""
    token = await api.register("alice")
    api.logic.lost_requests["Publish"] = [error]
    response = await send(api, token, "hi")
    assert problem(response) == (status, code)
    assert int(response.headers["retry-after"]) == (error.retry_after or 1)


async def test_an_outcome_that_stays_unknown_is_504() -> None:
    """To be repeated with the same key."""
    async with support.running(support.Options(deadlines=Deadlines(publish=0.2))) as api:
        token = await api.register("alice")
        api.logic.lost_responses["Publish"] = [errors.OutcomeUnknown()] * 1000
        assert problem(await send(api, token, "hi", "key-1")) == (504, "outcome_unknown")


async def test_a_session_that_sends_too_fast_is_429() -> None:
    """Told when the next one may come."""
    async with support.running(support.Options(messages=Rate(0.5, 1))) as api:
        token = await api.register("alice")
        await send(api, token, "hi")
        response = await send(api, token, "ho")
        assert problem(response) == (429, "rate_limited")
        assert response.headers["retry-after"] == "2"


# -- reading


async def test_a_reader_pages_through_a_room(api: Api) -> None:
    """From any offset on, each publication once and in order."""
    token = await api.register("alice")
    for n in range(7):
        epoch = (await send(api, token, f"m{n}")).json()["epoch"]
    texts, since = [], 0
    while True:
        page = await read(api, token, epoch=epoch, since=since, limit=3)
        assert (page["epoch"], page["offset"], page["recovered"], page["after"]) == (epoch, 7, True, since)
        if not page["publications"]:
            break
        texts += [publication["text"] for publication in page["publications"]]
        since = page["publications"][-1]["offset"]
    assert texts == [f"m{n}" for n in range(7)]


async def test_a_reader_pages_back_through_a_room(api: Api) -> None:
    """From the newest to the first, as long as there is more."""
    token = await api.register("alice")
    for n in range(7):
        epoch = (await send(api, token, f"m{n}")).json()["epoch"]
    page = await read(api, token, limit=3)
    texts = [publication["text"] for publication in page["publications"]]
    while page["more"]:
        page = await read(api, token, epoch=epoch, before=page["after"] + 1, limit=3)
        assert (page["epoch"], page["offset"], page["recovered"]) == (epoch, 7, True)
        texts = [publication["text"] for publication in page["publications"]] + texts
    assert texts == [f"m{n}" for n in range(7)]


async def test_without_a_position_the_newest_are_read(api: Api) -> None:
    """At most 100 unless asked otherwise; none at all with limit 0, for the position alone."""
    token = await api.register("alice")
    for n in range(5):
        await send(api, token, f"m{n}")
    newest = await read(api, token, limit=2)
    assert [publication["offset"] for publication in newest["publications"]] == [4, 5]
    assert newest["after"] == 3
    assert (await read(api, token, limit=0))["publications"] == []
    assert len((await read(api, token))["publications"]) == 5


async def test_a_publication_says_who_said_what_and_when(api: Api) -> None:
    """In a room without a recipient."""
    token = await api.register("alice")
    sent = (await send(api, token, "hi <你好>\n", "key-1")).json()
    [publication] = (await read(api, token))["publications"]
    assert publication == {
        "epoch": sent["epoch"],
        "offset": 1,
        "time_ms": sent["time_ms"],
        "id": "key-1",
        "from": {"id": await api.user_id(token), "name": "alice"},
        "text": "hi <你好>\n",
    }


async def test_a_room_that_never_was_has_a_position_to_read_on_from(api: Api) -> None:
    """Its epoch is empty, and reading on from there misses nothing."""
    token = await api.register("alice")
    empty = await read(api, token)
    assert (empty["epoch"], empty["offset"], empty["publications"]) == ("", 0, [])
    assert (await read(api, token, epoch="", since=0))["recovered"]


async def test_a_reader_at_a_position_that_never_was_is_told(api: Api) -> None:
    """What it has is not what the room has: it reloads."""
    token = await api.register("alice")
    epoch = (await send(api, token, "hi")).json()["epoch"]
    assert not (await read(api, token, epoch=epoch, since=99))["recovered"]
    assert not (await read(api, token, epoch="0000000000001.00000000.000000", since=5))["recovered"]


@pytest.mark.parametrize("path", [ROOM, "/v1/inbox"])
async def test_a_wrong_position_is_400(api: Api, path: str) -> None:
    """For every room that is read."""
    token = await api.register("alice")
    assert problem(await api.client.get(f"{path}?since=1", headers=bearer(token))) == (400, "invalid")


async def test_the_inbox_is_the_session_s_own(api: Api) -> None:
    """Read in the same form as any room."""
    token = await api.register("alice")
    inbox = await read(api, token, "/v1/inbox")
    assert inbox["room"] == f"user:{await api.user_id(token)}"
    assert inbox["publications"] == []


async def test_members_of_a_room(api: Api) -> None:
    """How many and who, over all living gateways; nobody is in a room that never was."""
    token = await api.register("alice")
    assert await read(api, token, "/v1/rooms/7/members") == {"room": "room:7", "count": 0, "members": []}
    await api.enter("room:7", {5: "eve", 3: "carol"})
    assert await read(api, token, "/v1/rooms/7/members") == {
        "room": "room:7",
        "count": 2,
        "members": [{"id": 3, "name": "carol"}, {"id": 5, "name": "eve"}],
    }


async def test_head_is_get_without_a_body(api: Api) -> None:
    """RFC 9110 wants it wherever GET is."""
    response = await api.client.head(ROOM, headers=bearer(await api.register("alice")))
    assert response.status_code == 200
