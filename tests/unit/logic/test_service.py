from typing import Any, cast

import pytest

from chatcluster.core import errors
from chatcluster.logic import passwords, service
from chatcluster.v1 import logic_pb2 as pb
from support.domain import World, session_of

CONTEXT = cast(Any, None)


@pytest.fixture
def logic(world: World, cheap: passwords.Passwords) -> service.LogicService:
    """The service over the ports in memory."""
    return world.service(cheap)


async def test_the_life_of_a_session(world: World, logic: service.LogicService) -> None:
    """Register, login, check, logout."""
    first = await logic.Register(pb.RegisterRequest(name="ann", password="secret"), CONTEXT)
    second = await logic.Login(pb.LoginRequest(name="ann", password="secret"), CONTEXT)
    session = session_of(second.token)
    checked = await logic.CheckSession(pb.CheckSessionRequest(session=session), CONTEXT)
    await logic.Logout(pb.LogoutRequest(session=session), CONTEXT)
    ended = await logic.CheckSessions(pb.CheckSessionsRequest(sessions=[session, session_of(first.token)]), CONTEXT)

    assert first.user == second.user == checked.user
    assert checked.user.name == "ann"
    assert checked.expires_ms == first.expires_ms == second.expires_ms == (world.clock.time + 86_400) * 1000
    assert list(ended.ended) == [session]


async def test_what_is_published_is_read(world: World, logic: service.LogicService) -> None:
    """Publish and ReadHistory speak of the same place."""
    _, session = await world.user("ann")
    published = await logic.Publish(
        pb.PublishRequest(session=session, room="room:7", message_id="m-1", text="hello"), CONTEXT
    )
    read = await logic.ReadHistory(
        pb.ReadHistoryRequest(session=session, reads=[pb.RoomRead(room="room:7", limit=10)]), CONTEXT
    )

    assert read.rooms[0].position == published.position
    assert len(read.rooms[0].publications) == 1


async def test_the_life_of_a_gateway(world: World, logic: service.LogicService) -> None:
    """Lease, registration, presence, and all of it given back."""
    _, session = await world.user("ann")
    gateway = "gw-1/a"
    lease = await logic.RenewLease(
        pb.RenewLeaseRequest(incarnation=gateway, address="127.0.0.1:1", acquire=True), CONTEXT
    )
    registered = await logic.RegisterRooms(
        pb.RegisterRoomsRequest(incarnation=gateway, number=1, rooms=[pb.RoomRead(room="room:7")]), CONTEXT
    )
    present = pb.GatewayPresence(room="room:7", count=1, user_ids=[1], number=1)
    reported = await logic.ReportPresence(pb.ReportPresenceRequest(incarnation=gateway, rooms=[present]), CONTEXT)
    shown = await logic.GetRoomPresence(pb.GetRoomPresenceRequest(session=session, room="room:7"), CONTEXT)
    pushed = await logic.PushRoomPresence(pb.PushRoomPresenceRequest(session=session, room="room:7"), CONTEXT)
    await logic.UnregisterRooms(pb.UnregisterRoomsRequest(incarnation=gateway, number=2, rooms=["room:7"]), CONTEXT)
    await logic.ReleaseLease(pb.ReleaseLeaseRequest(incarnation=gateway), CONTEXT)

    assert lease.held
    assert registered.registrations[0].accepted
    assert reported.rooms[0] == shown.presence == pushed.presence
    assert shown.presence.count == 1
    assert not await world.presence.gateways()


async def test_sessions_and_tickets(world: World, logic: service.LogicService) -> None:
    """IssueTicket, RedeemTicket, ListSessions, EndSessions."""
    _, session = await world.user("ann")
    issued = await logic.IssueTicket(pb.IssueTicketRequest(session=session), CONTEXT)
    redeemed = await logic.RedeemTicket(pb.RedeemTicketRequest(ticket=session_of(issued.ticket)), CONTEXT)
    listed = await logic.ListSessions(pb.ListSessionsRequest(session=session), CONTEXT)
    ended = await logic.EndSessions(pb.EndSessionsRequest(session=session, all=True), CONTEXT)

    assert redeemed.session == session
    assert [found.current for found in listed.sessions] == [True]
    assert ended.ended == 1


async def test_what_a_user_keeps_of_rooms(world: World, logic: service.LogicService) -> None:
    """KeepRoom, MarkRead, GetReadMarks, ListRooms, DropRoom, ListConversations, PushTyping."""
    _, session = await world.user("ann")
    kept = await logic.KeepRoom(pb.KeepRoomRequest(session=session, room="room:7"), CONTEXT)
    await world.post("room:7", "text", "m-1")
    before = await logic.ListRooms(pb.ListRoomsRequest(session=session), CONTEXT)
    there = before.rooms[0].position
    marked = await logic.MarkRead(pb.MarkReadRequest(session=session, room="room:7", position=there), CONTEXT)
    marks = await logic.GetReadMarks(pb.GetReadMarksRequest(session=session, room="room:7"), CONTEXT)
    after = await logic.ListRooms(pb.ListRoomsRequest(session=session), CONTEXT)
    await logic.PushTyping(pb.PushTypingRequest(session=session, room="room:7"), CONTEXT)
    await logic.DropRoom(pb.DropRoomRequest(session=session, room="room:7"), CONTEXT)
    dropped = await logic.ListRooms(pb.ListRoomsRequest(session=session), CONTEXT)
    conversations = await logic.ListConversations(pb.ListConversationsRequest(session=session), CONTEXT)

    assert kept.room.room == "room:7"
    assert [room.unread for room in (*before.rooms, *after.rooms)] == [1, 0]
    assert marked.position == marks.marks[0].position == there
    assert [entry.ephemeral.WhichOneof("event") for entry in world.dispatched("room:7") if entry.ephemeral] == [
        "read",
        "typing",
    ]
    assert not dropped.rooms
    assert not conversations.conversations


async def test_errors_pass_through(logic: service.LogicService) -> None:
    """The service maps nothing: that is core.rpc's."""
    with pytest.raises(errors.SessionEnded):
        await logic.CheckSession(pb.CheckSessionRequest(session=session_of("nobody")), CONTEXT)
