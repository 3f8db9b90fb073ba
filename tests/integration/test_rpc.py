"""The three modules core.rpc* over real sockets: what a caller is told when servers refuse, fail, hang and die."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chatcluster.core import errors, health, rpc, rpc_pool, rpc_server
from chatcluster.v1 import logic_pb2, logic_pb2_grpc
from support.eventually import eventually

SECRET = "the-secret-of-this-cluster"
PUBLISH = logic_pb2.PublishRequest(room="room:7", message_id="m1", text="hello")


class Logic(logic_pb2_grpc.LogicServiceServicer):
    """Answers by a function that a test sets; remembers what it was asked."""

    def __init__(self, answer: Callable[[], logic_pb2.PublishResponse] = logic_pb2.PublishResponse) -> None:
        self.answer = answer
        self.asked = 0
        self.answering = asyncio.Event()
        self.answering.set()

    async def Publish(self, request: logic_pb2.PublishRequest, context: object) -> logic_pb2.PublishResponse:
        self.asked += 1
        await self.answering.wait()
        return self.answer()

    async def Login(self, request: logic_pb2.LoginRequest, context: object) -> Any:
        await self.Publish(PUBLISH, context)
        return logic_pb2.LoginResponse()

    async def ReadHistory(self, request: logic_pb2.ReadHistoryRequest, context: object) -> Any:
        await self.Publish(PUBLISH, context)
        return logic_pb2.ReadHistoryResponse()


class Addresses:
    """A directory whose addresses a test changes."""

    def __init__(self, *addresses: str) -> None:
        self._queue: asyncio.Queue[frozenset[str]] = asyncio.Queue(maxsize=10)
        self.become(*addresses)

    def become(self, *addresses: str) -> None:
        """Tell new addresses."""
        self._queue.put_nowait(frozenset(addresses))

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        while True:
            yield await self._queue.get()


class Cluster:
    """Servers and pools that end with the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.readiness = health.Readiness()

    async def serve(self, logic: Logic, address: str = "127.0.0.1:0") -> tuple[grpc.aio.Server, str]:
        """Start a server; returns it and its address."""

        def register(server: grpc.aio.Server) -> None:
            logic_pb2_grpc.add_LogicServiceServicer_to_server(logic, server)

        server, port = await rpc_server.serve([register], address, SECRET, self.readiness)
        self._stack.push_async_callback(server.stop, None)
        return server, f"127.0.0.1:{port}"

    async def pool(self, directory: Addresses, *, connected: int, secret: str = SECRET) -> rpc_pool.Pool:
        """Run a pool until the test ends, and wait for so many of its endpoints."""
        pool = rpc_pool.Pool(directory, rpc.LOGIC, secret, self.readiness.dependency("logic"))
        await self._stack.enter_async_context(running(pool))
        await eventually(lambda: pool.connected == connected)
        return pool


@asynccontextmanager
async def running(pool: rpc_pool.Pool) -> AsyncIterator[None]:
    """Run a pool as long as the block."""
    task = asyncio.create_task(pool.run())
    yield
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Yield an empty cluster."""
    async with AsyncExitStack() as stack:
        yield Cluster(stack)


async def test_a_call_is_answered(cluster: Cluster) -> None:
    """The response of the server is what the call returns, and readiness follows the connection."""
    _, address = await cluster.serve(Logic(lambda: logic_pb2.PublishResponse(room="room:7")))
    pool = await cluster.pool(Addresses(address), connected=1)

    response = await pool.call("Publish", PUBLISH, timeout=5)

    assert response == logic_pb2.PublishResponse(room="room:7")
    assert cluster.readiness.ready


@pytest.mark.parametrize("error", [errors.NameTaken("bob"), errors.Busy("full", retry_after=2.5), errors.Superseded()])
async def test_errors_cross_the_wire(cluster: Cluster, error: errors.ChatError) -> None:
    """What a servicer raises is what the caller catches: class, text and retry-after; and it is not repeated."""

    def fail() -> logic_pb2.PublishResponse:
        raise error

    logic = Logic(fail)
    _, address = await cluster.serve(logic)
    pool = await cluster.pool(Addresses(address), connected=1)

    with pytest.raises(type(error)) as raised:
        await pool.call("Publish", PUBLISH, timeout=5)

    assert (str(raised.value), raised.value.retry_after) == (str(error), error.retry_after)
    assert logic.asked == 1


async def test_a_bug_in_a_servicer_is_an_internal_error(cluster: Cluster) -> None:
    """An unexpected exception ends the call and nothing else, and its text stays inside."""

    def fail() -> logic_pb2.PublishResponse:
        raise ZeroDivisionError("secret detail")

    _, address = await cluster.serve(Logic(fail))
    pool = await cluster.pool(Addresses(address), connected=1)

    with pytest.raises(errors.ChatError, match="internal error") as raised:
        await pool.call("Publish", PUBLISH, timeout=5)

    assert type(raised.value) is errors.ChatError


async def test_a_stranger_is_refused(cluster: Cluster) -> None:
    """Without the cluster's secret nothing is executed, and the caller is told that the backend is away."""
    logic = Logic()
    _, address = await cluster.serve(logic)
    pool = await cluster.pool(Addresses(address), connected=1, secret="the-secret-of-another-one")

    with pytest.raises(errors.Unavailable, match="UNAUTHENTICATED"):
        await pool.call("Publish", PUBLISH, timeout=5)

    assert logic.asked == 0


