import pytest

from chatcluster.core import errors
from chatcluster.core.ids import Incarnation, RoomName, shard_of
from chatcluster.log import log
from chatcluster.log.memory import MemoryLog
from chatcluster.logic import gateways
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.domain import ANSWER_BYTES, World

ONE = Incarnation("gw-1/a1")
TWO = Incarnation("gw-2/b1")


class Broken(MemoryLog):
    """A log that takes no ephemerals."""

    async def push(self, ephemeral: pb.Ephemeral) -> bool:
        raise errors.Unavailable(f"cannot be reached for {ephemeral.room}")


async def _lease(world: World, incarnation: str, address: str) -> logic_pb2.RenewLeaseResponse:
    request = logic_pb2.RenewLeaseRequest(incarnation=incarnation, address=address, acquire=True)
    return await world.gateways.renew(request)


def _report(incarnation: str, number: int, *users: int, room: str = "room:7") -> logic_pb2.ReportPresenceRequest:
    members = [pb.Member(user_id=user, user_name=f"user{user}") for user in users]
    presence = logic_pb2.GatewayPresence(room=room, count=len(users), user_ids=users, members=members, number=number)
    return logic_pb2.ReportPresenceRequest(incarnation=incarnation, rooms=[presence])


def _register(rooms: list[str], number: int = 1) -> logic_pb2.RegisterRoomsRequest:
    reads = [logic_pb2.RoomRead(room=room, since=pb.Position(), limit=100) for room in rooms]
    return logic_pb2.RegisterRoomsRequest(incarnation=ONE, number=number, rooms=reads)


def _pushed(world: World, room: str) -> list[pb.Ephemeral]:
    return [entry.ephemeral for entry in world.dispatched(room) if entry.ephemeral]


async def _holders(world: World, room: str) -> frozenset[Incarnation]:
    name = RoomName(room)
    found = await world.log.holders(shard_of(name, world.shards), [name])
    return found.rooms.get(name, frozenset())


async def test_a_gateway_registers_for_what_comes(world: World) -> None:
    """To read back is for those who show a history."""
    read = logic_pb2.RoomRead(room="room:7", before=pb.Position(epoch="x", offset=3))
    request = logic_pb2.RegisterRoomsRequest(incarnation=ONE, number=1, rooms=[read])

    with pytest.raises(errors.Invalid):
        await world.gateways.register(request)
    assert not await _holders(world, "room:7")


async def test_a_lease_is_taken_and_held(world: World) -> None:
    """The answer tells how long it lasts and who else lives."""
    await _lease(world, ONE, "10.0.0.1:6912")
    taken = await _lease(world, TWO, "10.0.0.2:6912")
    held = await world.gateways.renew(logic_pb2.RenewLeaseRequest(incarnation=ONE))

    assert taken.held
    assert held == logic_pb2.RenewLeaseResponse(held=True, ttl_ms=15_000, live=[ONE, TWO])


async def test_a_lapsed_lease_is_not_renewed(world: World) -> None:
    """The gateway has to take a new incarnation."""
    await _lease(world, ONE, "10.0.0.1:6912")
    world.clock.time += 15.1
    answer = await world.gateways.renew(logic_pb2.RenewLeaseRequest(incarnation=ONE))

    assert (answer.held, list(answer.live)) == (False, [])


async def test_a_released_lease_is_over(world: World) -> None:
    """Nobody waits for it to lapse."""
    await _lease(world, ONE, "10.0.0.1:6912")
    await world.gateways.release(ONE)

    assert not await world.presence.gateways()


@pytest.mark.parametrize("incarnation", ["", "gw-1", "/a", "gw-1/", "gw 1/a", "gw-1/a/b", "x" * 254 + "/a"])
async def test_what_is_no_incarnation_is_refused(world: World, incarnation: str) -> None:
    """Every call of a gateway names one, as name and boot nonce."""
    with pytest.raises(errors.Invalid):
        await _lease(world, incarnation, "10.0.0.1:6912")
    with pytest.raises(errors.Invalid):
        await world.gateways.release(incarnation)
    with pytest.raises(errors.Invalid):
        await world.gateways.report(_report(incarnation, 1, 5))
    with pytest.raises(errors.Invalid):
        await world.gateways.unregister(logic_pb2.UnregisterRoomsRequest(incarnation=incarnation))


@pytest.mark.parametrize("address", ["", "10.0.0.1", ":6912", "10.0.0.1:", "a b:1"])
async def test_a_lease_needs_an_address(world: World, address: str) -> None:
    """Else task could not reach the gateway."""
    with pytest.raises(errors.Invalid):
        await _lease(world, ONE, address)


async def test_rooms_are_registered_and_read(world: World) -> None:
    """The answer proves the registration and brings what was published before."""
    await world.post("room:7", "text", "m-1")
    first, second = await world.gateways.register(_register(["room:7", "room:8"]))
    last = world.dispatched("room:7")[-1].id

    assert (first.accepted, second.accepted) == (True, True)
    assert (first.stream_id.ms, first.stream_id.seq) == last
    assert first.history.position.epoch.startswith(first.shard_epoch)
    assert [publication.offset for publication in first.history.publications] == [1]
    assert await _holders(world, "room:7") == {ONE}


async def test_a_late_unregister_is_ignored(world: World) -> None:
    """The numbers of a gateway's requests decide, not their arrival."""
    await world.gateways.register(_register(["room:7"], number=5))
    for number in (4, 6):
        await world.gateways.unregister(
            logic_pb2.UnregisterRoomsRequest(incarnation=ONE, number=number, rooms=["room:7"])
        )
        assert await _holders(world, "room:7") == ({ONE} if number == 4 else frozenset())
    (late,) = await world.gateways.register(_register(["room:7"], number=5))

    assert not late.accepted
    assert await _holders(world, "room:7") == frozenset()


