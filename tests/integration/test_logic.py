"""The logic program over real gRPC and a real Redis, from its start to its end."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chatcluster.core import errors, ids, rpc
from chatcluster.local.redis import Server
from chatcluster.v1 import logic_pb2 as pb, types_pb2
from support import servers, system
from support.eventually import eventually
from support.system import Process, System

GATEWAY = "gw-1/a1"
_T = TypeVar("_T")


class Caller:
    """Calls one logic, each time once."""

    def __init__(self, endpoint: rpc.Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, method: str, request: Any) -> Any:
        """Make a call; returns its response."""
        return await self._endpoint.call(method, request, timeout=20)

    async def user(self, name: str) -> tuple[pb.User, bytes]:
        """Register a user; returns it and its session."""
        response = await self("Register", pb.RegisterRequest(name=name, password="secret", address="10.0.0.1"))
        return response.user, _session(response.token)


@asynccontextmanager
async def _caller(running: System) -> AsyncIterator[Caller]:
    address = f"127.0.0.1:{running.logic[0].ports['grpc']}"
    endpoint = rpc.Endpoint(address, rpc.LOGIC, running.secrets.cluster.read_text())
    try:
        yield Caller(endpoint)
    finally:
        await endpoint.close()


@asynccontextmanager
async def _alone(program: Server, folder: Path, options: Mapping[str, str] | None = None) -> AsyncIterator[System]:
    async with servers.running(program, folder / "redis", options) as redis:
        found = System(redis, folder, {})
        try:
            yield found
        finally:
            await found.kill()


@pytest.fixture
async def alone(redis_program: Server, tmp_path: Path) -> AsyncIterator[System]:
    """Yield a Redis, and no program yet."""
    async with _alone(redis_program, tmp_path) as found:
        yield found


def _session(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _read(session: bytes, room: str) -> pb.ReadHistoryRequest:
    return pb.ReadHistoryRequest(session=session, reads=[pb.RoomRead(room=room, limit=10)])


def _texts(response: pb.ReadHistoryResponse) -> list[str]:
    (room,) = response.rooms
    return [types_pb2.Message.FromString(publication.body).text for publication in room.publications]


async def _refusal(call: Awaitable[_T]) -> errors.ChatError:
    with pytest.raises(errors.ChatError) as refused:
        await call
    return refused.value


async def test_users_talk_and_leave(alone: System) -> None:
    """Register, login, rooms, private messages, history and logout, as api asks for them."""
    await alone.add_logic()
    async with _caller(alone) as call:
        ann, first = await call.user("ann")
        bob, bobs = await call.user("bob")
        login = await call("Login", pb.LoginRequest(name="ann", password="secret"))
        session = _session(login.token)
        said = pb.PublishRequest(session=session, room="room:7", message_id="m-1", text="hello")
        published, repeated = await call("Publish", said), await call("Publish", said)
        said.text = "another"
        conflict = await _refusal(call("Publish", said))
        await call("Publish", pb.PublishRequest(session=session, user_id=bob.id, message_id="m-2", text="psst"))
        conversation = ids.conversation(ids.UserId(ann.id), ids.UserId(bob.id))
        private = await call("ReadHistory", _read(bobs, conversation))
        wrong = await _refusal(call("Login", pb.LoginRequest(name="ann", password="guess")))
        taken = await _refusal(call.user("ann"))
        await call("Logout", pb.LogoutRequest(session=session))
        await call("Logout", pb.LogoutRequest(session=session))
        over = await _refusal(call("Publish", said))
        checked = await call("CheckSession", pb.CheckSessionRequest(session=first))

        assert len(login.token) == 44
        assert (published.position.offset, published.repeated) == (1, False)
        assert (repeated.position, repeated.repeated) == (published.position, True)
        assert _texts(await call("ReadHistory", _read(first, "room:7"))) == ["hello"]
        assert _texts(private) == ["psst"]
        assert [type(error) for error in (conflict, wrong, taken, over)] == [
            errors.Conflict,
            errors.WrongCredentials,
            errors.NameTaken,
            errors.SessionEnded,
        ]
        assert checked.user == ann


async def test_gateways_hold_rooms_and_tell_presence(alone: System) -> None:
    """Lease, registration, presence over gateways, and a push that was made is not made again."""
    await alone.add_logic()
    async with _caller(alone) as call:
        _, session = await call.user("ann")
        lease = await call("RenewLease", pb.RenewLeaseRequest(incarnation=GATEWAY, address="127.0.0.1:1", acquire=True))
        reads = [pb.RoomRead(room=f"room:{number}", since=types_pb2.Position(), limit=10) for number in range(1, 501)]
        registered = await call("RegisterRooms", pb.RegisterRoomsRequest(incarnation=GATEWAY, number=1, rooms=reads))
        present = pb.GatewayPresence(
            room="room:7", count=1, user_ids=[5], members=[types_pb2.Member(user_id=5, user_name="eve")], number=1
        )
        report = pb.ReportPresenceRequest(incarnation=GATEWAY, rooms=[present])
        first, second = await call("ReportPresence", report), await call("ReportPresence", report)
        pushed = await call(
            "PushRoomPresence", pb.PushRoomPresenceRequest(session=session, room="room:7", members=True)
        )
        nobody = await _refusal(
            call("PushRoomPresence", pb.PushRoomPresenceRequest(session=session, room="room:8", members=True))
        )
        await call("UnregisterRooms", pb.UnregisterRoomsRequest(incarnation=GATEWAY, number=2, rooms=["room:7"]))
        await call("ReleaseLease", pb.ReleaseLeaseRequest(incarnation=GATEWAY))
        gone = await call("GetRoomPresence", pb.GetRoomPresenceRequest(session=session, room="room:7"))
        lapsed = await call("RenewLease", pb.RenewLeaseRequest(incarnation=GATEWAY))

    assert (lease.held, list(lease.live)) == (True, [GATEWAY])
    assert len(registered.registrations) == 500
    assert all(registration.accepted for registration in registered.registrations)
    assert first.rooms[0] == second.rooms[0] == pushed.presence
    assert (list(first.deferred), list(second.deferred)) == ([], [])
    assert isinstance(nobody, errors.NotFound)
    assert (gone.presence.count, lapsed.held) == (0, False)


async def test_many_large_histories_fit_one_answer(alone: System) -> None:
    """What a gateway missed may be more than an answer holds: the rest only says where it stands."""
    await alone.add_logic()
    rooms = [f"room:{number}" for number in range(1, 7)]
    async with _caller(alone) as call:
        _, session = await call.user("ann")
        for room in rooms:
            for number in range(130):
                text = f"{number} ".ljust(4096, "x")
                said = pb.PublishRequest(session=session, room=room, message_id=f"m-{number}", text=text)
                await call("Publish", said)
        reads = [pb.RoomRead(room=room, since=types_pb2.Position(), limit=1000) for room in rooms]
        registered = await call("RegisterRooms", pb.RegisterRoomsRequest(incarnation=GATEWAY, number=1, rooms=reads))
        histories = [registration.history for registration in registered.registrations]

        assert registered.ByteSize() <= 2**21 + 600_000
        assert all(history.position.offset == 130 and history.recovered for history in histories)
        assert len(histories[0].publications) > 100
        assert not histories[-1].publications


async def test_redis_comes_late_and_goes_away(alone: System) -> None:
    """Ready once Redis was reached; while it is away calls are refused, sessions are not, and nothing ends."""
    await alone.redis.stop()
    await alone.add_logic()
    (logic,) = alone.logic
    async with _caller(alone) as call:
        before = await _refusal(call("CheckSession", pb.CheckSessionRequest(session=_session("any"))))
        was_ready = await logic.is_ready()
        await alone.redis.start()
        await eventually(logic.is_ready)
        ann, session = await call.user("ann")
        await alone.redis.stop()
        during = await _refusal(call("CheckSession", pb.CheckSessionRequest(session=session)))
        is_ready = await logic.is_ready()
        await alone.redis.start()

        async def answered() -> pb.User | None:
            try:
                response: pb.CheckSessionResponse = await call("CheckSession", pb.CheckSessionRequest(session=session))
            except errors.Unavailable:
                return None
            return response.user

        assert await eventually(answered) == ann
    assert (was_ready, is_ready) == (False, True)
    assert [type(before), type(during)] == [errors.Unavailable, errors.Unavailable]


async def test_a_drain_answers_what_is_in_flight(alone: System) -> None:
    """After SIGTERM the call that waits for Redis gets its answer, and the program leaves with 0."""
    await alone.add_logic()
    (logic,) = alone.logic
    async with _caller(alone) as call:
        ann, session = await call.user("ann")
        alone.redis.pause()
        waiting = asyncio.create_task(call("CheckSession", pb.CheckSessionRequest(session=session)))
        await eventually(lambda: _calls_at_redis(alone))
        leaving = asyncio.create_task(logic.stop())
        await _unready(logic)
        alone.redis.resume()

        assert (await waiting).user == ann
        assert await leaving == 0


def _calls_at_redis(running: System) -> bool:
    """Whether something was sent to the server that it has not read: bytes wait at its port."""
    port = f":{running.redis.port:04X}"
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(fields[1].endswith(port) and int(fields[4].split(":")[1], 16) > 0 for fields in sockets)


async def _unready(logic: Process) -> None:
    async def drains() -> bool:
        return not await logic.is_ready()

    await eventually(drains)


async def test_a_server_of_the_wrong_kind_is_refused(redis_program: Server, tmp_path: Path) -> None:
    """A Redis Cluster without the setting for one ends the program, with the setting's name."""
    async with _alone(redis_program, tmp_path, {"cluster-enabled": "yes"}) as alone:
        with suppress(RuntimeError):  # it may see the server before it listens
            await alone.add_logic()
        (logic,) = alone.logic
        await eventually(lambda: not logic.running)

        assert await logic.stop() == 2
        assert system.logged([logic]).splitlines()[-1].endswith("set CHATCLUSTER_REDIS_MODE=cluster")
