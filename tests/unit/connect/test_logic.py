import pytest

from chatcluster.connect.logic import Logic
from chatcluster.core import errors
from chatcluster.core.ids import Incarnation
from chatcluster.v1 import logic_pb2
from support.domain import World, session_of
from support.gateway import LogicInMemory

GATEWAY = Incarnation("gw/1")


async def test_every_call_reaches_logic() -> None:
    """Each by its name in logic.proto, with a deadline, and gives what was asked for."""
    world = World()
    calls = LogicInMemory(world)
    logic = Logic(calls)
    _, session = await world.user("ann")

    assert (await logic.check_session(session)).user.name == "ann"
    assert list(await logic.ended([session, session_of("bob")])) == [session_of("bob")]
    assert (await logic.renew_lease(GATEWAY, "127.0.0.1:1", acquire=True)).held
    await logic.publish(logic_pb2.PublishRequest(session=session, room="room:1", message_id="m", text="x"))
    reads = [logic_pb2.RoomRead(room="room:1", limit=5)]
    (registration,) = await logic.register(logic_pb2.RegisterRoomsRequest(incarnation=GATEWAY, number=1, rooms=reads))
    assert len(registration.history.publications) == 1
    presence = [logic_pb2.GatewayPresence(room="room:1", count=1, user_ids=[1], number=1)]
    reported = await logic.report_presence(logic_pb2.ReportPresenceRequest(incarnation=GATEWAY, rooms=presence))
    assert [room.count for room in reported.rooms] == [1]
    await logic.unregister(logic_pb2.UnregisterRoomsRequest(incarnation=GATEWAY, number=2, rooms=["room:1"]))
    await logic.release_lease(GATEWAY)
    assert await world.presence.gateways() == {}


async def test_errors_are_logics_own() -> None:
    """What logic raised is what the gateway sees."""
    with pytest.raises(errors.SessionEnded):
        await Logic(LogicInMemory(World())).check_session(session_of("nobody"))