async def test_health_needs_no_secret_and_follows_readiness(cluster: Cluster) -> None:
    """grpc.health.v1 answers everybody, and says NOT_SERVING from the drain on."""
    _, address = await cluster.serve(Logic())

    async with rpc.channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        before = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
        cluster.readiness.drain()
        after = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)

    assert (before.status, after.status) == (before.SERVING, before.NOT_SERVING)


async def test_nothing_connected_is_surely_not_executed(cluster: Cluster) -> None:
    """With no endpoint in reach a call of any kind is Unavailable, and not before it has waited a little."""
    pool = await cluster.pool(Addresses("127.0.0.1:1"), connected=0)

    for method, request in (("Publish", PUBLISH), ("Login", logic_pb2.LoginRequest())):
        with pytest.raises(errors.Unavailable, match="no LogicService is connected"):
            await pool.call(method, request, timeout=0.2)

    assert not cluster.readiness.ready


async def test_a_call_waits_for_the_first_connection(cluster: Cluster) -> None:
    """A call made at start-up is answered as soon as the directory and a server are there."""
    directory = Addresses()
    pool = await cluster.pool(directory, connected=0)
    call = asyncio.create_task(pool.call("Publish", PUBLISH, timeout=5))
    _, address = await cluster.serve(Logic())

    directory.become(address)

    assert await call == logic_pb2.PublishResponse()


async def test_calls_go_where_fewest_are_in_flight(cluster: Cluster) -> None:
    """An endpoint with a call in flight gets no second one while another has none."""
    one, other = Logic(), Logic()
    addresses = [(await cluster.serve(logic))[1] for logic in (one, other)]
    one.answering.clear()
    other.answering.clear()
    pool = await cluster.pool(Addresses(*addresses), connected=2)
    stuck = asyncio.create_task(pool.call("Login", logic_pb2.LoginRequest(), timeout=30))
    await eventually(lambda: one.asked + other.asked == 1)
    busy, idle = (one, other) if one.asked else (other, one)
    idle.answering.set()

    for _ in range(10):
        await pool.call("Login", logic_pb2.LoginRequest(), timeout=5)

    assert (busy.asked, idle.asked) == (1, 10)
    busy.answering.set()
    await stuck


async def test_an_idempotent_call_moves_on_from_a_server_that_hangs(cluster: Cluster) -> None:
    """Half of the time is kept for another endpoint, and the one that hung is left alone for a while."""
    hung, well = Logic(), Logic()
    hung.answering.clear()
    addresses = [(await cluster.serve(logic))[1] for logic in (hung, well)]
    pool = await cluster.pool(Addresses(*addresses), connected=2)

    for _ in range(4):
        await pool.call("Publish", PUBLISH, timeout=1)

    assert (hung.asked, well.asked) == (1, 4)
    hung.answering.set()


async def test_a_lost_call_of_unknown_outcome_says_so(cluster: Cluster) -> None:
    """A deadline that passes leaves a write's outcome unknown; a read had no effect and is Unavailable."""
    logic = Logic()
    logic.answering.clear()
    _, address = await cluster.serve(logic)
    pool = await cluster.pool(Addresses(address), connected=1)

    with pytest.raises(errors.OutcomeUnknown):
        await pool.call("Login", logic_pb2.LoginRequest(), timeout=0.2)
    assert logic.asked == 1
    with pytest.raises(errors.OutcomeUnknown):
        await pool.call("Publish", PUBLISH, timeout=0.2)
    with pytest.raises(errors.Unavailable):
        await pool.call("ReadHistory", logic_pb2.ReadHistoryRequest(), timeout=0.2)
    logic.answering.set()


async def test_a_refused_repetition_does_not_hide_an_unknown_outcome(cluster: Cluster) -> None:
    """After an attempt that may have been executed, `busy` from the next server is no proof that nothing was stored.

    Told is what made it unknown.
    """
    answers = iter([errors.OutcomeUnknown("redis went away"), errors.Busy("full")])

    def fail() -> logic_pb2.PublishResponse:
        raise next(answers)

    _, address = await cluster.serve(Logic(fail))
    pool = await cluster.pool(Addresses(address), connected=1)

    with pytest.raises(errors.OutcomeUnknown, match="redis went away"):
        await pool.call("Publish", PUBLISH, timeout=5)


async def test_a_killed_connection_mid_call(cluster: Cluster) -> None:
    """A server that dies with a call in flight leaves its outcome unknown unless another one can repeat it."""
    logic = Logic()
    logic.answering.clear()
    server, address = await cluster.serve(logic)
    pool = await cluster.pool(Addresses(address), connected=1)
    call = asyncio.create_task(pool.call("Login", logic_pb2.LoginRequest(), timeout=10))
    await eventually(lambda: logic.asked)

    await server.stop(None)

    with pytest.raises(errors.OutcomeUnknown):
        await call


