"""The AsyncAPI document and the gateway agree: every message of it is said, and what it forbids is not done."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, strategies as st

from chatcluster.connect import v1_requests
from chatcluster.connect.protocol import ProtocolError
from chatcluster.core.ids import RoomName
from chatcluster.frames import disconnects
from chatcluster.log import log
from chatcluster.v1 import connect_pb2, types_pb2 as pb
from support import asyncapi
from support.asyncapi import SEEN, Conversation, Wrong, document
from support.domain import World
from support.eventually import eventually
from support.gateway import Rig
from support.v1 import V1, member
from support.v1_talk import ROOM, TRANSPORTS, dispatch, say

REQUESTS: dict[str, dict[str, Any]] = {
    "auth": {"token": "ann"},
    "join": {"room": ROOM},
    "leave": {"room": ROOM},
    "send": {"room": ROOM, "message_id": "m", "text": "hello"},
    "history": {"room": ROOM},
    "members": {"room": ROOM},
    "typing": {"room": ROOM},
    "read": {"room": ROOM, "epoch": "", "offset": 0},
    "ping": {},
}
TCP_ONLY = {"pushHeartbeat", "pushDisconnect"}
SHORT = log.Limits(room_rate=1e6, room_burst=10**6, history_size=3, history_min_age=0)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running."""
    async with Rig(World(limits=SHORT)).running() as rig:
        yield rig


@TRANSPORTS
async def test_every_message_of_the_document_is_said(rig: Rig, transport: str) -> None:
    """And all of them fit: whatever a client of a test hears is held to the document."""
    SEEN.clear()
    client = await member(rig, transport, "ann")
    for kind in ("send", "join", "history", "members", "typing", "read", "ping"):
        assert (await client.call(kind, **REQUESTS[kind]))["type"] == "ok", kind
    for kind in REQUESTS:
        assert (await client.call(kind, **REQUESTS[kind], unknown=1))["code"] == "invalid", kind
    await _lose_and_skip(rig, client)
    await client.call("leave", room=ROOM)
    for _ in range(12):
        rig.pass_time(5)
        client.frames()
    client.connection.warn(1)
    client.connection.close(disconnects.RESTART)
    await eventually(lambda: client.frames() and client.code)

    said = document()["components"]["messages"].keys() - (TCP_ONLY if transport == "websocket" else set())
    assert {name for name, count in SEEN.items() if count} == said


async def _lose_and_skip(rig: Rig, client: V1) -> None:
    """The store comes back with less; then publications are gone from history before anybody saw them."""
    await eventually(lambda: client.pushes("presence"))
    for entry in rig.world.dispatched(ROOM):
        if entry.ephemeral:
            _hint(rig, entry.ephemeral)
    before = rig.world.server.clone("run-2")
    dispatch(rig, *await say(rig, "lost"))
    assert client.texts(ROOM)[-1] == "lost"
    rig.world.server = rig.world.log.server = before
    dispatch(rig, *await say(rig, "found"))
    await _told_in_time(rig, client, "reset")
    skipped = (await say(rig, *(str(number) for number in range(9))))[-1]
    dispatch(rig, skipped)
    await _told_in_time(rig, client, "gap")


async def _told_in_time(rig: Rig, client: V1, kind: str) -> None:
    def told() -> bool:
        rig.pass_time(1)
        return bool(client.pushes(kind))

    await eventually(told, what=kind)


def _hint(rig: Rig, event: pb.Ephemeral) -> None:
    room = rig.hub.rooms[RoomName(event.room)]
    batch = connect_pb2.Batch(shard=room.shard, epoch=room.epoch.rpartition(".")[0], ephemerals=[event])
    rig.hub.deliver(batch, rig.world.clock())


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "ok", "id": 1, "time_ms": 1.5},
        {"type": "ok", "id": 1},
        {"type": "ok", "id": 1, "time_ms": 1, "more": 1},
        {"type": "ok", "id": 2, "time_ms": 1},
        {"type": "error", "id": 1, "code": "conflict", "detail": ""},
        {"type": "error", "id": 1, "code": "busy", "detail": ""},
        {"type": "error", "id": 1, "code": "invalid", "detail": "", "retry_after": 1},
        {"type": "error", "id": 1, "code": "invalid", "detail": "", "stored": "no"},
        {"type": "presence", "room": "lobby", "count": 0},
        {"type": "gap", "room": ROOM, "from": -1, "to": 2},
        {"type": "applause", "room": ROOM},
        {"type": "disconnect", "code": 1000, "reason": "", "reconnect": True},
    ],
    ids=json.dumps,
)
def test_a_wrong_frame_of_a_gateway_is_caught(frame: dict[str, Any]) -> None:
    """Whatever is wrong with it, in answer to a ping or by itself."""
    conversation = Conversation()
    conversation.asked('{"type": "ping", "id": 1}')
    asyncapi.verdict()

    conversation.told(json.dumps(frame))

    with pytest.raises(AssertionError, match="1 frames"):
        asyncapi.verdict()


def test_a_wrong_frame_of_a_client_is_caught() -> None:
    """Unless it is meant to be wrong; then doing it is what is wrong."""
    for payload in ('{"type": "ping"}', '{"type": "ping", "id": 1, "x": 1}', "ping", '{"type": "dance", "id": 1}'):
        Conversation().asked(payload)
        with pytest.raises(AssertionError, match="a client said"):
            asyncapi.verdict()
    conversation = Conversation()
    conversation.asked(Wrong('{"type": "ping", "id": 1, "x": 1}'))
    asyncapi.verdict()
    conversation.told('{"type": "ok", "id": 1, "time_ms": 1}')
    with pytest.raises(AssertionError, match="no ping of the document asks"):
        asyncapi.verdict()


def test_a_close_code_that_nobody_knows_is_caught() -> None:
    """As that of a mistake in a gateway would be."""
    for code in (disconnects.RESTART.code, 1011):
        Conversation().closed(code)
    with pytest.raises(AssertionError, match="1 frames .* closed with 1011"):
        asyncapi.verdict()


PLACE = {"epoch": "e", "offset": 3}
VALUES = st.sampled_from([None, 0, 1, -1, 2**53, 1000, 1001, "", "t", "m", "x" * 129, "a b", ROOM, "dm:1:2", "lobby"])


@given(
    kind=st.sampled_from(sorted(REQUESTS)),
    changes=st.dictionaries(
        st.sampled_from(["id", "room", "user", "text", "message_id", "since", "before", "limit", "token", "ticket"])
        | st.sampled_from(["epoch", "offset", "age_ms", "unknown"]),
        VALUES | st.just(PLACE),
        max_size=3,
    ),
)
def test_what_the_document_allows_is_a_request(kind: str, changes: dict[str, Any]) -> None:
    """And what a gateway reads is in the document, but for names, ids and texts, which are looked at afterwards."""
    frame = {"type": kind, "id": 1, **REQUESTS[kind], **changes}
    is_allowed = asyncapi.fits(kind, frame)
    try:
        v1_requests.read(json.dumps(frame).encode())
    except (ProtocolError, v1_requests.Refused):
        assert not is_allowed
    else:
        known = {"room": ROOM, "message_id": "m", "text": "hello"}
        named = {name: known[name] for name in known.keys() & frame.keys() if frame[name] is not None}
        assert asyncapi.fits(kind, {**frame, **named})
