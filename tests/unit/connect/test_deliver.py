from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from chatcluster.connect import deliver
from chatcluster.connect.lease import Lease, Listeners
from chatcluster.connect.logic import Logic
from chatcluster.core import errors, health
from chatcluster.core.ids import RoomName
from chatcluster.frames import disconnects
from chatcluster.v1 import connect_pb2, types_pb2 as pb
from support.domain import session_of
from support.eventually import eventually
from support.gateway import INCARNATION, Rig

CONTEXT = cast(Any, None)
CLUSTER = deliver.Cluster("demo", 4)


async def service(rig: Rig) -> deliver.ConnectService:
    """The service of a gateway that has its lease."""
    lease = Lease(Logic(rig.logic), lambda: INCARNATION, rig.world.clock, health.Dependency())
    await lease.renew("127.0.0.1:1", Listeners(lambda _: None, lambda: None))
    return deliver.ConnectService(CLUSTER, rig.hub, lease, rig.membership, rig.world.clock, rig.registrar.wake)


def request(batch: connect_pb2.Batch, incarnation: str = INCARNATION, cluster: str = "demo") -> Any:
    """A Deliver of one batch."""
    return connect_pb2.DeliverRequest(cluster=cluster, incarnation=incarnation, batches=[batch])


def batch(rig: Rig, sizes: list[int]) -> connect_pb2.Batch:
    """The next publications of room 1, with texts of these sizes."""
    room = rig.hub.rooms[RoomName("room:1")]
    publications = [
        pb.Publication(
            room=room.name, epoch=room.epoch, offset=offset, body=pb.Message(text="x" * size).SerializeToString()
        )
        for offset, size in enumerate(sizes, room.offset + 1)
    ]
    return connect_pb2.Batch(
        shard=room.shard,
        epoch=room.epoch.rpartition(".")[0],
        upto=pb.StreamId(ms=9, seq=9),
        publications=publications,
        ephemerals=[pb.Ephemeral(room=room.name, count=pb.RoomPresence(count=7))],
    )


async def test_everything_in_a_batch_reaches_the_room() -> None:
    """Publications in order, however many parts they take, then ephemerals; nothing failed."""
    async with Rig().running() as rig:
        ann = await rig.member("tcp", await rig.token("ann"), 1)
        response = await (await service(rig)).Deliver(request(batch(rig, list(range(200)))), CONTEXT)

        assert response.failed == 0
        assert [len(body["msg"]) for body in ann.shown(op=3)] == list(range(200))
        assert [body["count"] for body in ann.shown(op=4)] == [7]


async def test_item_that_nobody_can_be_shown_is_counted_and_passed() -> None:
    """A body that is no message fails alone."""
    async with Rig().running() as rig:
        ann = await rig.member("tcp", await rig.token("ann"), 1)
        broken = batch(rig, [1, 2, 3])
        broken.publications[1].body = b"\xff\xff"
        response = await (await service(rig)).Deliver(request(broken), CONTEXT)

        assert response.failed == 1
        assert [len(body["msg"]) for body in ann.shown(op=3)] == [1, 3]


async def test_revocation_closes_the_sessions_connections() -> None:
    """Logout reaches the sockets of that session, and of no other of the same user."""
    async with Rig().running() as rig:
        ann = await rig.member("websocket", await rig.token("ann"), 1)
        account = await rig.world.accounts.by_name("ann")
        assert account is not None
        await rig.world.accounts.open_session(session_of("another"), account, 3600)
        other = await rig.member("websocket", "another", 1)
        order = pb.Control(room="user:1", revoke_session=session_of("ann"))
        await (await service(rig)).Deliver(request(connect_pb2.Batch(controls=[order])), CONTEXT)

        assert ann.code == disconnects.SESSION_ENDED.code
        assert other.code is None


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (request(connect_pb2.Batch(), cluster="other"), errors.Superseded),
        (request(connect_pb2.Batch(), incarnation="gw/0"), errors.Superseded),
        (request(connect_pb2.Batch(shard=4)), errors.Invalid),
    ],
)
async def test_what_was_meant_for_others_is_refused(
    wrong: connect_pb2.DeliverRequest, error: type[errors.ChatError]
) -> None:
    """Another cluster's or another life's gateway must not answer for it."""
    async with Rig().running() as rig:
        with pytest.raises(error):
            await (await service(rig)).Deliver(wrong, CONTEXT)


async def test_gateway_whose_lease_lapsed_answers_nothing() -> None:
    """By its own clock: a process that was stopped for a minute must not go on as if it had been there."""
    async with Rig().running() as rig:
        stopped = await service(rig)
        rig.world.clock.time += 60
        with pytest.raises(errors.Superseded):
            await stopped.Deliver(request(connect_pb2.Batch()), CONTEXT)


async def test_other_clients_have_a_turn_within_a_large_batch() -> None:
    """What comes in while a batch is handed over is looked at before the batch is over."""
    async with Rig().running() as rig:
        ann = await rig.member("tcp", await rig.token("ann"), 1)
        large = batch(rig, [10] * 1000)
        seen: list[int] = []

        async def neighbour() -> None:
            await eventually(lambda: 0 < len(ann.shown(op=3)) < 1000, every=0)
            seen.append(len(ann.shown(op=3)))

        rig._spawn(neighbour(), "neighbour")
        await (await service(rig)).Deliver(request(large), CONTEXT)

        assert seen
        assert len(ann.shown(op=3)) == 1000


@given(st.lists(st.sampled_from([0, 10, 1000, deliver.PART_BYTES - 1, deliver.PART_BYTES + 1]), max_size=200))
def test_parts_are_the_whole(sizes: list[int]) -> None:
    """Nothing is lost or reordered, parts are small, and only the last reaches the batch's end."""
    body = bytes(max(sizes, default=0))
    whole = connect_pb2.Batch(
        shard=3,
        epoch="e",
        prev=pb.StreamId(ms=1),
        upto=pb.StreamId(ms=2),
        publications=[pb.Publication(offset=offset, body=body[:size]) for offset, size in enumerate(sizes)],
        ephemerals=[pb.Ephemeral(room="room:1")],
    )
    parts = list(deliver.parts(whole))

    assert [p.offset for part in parts for p in part.publications] == list(range(len(sizes)))
    assert all(len(part.publications) <= deliver.PART for part in parts)
    assert all(
        sum(len(p.body) for p in part.publications) <= deliver.PART_BYTES or len(part.publications) == 1
        for part in parts
    )
    assert {(part.shard, part.epoch, part.prev.ms) for part in parts} == {(3, "e", 1)}
    assert [part.upto.ms for part in parts] == [1] * (len(parts) - 1) + [2]
    assert [len(part.ephemerals) for part in parts] == [0] * (len(parts) - 1) + [1]
