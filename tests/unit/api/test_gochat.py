import json

import pytest

from chatcluster.api import gochat, refusals
from chatcluster.api.backend import Deadlines
from chatcluster.core import errors, ids
from chatcluster.core.rates import Rate
from chatcluster.logic import authentication
from chatcluster.v1 import types_pb2
from support import api as support
from support.api import PASSWORD, Api

JSON = "application/json; charset=utf-8"
SESSION_ERROR = '{"code":40000,"data":null,"message":"Session error"}'
SOMEBODY_S = "A" * 43 + "="
"""A token that could be somebody's."""
IN_SESSION: list[tuple[str, dict[str, object]]] = [
    ("/user/checkAuth", {}),
    ("/user/logout", {}),
    ("/push/push", {"msg": "m", "toUserId": "1", "roomId": 1}),
    ("/push/pushRoom", {"msg": "m", "roomId": 1}),
    ("/push/count", {"roomId": 1}),
    ("/push/getRoomInfo", {"roomId": 1}),
]
PATHS = [path for path, _ in IN_SESSION]


def fail(message: str) -> str:
    """The envelope of a failure."""
    return json.dumps({"code": 1, "data": None, "message": message}, separators=(",", ":"))


async def messages(api: Api, room: str) -> list[types_pb2.Message]:
    """What was published in a room."""
    return [
        types_pb2.Message.FromString(entry.publication.body)
        for entry in api.world.dispatched(room)
        if entry.publication is not None and entry.publication.room == room
    ]


# -- accounts


async def test_register_and_login_answer_with_a_token(api: Api) -> None:
    """44 characters, another one each time."""
    tokens = set()
    for path, message in (("/user/register", "register success"), ("/user/login", "login success")):
        response = await api.post(path, {"userName": "alice", "passWord": PASSWORD})
        assert response.status_code == 200
        assert response.headers["content-type"] == JSON
        token = response.json()["data"]
        assert response.text == f'{{"code":0,"data":"{token}","message":"{message}"}}'
        assert len(token) == 44
        tokens.add(token)
    assert len(tokens) == 2


async def test_a_taken_name_is_told_in_gochat_s_words(api: Api) -> None:
    """With the space before its comma."""
    await api.register("alice")
    response = await api.post("/user/register", {"userName": "alice", "passWord": "other"})
    assert response.text == fail("this user name already have , please login !!!")


@pytest.mark.parametrize(("name", "password"), [("alice", "bad"), ("nobody", PASSWORD), ("n" * 65, "x")])
async def test_wrong_credentials_are_told_alike(api: Api, name: str, password: str) -> None:
    """A stranger does not learn which names exist."""
    await api.register("alice")
    response = await api.post("/user/login", {"userName": name, "passWord": password})
    assert (response.status_code, response.text) == (200, fail("no this user or password error!"))


async def test_a_name_that_cannot_be_is_told_in_clear_words(api: Api) -> None:
    """What logic says of it."""
    response = await api.post("/user/register", {"userName": "a\x00b", "passWord": "x"})
    assert (response.status_code, response.json()["code"]) == (200, 1)
    assert "control characters" in response.json()["message"]


async def test_check_auth_tells_whose_session_it_is(api: Api) -> None:
    """Go's order of a map's keys."""
    token = await api.register("<al&ce>")
    response = await api.post("/user/checkAuth", {"authToken": token})
    number = response.json()["data"]["userId"]
    name = r"\u003cal\u0026ce\u003e"
    assert response.text == (f'{{"code":0,"data":{{"userId":{number},"userName":"{name}"}},"message":"auth success"}}')


async def test_logout_ends_the_session_and_no_other(api: Api) -> None:
    """Its second logout is a session error."""
    first, second = await api.register("alice"), ""
    second = (await api.post("/user/login", {"userName": "alice", "passWord": PASSWORD})).json()["data"]
    response = await api.post("/user/logout", {"authToken": first})
    assert response.text == '{"code":0,"data":null,"message":"logout ok!"}'
    assert (await api.post("/user/logout", {"authToken": first})).text == SESSION_ERROR
    assert (await api.post("/user/checkAuth", {"authToken": first})).text == SESSION_ERROR
    assert (await api.post("/user/checkAuth", {"authToken": second})).json()["code"] == 0


async def test_logins_and_registrations_are_limited_by_address() -> None:
    """429 with Retry-After, in gochat's envelope."""
    options = support.Options(policy=authentication.Policy(60, registrations=1, logins=1))
    async with support.running(options) as api:
        await api.register("alice")
        for path in ("/user/register", "/user/login"):
            await api.post(path, {"userName": "alice", "passWord": PASSWORD})
            response = await api.post(path, {"userName": "bob", "passWord": PASSWORD})
            assert (response.status_code, response.json()["code"]) == (429, 1)
            assert response.headers["retry-after"] == "60"