async def test_a_large_answer_leaves_publications_out(world: World) -> None:
    """All rooms are registered, and those over the bound say where they stand, so that the hub asks again."""
    rooms = [f"room:{number}" for number in range(1, 41)]
    for room in rooms:
        await world.post(room, "x" * 4096, "m-1")
    found = await world.gateways.register(_register(rooms))
    size = sum(registration.ByteSize() for registration in found)

    assert size < ANSWER_BYTES + 4500 + 40 * 200
    assert [registration.history.room for registration in found] == rooms
    assert all(registration.accepted and registration.history.position.offset == 1 for registration in found)
    assert found[0].history.publications
    assert not found[-1].history.publications
    assert await _holders(world, rooms[-1]) == {ONE}


async def test_batches_are_bounded(world: World) -> None:
    """One room too many is refused before anything is done."""
    rooms = [f"room:{number}" for number in range(1, 502)]
    many = logic_pb2.ReportPresenceRequest(
        incarnation=ONE, rooms=[logic_pb2.GatewayPresence(room=room) for room in rooms[:201]]
    )
    with pytest.raises(errors.Invalid):
        await world.gateways.register(_register(rooms))
    with pytest.raises(errors.Invalid):
        await world.gateways.unregister(logic_pb2.UnregisterRoomsRequest(incarnation=ONE, rooms=rooms))
    with pytest.raises(errors.Invalid):
        await world.gateways.report(many)

    assert len(await world.gateways.register(_register(rooms[:500]))) == 500


async def test_what_is_no_room_is_refused(world: World) -> None:
    """Gateways send checked names only, so one that is none refuses the request."""
    with pytest.raises(errors.Invalid):
        await world.gateways.register(_register(["room:7", "nowhere"]))
    with pytest.raises(errors.Invalid):
        await world.gateways.unregister(logic_pb2.UnregisterRoomsRequest(incarnation=ONE, rooms=["nowhere"]))
    with pytest.raises(errors.Invalid):
        await world.gateways.report(_report(ONE, 1, 5, room="nowhere"))

    assert await _holders(world, "room:7") == frozenset()


@pytest.mark.parametrize("field", ["user_ids", "members"])
async def test_a_report_is_bounded(world: World, field: str) -> None:
    """At most 10,000 ids and 200 names a room."""
    request = _report(ONE, 1, 5)
    room = request.rooms[0]
    if field == "user_ids":
        room.user_ids.extend(range(10_000))
    else:
        room.members.extend(pb.Member(user_id=user) for user in range(200))
    with pytest.raises(errors.Invalid):
        await world.gateways.report(request)


async def test_a_change_is_told_to_the_room(world: World) -> None:
    """The view over all gateways is answered, and pushed when it differs from the last one."""
    await _lease(world, ONE, "10.0.0.1:6912")
    await _lease(world, TWO, "10.0.0.2:6912")
    await world.gateways.report(_report(ONE, 1, 5))
    world.clock.time += 1.1
    answer = await world.gateways.report(_report(TWO, 1, 6))
    world.clock.time += 1.1
    again = await world.gateways.report(_report(TWO, 2, 6))
    pushed = _pushed(world, "room:7")

    assert [member.user_id for member in answer.rooms[0].members] == [5, 6]
    assert [ephemeral.members.count for ephemeral in pushed] == [1, 2]
    assert (list(answer.deferred), list(again.deferred)) == ([], [])


async def test_at_most_one_push_a_second(world: World) -> None:
    """A change within the second is answered as deferred, and told when it is reported again."""
    await _lease(world, ONE, "10.0.0.1:6912")
    await world.gateways.report(_report(ONE, 1, 5))
    hasty = await world.gateways.report(_report(ONE, 2, 5, 6))
    world.clock.time += 1.1
    patient = await world.gateways.report(_report(ONE, 3, 5, 6))

    assert (list(hasty.deferred), list(patient.deferred)) == (["room:7"], [])
    assert [ephemeral.members.count for ephemeral in _pushed(world, "room:7")] == [1, 2]


async def test_a_push_that_failed_is_made_up_for(world: World) -> None:
    """Nothing else has to change for the room to be told after all."""
    await _lease(world, ONE, "10.0.0.1:6912")
    broken = Broken(world.server, now=world.clock, draw="0".zfill)
    await gateways.Gateways(world.presence, broken, ANSWER_BYTES).report(_report(ONE, 1, 5))
    world.clock.time += 1.1
    answer = await world.gateways.report(_report(ONE, 2, 5))

    assert list(answer.deferred) == []
    assert [ephemeral.members.count for ephemeral in _pushed(world, "room:7")] == [1]


async def test_a_push_that_fails_is_deferred(world: World) -> None:
    """The report is taken in, and the gateway is asked to come again; what could not be dispatched likewise."""
    await _lease(world, ONE, "10.0.0.1:6912")
    world.fill("room:8")
    full = await world.gateways.report(_report(ONE, 1, 5, room="room:8"))
    broken = Broken(world.server, now=world.clock, draw="0".zfill)
    away = await gateways.Gateways(world.presence, broken, ANSWER_BYTES).report(_report(ONE, 2, 5))

    assert (list(full.deferred), list(away.deferred)) == (["room:8"], ["room:7"])
    assert away.rooms[0].count == 1


async def test_a_proof_is_the_shards(world: World) -> None:
    """A registration carries the shard's epoch as the log says it."""
    (found,) = await world.gateways.register(_register(["room:7"]))
    (registered,) = await world.log.register(ONE, 2, [log.Read(RoomName("room:7"))])

    assert found.shard_epoch == registered.shard_epoch
