from typing import Any

import pytest

from chatcluster.core import ids
from chatcluster.core.ids import RoomName
from chatcluster.log import log
from chatcluster.v1 import types_pb2 as pb
from support.api import Api, bearer, problem

ROOM = "/v1/rooms/7"


async def send(api: Api, token: str, text: str, path: str = ROOM) -> dict[str, Any]:
    """Publish by v1; where it is stored."""
    response = await api.client.post(f"{path}/messages", json={"text": text}, headers=bearer(token))
    assert response.status_code == 201, response.text
    content: dict[str, Any] = response.json()
    return content


async def ask(api: Api, token: str, method: str, path: str, body: Any = None) -> Any:
    """Ask by v1; the answer, which has to be 200."""
    response = await api.client.request(method, path, json=body, headers=bearer(token))
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_kept_room_counts_what_is_unread(api: Api) -> None:
    """From where it stood when it was kept, until it is marked."""
    alice, bob = await api.register("alice"), await api.register("bob")
    first = await send(api, bob, "a")
    kept = await ask(api, alice, "PUT", ROOM)
    second = await send(api, bob, "b")
    third = await send(api, bob, "c")

    [listed] = (await ask(api, alice, "GET", "/v1/rooms"))["rooms"]
    position = {"epoch": second["epoch"], "offset": second["offset"]}
    assert await ask(api, alice, "PUT", f"{ROOM}/read", position) == position
    [marked] = (await ask(api, alice, "GET", "/v1/rooms"))["rooms"]

    there = {"epoch": first["epoch"], "offset": first["offset"]}
    assert kept == {"room": "room:7", **there, "read": there, "unread": 0}
    assert (listed["offset"], listed["read"], listed["unread"]) == (third["offset"], there, 2)
    assert (marked["read"], marked["unread"]) == (position, 1)
    assert (await ask(api, bob, "GET", "/v1/rooms"))["rooms"] == []


async def test_a_dropped_room_is_gone(api: Api) -> None:
    """Once and again; to keep one is as repeatable."""
    token = await api.register("alice")
    for _ in range(2):
        await ask(api, token, "PUT", ROOM)
    for _ in range(2):
        response = await api.client.delete(ROOM, headers=bearer(token))
        assert (response.status_code, response.content) == (204, b"")
    assert (await ask(api, token, "GET", "/v1/rooms"))["rooms"] == []


@pytest.mark.parametrize("room", ["dm:1:2", "user:1", "channel:7", "room:"])
async def test_only_open_rooms_are_kept(api: Api, room: str) -> None:
    """Conversations list themselves."""
    token = await api.register("alice")
    for method in ("PUT", "DELETE"):
        response = await api.client.request(method, f"/v1/rooms/{room}", headers=bearer(token))
        assert problem(response) == (400, "invalid")


async def test_a_full_list_is_409(api: Api) -> None:
    """Until another one is dropped."""
    token = await api.register("alice")
    for number in range(1, 201):
        await api.world.bookmarks.keep(ids.UserId(1), ids.room(number), pb.Position(), 200)
    response = await api.client.put("/v1/rooms/lobby", headers=bearer(token))
    assert problem(response) == (409, "too_many_rooms")


async def test_others_see_how_far_one_has_read(api: Api) -> None:
    """Also after a reload, by asking."""
    alice, bob = await api.register("alice"), await api.register("bob")
    stored = await send(api, alice, "a")
    position = {"epoch": stored["epoch"], "offset": stored["offset"]}
    await ask(api, bob, "PUT", f"{ROOM}/read", position)

    assert await ask(api, alice, "GET", f"{ROOM}/reads") == {
        "room": "room:7",
        "reads": [{"user": {"id": await api.user_id(bob), "name": "bob"}, **position}],
    }


@pytest.mark.parametrize(
    "body",
    [None, {}, {"epoch": "e"}, {"offset": 1}, {"epoch": "e", "offset": -1}, {"epoch": "e", "offset": 2**53},
     {"epoch": "e" * 65, "offset": 1}, {"epoch": "e", "offset": 1, "more": 1}],
)  # fmt: skip
async def test_a_mark_that_is_no_position_is_refused(api: Api, body: Any) -> None:
    """And nothing is stored."""
    token = await api.register("alice")
    response = await api.client.put(f"{ROOM}/read", json=body, headers=bearer(token))
    assert problem(response)[0] in {400, 415}
    assert (await ask(api, token, "GET", f"{ROOM}/reads"))["reads"] == []


async def test_marks_of_others_conversations_are_403(api: Api) -> None:
    """To set and to see."""
    token = await api.register("alice")
    body = {"epoch": "", "offset": 0}
    response = await api.client.put("/v1/rooms/dm:8:9/read", json=body, headers=bearer(token))
    assert problem(response) == (403, "forbidden")
    assert problem(await api.client.get("/v1/rooms/dm:8:9/reads", headers=bearer(token))) == (403, "forbidden")


async def test_conversations_are_listed(api: Api) -> None:
    """With the other user, what was said last, and what is unread."""
    alice, bob = await api.register("alice"), await api.register("bob")
    one, other = await api.user_id(alice), await api.user_id(bob)
    stored = await send(api, alice, "psst", f"/v1/users/{other}")
    await copy(api, RoomName(stored["room"]))

    [mine] = (await ask(api, alice, "GET", "/v1/conversations"))["conversations"]
    [theirs] = (await ask(api, bob, "GET", "/v1/conversations"))["conversations"]

    assert mine["user"] == {"id": other, "name": "bob"}
    assert theirs["user"] == {"id": one, "name": "alice"}
    assert (mine["unread"], theirs["unread"]) == (0, 1)
    assert (theirs["room"], theirs["epoch"], theirs["offset"]) == (stored["room"], stored["epoch"], stored["offset"])
    assert theirs["last"] == {
        "epoch": stored["epoch"],
        "offset": 1,
        "time_ms": stored["time_ms"],
        "id": stored["id"],
        "from": {"id": one, "name": "alice"},
        "text": "psst",
        "to": {"id": other, "name": "bob"},
    }
    assert "read" not in theirs
    position = {"epoch": stored["epoch"], "offset": 1}
    await ask(api, bob, "PUT", f"/v1/rooms/{stored['room']}/read", position)
    [theirs] = (await ask(api, bob, "GET", "/v1/conversations"))["conversations"]
    assert (theirs["read"], theirs["unread"]) == (position, 0)


async def test_a_conversation_whose_history_is_gone_has_no_last_message(api: Api) -> None:
    """It is there all the same."""
    alice, bob = await api.register("alice"), await api.register("bob")
    stored = await send(api, alice, "psst", f"/v1/users/{await api.user_id(bob)}")
    await copy(api, RoomName(stored["room"]))
    api.world.clock.time += 7 * 86_400 + 1
    response = await api.post("/user/login", {"userName": "bob", "passWord": "pw1"})

    [found] = (await ask(api, response.json()["data"], "GET", "/v1/conversations"))["conversations"]

    assert found["user"]["name"] == "alice"
    assert "last" not in found


async def copy(api: Api, room: RoomName) -> None:
    """Copy what was said in a conversation into both inboxes, as task does it."""
    for entry in api.world.dispatched(room):
        if entry.publication and entry.publication.room == room:
            for user in ids.parse_room(room).users:
                source = ids.shard_of(room, api.world.shards)
                await api.world.log.copy(source, [log.Copy(ids.inbox(user), entry.id, entry.publication)])