# -- sessions


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "{}",
        "null",
        '{"authToken":null}',
        '{"authToken":""}',
        '{"authToken":7}',
        '{"authToken":"x"}',
        json.dumps({"authToken": "\x00" * 4096}),
        json.dumps({"authToken": "é" * 44}),
        json.dumps({"authToken": SOMEBODY_S}),
    ],
)
async def test_whatever_is_no_session_is_a_session_error(api: Api, path: str, body: str) -> None:
    """Before any other field is looked at."""
    response = await api.post(path, body)
    assert (response.status_code, response.text) == (200, SESSION_ERROR)


@pytest.mark.parametrize(("path", "fields"), IN_SESSION)
async def test_an_unknown_session_is_a_session_error_whatever_else_is_sent(
    api: Api, path: str, fields: dict[str, object]
) -> None:
    """Also when all other fields are right."""
    assert (await api.post(path, {"authToken": SOMEBODY_S, **fields})).text == SESSION_ERROR


async def test_only_what_could_be_a_token_is_looked_up(api: Api) -> None:
    """Tokens of any other form cost logic nothing."""
    for token in ("x", "A" * 44, "A" * 4096, "=" * 44):
        await api.post("/user/checkAuth", {"authToken": token})
    assert api.logic.calls == []


@pytest.mark.parametrize(("path", "fields"), IN_SESSION)
@pytest.mark.parametrize(
    ("error", "status"),
    [(errors.Unavailable("logic is away"), 503), (errors.Busy("full"), 503), (errors.ChatError("broken"), 500)],
)
async def test_logic_or_redis_away_is_never_a_session_error(
    api: Api, path: str, fields: dict[str, object], error: errors.ChatError, status: int
) -> None:
    """It would log everybody out."""
    token = await api.register("alice")
    for method in ("CheckSession", "Publish", "PushRoomPresence"):
        api.logic.lost_requests[method] = [error]
    response = await api.post(path, {"authToken": token, **fields})
    assert (response.status_code, response.json()["code"]) == (status, 1)
    assert ("retry-after" in response.headers) == (status == 503)
    assert response.headers["content-type"] == JSON


async def test_a_body_that_is_not_utf_8_is_refused_without_a_word_on_the_session(api: Api) -> None:
    """gochat would have replaced the bytes; nobody is logged out for an encoding."""
    response = await api.client.post("/user/checkAuth", content=b'{"authToken":"\xff"}')
    assert (response.status_code, response.json()["code"]) == (200, 1)
    assert "not UTF-8" in response.json()["message"]


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        (
            "/push/push",
            {"msg": "m", "toUserId": 2413, "roomId": 1},
            "json: cannot unmarshal number into Go struct field FormPush.toUserId of type string",
        ),
        (
            "/push/pushRoom",
            {"msg": "", "roomId": 1},
            "Key: 'FormRoom.Msg' Error:Field validation for 'Msg' failed on the 'required' tag",
        ),
        (
            "/push/count",
            {"roomId": 1.5},
            "json: cannot unmarshal number 1.5 into Go struct field FormCount.roomId of type int",
        ),
        (
            "/push/getRoomInfo",
            {},
            "Key: 'FormRoomInfo.RoomId' Error:Field validation for 'RoomId' failed on the 'required' tag",
        ),
        ("/push/pushRoom", {"msg": "m", "roomId": -1}, "room id -1 is out of range: 1 to 2147483647"),
        ("/push/count", {"roomId": 2**31}, "room id 2147483648 is out of range: 1 to 2147483647"),
        ("/push/push", {"msg": "m", "toUserId": "1", "roomId": 2**31}, "room id 2147483648 is out of range"),
    ],
)
async def test_wrong_fields_are_told_to_a_valid_session(
    api: Api, path: str, fields: dict[str, object], message: str
) -> None:
    """In Go's words where Go has them."""
    token = await api.register("alice")
    response = await api.post(path, {"authToken": token, **fields})
    assert (response.status_code, response.text) == (200, fail(message))


# -- messages


async def test_a_room_message_is_published(api: Api) -> None:
    """With an id that api draws."""
    token = await api.register("alice")
    response = await api.post("/push/pushRoom", {"authToken": token, "msg": "hi <你好>", "roomId": 7, "op": 5})
    assert response.text == '{"code":0,"data":"","message":"ok"}'
    [message] = await messages(api, "room:7")
    assert (message.text, message.from_user_name, message.id) == ("hi <你好>", "alice", "drawn-1")


async def test_a_private_message_is_published_with_its_room_id(api: Api) -> None:
    """toUserId is a text, as gochat has it, and may have a sign and zeros as Go's Atoi reads them."""
    alice, bob = await api.register("alice"), await api.user_id(await api.register("bob"))
    body = {"authToken": alice, "msg": "psst", "toUserId": f"+00{bob}", "roomId": -1}
    response = await api.post("/push/push", body)
    assert response.text == '{"code":0,"data":null,"message":"ok"}'
    number = await api.user_id(alice)
    [message] = await messages(api, ids.conversation(ids.UserId(number), ids.UserId(bob)))
    assert (message.text, message.to_user_name, message.gochat_room_id) == ("psst", "bob", -1)