async def test_a_server_that_comes_back_is_found(cluster: Cluster) -> None:
    """After a restart at the same address calls succeed again within a few seconds, without a new channel."""
    server, address = await cluster.serve(Logic())
    pool = await cluster.pool(Addresses(address), connected=1)
    await server.stop(None)
    await eventually(lambda: pool.connected == 0)

    await cluster.serve(Logic(), address)

    await eventually(lambda: pool.connected == 1)
    assert await pool.call("Publish", PUBLISH, timeout=5) == logic_pb2.PublishResponse()


async def test_the_pool_follows_the_directory(cluster: Cluster) -> None:
    """An address that is gone gets no more calls; one that is new gets some."""
    old, new = Logic(), Logic()
    addresses = [(await cluster.serve(logic))[1] for logic in (old, new)]
    directory = Addresses(addresses[0])
    pool = await cluster.pool(directory, connected=1)

    directory.become(addresses[1])

    await eventually(lambda: pool.connected == 1 and list(pool.addresses) == addresses[1:])
    await pool.call("Publish", PUBLISH, timeout=5)
    assert (old.asked, new.asked) == (0, 1)


@pytest.mark.full
async def test_an_idle_connection_stays(cluster: Cluster) -> None:
    """Its client pings every 10 s, and the server does not take the fourth for an attack."""
    _, address = await cluster.serve(Logic())
    async with rpc.channel(address) as channel:
        channel.get_state(try_to_connect=True)
        await asyncio.wait_for(channel.channel_ready(), 10)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(channel.wait_for_state_change(grpc.ChannelConnectivity.READY), 50)


async def test_a_server_with_too_many_calls_is_busy(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the bound a call is refused at once instead of waiting."""
    monkeypatch.setattr(rpc, "MAX_CONCURRENT_CALLS", 1)
    logic = Logic()
    logic.answering.clear()
    _, address = await cluster.serve(logic)
    pool = await cluster.pool(Addresses(address), connected=1)
    first = asyncio.create_task(pool.call("Publish", PUBLISH, timeout=5))
    await eventually(lambda: logic.asked)

    with pytest.raises(errors.Busy, match="too many"):
        await pool.call("Publish", PUBLISH, timeout=5)

    logic.answering.set()
    assert await first == logic_pb2.PublishResponse()


async def test_answer_that_comes_too_late_is_no_error(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    """gRPC tells of it as of an exception of ours, if it hears of the caller's end too late; that is not logged."""
    await cluster.serve(Logic())
    its_own = logging.getLogger("grpc._cython.cygrpc")
    method = b"/chatcluster.v1.LogicService/Publish"

    its_own.error("ExecuteBatchError raised in core by servicer method [%s]", method)
    its_own.error("Unexpected [%s] raised by servicer method [%s]", "ValueError", method)

    heard = [record.args for record in caplog.records if method in tuple(record.args or ())]
    assert heard == [("ValueError", method)]


class Slow(Logic):
    """Answers one call after the other, 100 a second."""

    def __init__(self) -> None:
        super().__init__()
        self._one = asyncio.Lock()

    async def Publish(self, request: logic_pb2.PublishRequest, context: object) -> logic_pb2.PublishResponse:
        async with self._one:
            await asyncio.sleep(0.01)
            return await super().Publish(request, context)


async def test_overload_makes_nobody_wait_for_nothing(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is let in is answered in time; the others are soon told that it is busy, and nothing was sent for them."""
    monkeypatch.setattr(rpc_pool, "AT_ONCE", 5)
    monkeypatch.setattr(rpc_pool, "TURN_WAIT", 0.3)
    logic = Slow()
    _, address = await cluster.serve(logic)
    pool = await cluster.pool(Addresses(address), connected=1)

    calls = (pool.call("Publish", PUBLISH, timeout=2) for _ in range(500))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)

    answered = outcomes.count(logic_pb2.PublishResponse())
    assert {type(outcome) for outcome in outcomes} == {logic_pb2.PublishResponse, errors.Busy}
    assert answered == logic.asked


async def test_a_method_that_is_busy_holds_no_other_up(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has turns of its own."""
    monkeypatch.setattr(rpc_pool, "AT_ONCE", 1)
    logic = Logic()
    logic.answering.clear()
    _, address = await cluster.serve(logic)
    pool = await cluster.pool(Addresses(address), connected=1)
    login = asyncio.create_task(pool.call("Login", logic_pb2.LoginRequest(), timeout=5))
    await eventually(lambda: logic.asked == 1)
    publish = asyncio.create_task(pool.call("Publish", PUBLISH, timeout=5))
    await eventually(lambda: logic.asked == 2)

    logic.answering.set()
    await asyncio.gather(login, publish)


async def test_a_taken_port_is_an_error(cluster: Cluster) -> None:
    """Two servers never share a port."""
    _, address = await cluster.serve(Logic())

    with pytest.raises(RuntimeError, match="bind"):
        await cluster.serve(Logic(), address)
