from chatcluster.connect.registrations import Registration, Unregistration
from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.v1 import logic_pb2

ME = Incarnation("gw/1")


def test_a_registration_is_its_call() -> None:
    """Its reasons are for metrics only."""
    read = logic_pb2.RoomRead(room="room:1")

    assert Registration(ME, 7, (read,), ("join",)).request() == logic_pb2.RegisterRoomsRequest(
        incarnation=ME, number=7, rooms=[read]
    )


def test_an_unregistration_is_its_call() -> None:
    """How often it was tried stays here."""
    call = Unregistration(ME, 8, (RoomName("room:1"),), 2)

    assert call.request() == logic_pb2.UnregisterRoomsRequest(incarnation=ME, number=8, rooms=["room:1"])