@pytest.mark.parametrize("recipient", ["bob", "0", "-1", "999999", "4294967296", "9" * 400, " 1", "1_0", "\u0661"])
async def test_a_message_to_nobody_is_ok_and_does_nothing(api: Api, recipient: str) -> None:
    """As gochat's clients know it."""
    token = await api.register("alice")
    body = {"authToken": token, "msg": "psst", "toUserId": recipient, "roomId": 1}
    assert (await api.post("/push/push", body)).text == '{"code":0,"data":null,"message":"ok"}'
    assert not any(shard.stream for shard in api.world.server.shards)


@pytest.mark.parametrize("text", ["x" * 4097, "a\x00b", "\x1b[2J"])
async def test_a_text_that_cannot_be_is_told_in_clear_words(api: Api, text: str) -> None:
    """Nothing is stored."""
    token = await api.register("alice")
    response = await api.post("/push/pushRoom", {"authToken": token, "msg": text, "roomId": 1})
    assert (response.status_code, response.json()["code"]) == (200, 1)
    assert response.json()["message"].startswith("a text has ")
    assert await messages(api, "room:1") == []


async def test_a_lost_answer_is_asked_for_again_and_stores_one_message(api: Api) -> None:
    """gochat's clients have no message id; api's own repetition finds what it stored."""
    token = await api.register("alice")
    api.logic.lost_responses["Publish"] = [errors.OutcomeUnknown(), errors.OutcomeUnknown()]
    response = await api.post("/push/pushRoom", {"authToken": token, "msg": "once", "roomId": 1})
    assert response.text == '{"code":0,"data":"","message":"ok"}'
    assert len(await messages(api, "room:1")) == 1


async def test_an_outcome_that_stays_unknown_is_504() -> None:
    """Neither success nor failure would be the truth."""
    options = support.Options(deadlines=Deadlines(publish=0.2))
    async with support.running(options) as api:
        token = await api.register("alice")
        api.logic.lost_responses["Publish"] = [errors.OutcomeUnknown()] * 1000
        response = await api.post("/push/pushRoom", {"authToken": token, "msg": "once", "roomId": 1})
        assert (response.status_code, response.json()["code"]) == (504, 1)


async def test_a_full_cluster_refuses_with_503(api: Api) -> None:
    """Not stored, and told when to come back."""
    token = await api.register("alice")
    api.world.fill("room:1")
    response = await api.post("/push/pushRoom", {"authToken": token, "msg": "hi", "roomId": 1})
    assert (response.status_code, response.json()["code"]) == (503, 1)
    assert int(response.headers["retry-after"]) >= 1


async def test_a_session_that_sends_too_fast_is_429() -> None:
    """Over all that it has pushed to others; another session is not touched."""
    async with support.running(support.Options(messages=Rate(1, 4))) as api:
        alice, bob = await api.register("alice"), await api.register("bob")
        for path, fields in IN_SESSION[2:]:
            await api.post(path, {"authToken": alice, **fields})
        response = await api.post("/push/pushRoom", {"authToken": alice, "msg": "m", "roomId": 1})
        assert (response.status_code, response.json()["code"]) == (429, 1)
        assert response.headers["retry-after"] == "1"
        assert (await api.post("/push/pushRoom", {"authToken": bob, "msg": "m", "roomId": 1})).status_code == 200


async def test_the_count_comes_by_push(api: Api) -> None:
    """Also of an empty room."""
    token = await api.register("alice")
    response = await api.post("/push/count", {"authToken": token, "roomId": 7})
    assert response.text == '{"code":0,"data":"","message":"ok"}'
    [entry] = api.world.dispatched("room:7")
    assert entry.ephemeral is not None
    assert entry.ephemeral.HasField("count")


async def test_the_info_of_a_room_comes_by_push(api: Api) -> None:
    """To the whole room, with its members."""
    token = await api.register("alice")
    await api.enter("room:7", {1: "alice"})
    response = await api.post("/push/getRoomInfo", {"authToken": token, "roomId": 7})
    assert response.text == '{"code":0,"data":"","message":"ok"}'
    [entry] = api.world.dispatched("room:7")
    assert entry.ephemeral is not None
    assert entry.ephemeral.members.count == 1


async def test_the_info_of_an_empty_room_fails_as_gochat_s_does(api: Api) -> None:
    """In its words."""
    token = await api.register("alice")
    response = await api.post("/push/getRoomInfo", {"authToken": token, "roomId": 77})
    assert response.text == fail("rpc get room info fail!")


# -- answers


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Forbidden(), 200),
        (errors.Conflict(), 200),
        (errors.NotFound(), 200),
        (errors.Invalid(), 200),
        (errors.RateLimited(), 429),
        (errors.Busy(), 503),
        (errors.OutcomeUnknown(), 504),
        (errors.ChatError(), 500),
        (refusals.BodyTooLarge(), 413),
        (refusals.BodyTooSlow(), 408),
    ],
)
def test_only_overload_and_what_is_wrong_below_http_is_not_200(error: errors.ChatError, status: int) -> None:
    """gochat knows 200 only, but a proxy and a person must see what is no answer of the chat."""
    response = gochat.refusal(error)
    assert response.status_code == status
    assert json.loads(bytes(response.body)) == {"code": 1, "data": None, "message": str(error)}
