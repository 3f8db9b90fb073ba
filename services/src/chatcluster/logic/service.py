"""The gRPC LogicService: requests in, domain calls, responses out.

Owns nothing but the translation. What each call promises stands in logic.proto and at the domain methods; how errors
become statuses, the secret and the latencies are core.rpc's.
"""

# ruff: noqa: D102 - the methods have their names and their documentation in logic.proto

from dataclasses import dataclass
from typing import Any

from grpc import aio

from chatcluster.logic import (
    authentication,
    gateways,
    hints,
    marks,
    members,
    publishing,
    reading,
    rooms,
    sessions,
    tickets,
)
from chatcluster.v1 import logic_pb2 as pb, logic_pb2_grpc

_Context = aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Domain:
    """What the service speaks for."""

    authentication: authentication.Authentication
    sessions: sessions.Sessions
    tickets: tickets.Tickets
    publishing: publishing.Publishing
    reading: reading.Reading
    members: members.Members
    hints: hints.Hints
    marks: marks.Marks
    conversations: rooms.Conversations
    rooms: rooms.Rooms
    gateways: gateways.Gateways


class LogicService(logic_pb2_grpc.LogicServiceServicer):
    """Every method of logic.proto's LogicService, under its name there."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    async def Register(self, request: pb.RegisterRequest, _: _Context) -> pb.RegisterResponse:
        opened = await self._domain.authentication.register(request.name, request.password, request.address)
        user = pb.User(id=opened.user.id, name=opened.user.name)
        return pb.RegisterResponse(token=opened.token, user=user, expires_ms=opened.expires_ms)

    async def Login(self, request: pb.LoginRequest, _: _Context) -> pb.LoginResponse:
        opened = await self._domain.authentication.login(request.name, request.password, request.address)
        user = pb.User(id=opened.user.id, name=opened.user.name)
        return pb.LoginResponse(token=opened.token, user=user, expires_ms=opened.expires_ms)

    async def Logout(self, request: pb.LogoutRequest, _: _Context) -> pb.LogoutResponse:
        await self._domain.sessions.end(request.session)
        return pb.LogoutResponse()

    async def CheckSession(self, request: pb.CheckSessionRequest, _: _Context) -> pb.CheckSessionResponse:
        session = await self._domain.sessions.require(request.session)
        user = pb.User(id=session.user, name=session.name)
        return pb.CheckSessionResponse(user=user, expires_ms=session.expires_ms)

    async def CheckSessions(self, request: pb.CheckSessionsRequest, _: _Context) -> pb.CheckSessionsResponse:
        return pb.CheckSessionsResponse(ended=await self._domain.sessions.ended(request.sessions))

    async def ListSessions(self, request: pb.ListSessionsRequest, _: _Context) -> pb.ListSessionsResponse:
        return pb.ListSessionsResponse(sessions=await self._domain.sessions.listed(request.session))

    async def EndSessions(self, request: pb.EndSessionsRequest, _: _Context) -> pb.EndSessionsResponse:
        return pb.EndSessionsResponse(ended=await self._domain.sessions.end_some(request))

    async def IssueTicket(self, request: pb.IssueTicketRequest, _: _Context) -> pb.IssueTicketResponse:
        return await self._domain.tickets.issue(request.session)

    async def RedeemTicket(self, request: pb.RedeemTicketRequest, _: _Context) -> pb.RedeemTicketResponse:
        return await self._domain.tickets.redeem(request.ticket)

    async def Publish(self, request: pb.PublishRequest, _: _Context) -> pb.PublishResponse:
        return await self._domain.publishing.publish(request)

    async def ReadHistory(self, request: pb.ReadHistoryRequest, _: _Context) -> pb.ReadHistoryResponse:
        return pb.ReadHistoryResponse(rooms=await self._domain.reading.read(request.session, request.reads))

    async def GetRoomPresence(self, request: pb.GetRoomPresenceRequest, _: _Context) -> pb.GetRoomPresenceResponse:
        return pb.GetRoomPresenceResponse(presence=await self._domain.members.show(request.session, request.room))

    async def PushRoomPresence(self, request: pb.PushRoomPresenceRequest, _: _Context) -> pb.PushRoomPresenceResponse:
        found = await self._domain.members.push(request.session, request.room, members=request.members)
        return pb.PushRoomPresenceResponse(presence=found)

    async def PushTyping(self, request: pb.PushTypingRequest, _: _Context) -> pb.PushTypingResponse:
        await self._domain.hints.typing(request.session, request.room)
        return pb.PushTypingResponse()

    async def MarkRead(self, request: pb.MarkReadRequest, _: _Context) -> pb.MarkReadResponse:
        return pb.MarkReadResponse(position=await self._domain.marks.mark(request))

    async def GetReadMarks(self, request: pb.GetReadMarksRequest, _: _Context) -> pb.GetReadMarksResponse:
        return pb.GetReadMarksResponse(marks=await self._domain.marks.shown(request.session, request.room))

    async def KeepRoom(self, request: pb.KeepRoomRequest, _: _Context) -> pb.KeepRoomResponse:
        return pb.KeepRoomResponse(room=await self._domain.rooms.keep(request.session, request.room))

    async def DropRoom(self, request: pb.DropRoomRequest, _: _Context) -> pb.DropRoomResponse:
        await self._domain.rooms.drop(request.session, request.room)
        return pb.DropRoomResponse()

    async def ListRooms(self, request: pb.ListRoomsRequest, _: _Context) -> pb.ListRoomsResponse:
        return pb.ListRoomsResponse(rooms=await self._domain.rooms.kept(request.session))

    async def ListConversations(
        self, request: pb.ListConversationsRequest, _: _Context
    ) -> pb.ListConversationsResponse:
        return pb.ListConversationsResponse(conversations=await self._domain.conversations.of(request.session))

    async def RenewLease(self, request: pb.RenewLeaseRequest, _: _Context) -> pb.RenewLeaseResponse:
        return await self._domain.gateways.renew(request)

    async def ReleaseLease(self, request: pb.ReleaseLeaseRequest, _: _Context) -> pb.ReleaseLeaseResponse:
        await self._domain.gateways.release(request.incarnation)
        return pb.ReleaseLeaseResponse()

    async def RegisterRooms(self, request: pb.RegisterRoomsRequest, _: _Context) -> pb.RegisterRoomsResponse:
        return pb.RegisterRoomsResponse(registrations=await self._domain.gateways.register(request))

    async def UnregisterRooms(self, request: pb.UnregisterRoomsRequest, _: _Context) -> pb.UnregisterRoomsResponse:
        await self._domain.gateways.unregister(request)
        return pb.UnregisterRoomsResponse()

    async def ReportPresence(self, request: pb.ReportPresenceRequest, _: _Context) -> pb.ReportPresenceResponse:
        return await self._domain.gateways.report(request)
