"""The real api program before real logic and Redis: what it does when they are away, under attack, and at its end."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from chatcluster.local import programs
from support import canaries, system as systems
from support.eventually import eventually
from support.system import Process, System

SESSION_ERROR = 40_000
PASSWORD = canaries.PASSWORD
QUICK = {
    "CHATCLUSTER_API_HEAD_TIMEOUT": "1",
    "CHATCLUSTER_API_BODY_TIMEOUT": "1",
    "CHATCLUSTER_API_IDLE_TIMEOUT": "2",
    "CHATCLUSTER_API_WRITE_TIMEOUT": "2",
    "CHATCLUSTER_LOGIC_REGISTER_RATE": "1000",
}


class Rest:
    """A client of the first api."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def post(self, path: str, **fields: object) -> httpx.Response:
        """Call one of gochat's routes."""
        return await self.client.post(path, json=fields)

    async def register(self, name: str) -> str:
        """Create a user; its token."""
        response = await self.post("/user/register", userName=name, passWord=PASSWORD)
        assert response.json()["code"] == 0, response.text
        token: str = response.json()["data"]
        return token

    async def check(self, token: str) -> httpx.Response:
        """Ask whose session it is."""
        return await self.post("/user/checkAuth", authToken=token)

    async def is_valid(self, token: str) -> bool:
        """Whether the session is known to be good."""
        response = await self.check(token)
        assert response.json()["code"] != SESSION_ERROR
        return bool(response.json()["code"] == 0)


@asynccontextmanager
async def client_of(system: System) -> AsyncIterator[Rest]:
    """A client of a system's first api."""
    async with httpx.AsyncClient(base_url=system.api_url, trust_env=False, timeout=30) as client:
        yield Rest(client)


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[System]:
    """One logic and one api, with short deadlines."""
    async with systems.running(tmp_path, counts=(1, 0, 0, 1), environ=QUICK) as system:
        yield system


async def open_to(process: Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A plain connection to an api."""
    return await asyncio.open_connection("127.0.0.1", process.ports["http"])


def is_refusal(response: httpx.Response) -> bool:
    """Whether it is a 503 that says when to come back, and no session error."""
    retry_after = int(response.headers.get("retry-after", "0"))
    return response.status_code == 503 and retry_after >= 1 and response.json()["code"] == 1


async def test_logic_away_is_503_and_not_the_end_of_sessions(small: System) -> None:
    """While no logic can be reached nobody is logged out, api stays ready, and all is well when logic is back."""
    async with client_of(small) as rest:
        token = await rest.register("alice")
        await small.logic[0].kill()
        assert is_refusal(await rest.check(token))
        assert is_refusal(await rest.post("/push/pushRoom", authToken=token, msg="hi", roomId=1))
        response = await rest.client.get("/v1/inbox", headers={"authorization": f"Bearer {token}"})
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert await small.api[0].is_ready()
        await small.logic[0].start()
        await eventually(lambda: rest.is_valid(token), within=20)


async def test_redis_away_is_503_and_not_the_end_of_sessions(small: System) -> None:
    """The same when the store is away."""
    async with client_of(small) as rest:
        token = await rest.register("alice")
        await small.redis.kill()
        await eventually(lambda: _refuses(rest, token), within=20)
        await small.redis.start()
        await eventually(lambda: rest.is_valid(token), within=20)


async def _refuses(rest: Rest, token: str) -> bool:
    return is_refusal(await rest.check(token))


async def test_an_api_is_ready_when_it_has_reached_logic(small: System) -> None:
    """Before that it serves refusals and wants no traffic."""
    await small.logic[0].kill()
    await small.add_api()
    assert not await small.api[1].is_ready()
    await small.logic[0].start()
    await eventually(small.api[1].is_ready, within=20)


async def test_a_request_in_flight_is_answered_after_sigterm(small: System) -> None:
    """It drains: unready, nobody new, and the answer still comes; then it ends with 0."""
    api, logic = small.api[0], small.logic[0]
    async with client_of(small) as rest:
        token = await rest.register("alice")
        logic.pause()
        asking = asyncio.create_task(rest.check(token))
        await eventually(lambda: _calls(api))
        stopping = asyncio.create_task(api.stop())
        await eventually(lambda: _refuses_connections(api))
        assert not await api.is_ready()
        logic.resume()
        assert (await asking).json()["code"] == 0
        assert await stopping == 0


async def _calls(api: Process) -> bool:
    """Whether the api waits for logic: the request was read, and is not answered."""
    return await api.metric("chat_requests_in_progress") >= 1


async def _refuses_connections(process: Process) -> bool:
    try:
        _, writer = await open_to(process)
    except ConnectionError:
        return True
    writer.close()
    return False


async def test_slow_clients_are_cut_off_and_hurt_nobody(small: System) -> None:
    """Heads and bodies that do not end, silence, and answers that nobody reads, a hundred at once."""
    api = small.api[0]
    beginnings = [b"", b"POST /user/lo", b"POST /user/login HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"]
    async with client_of(small) as rest:
        token = await rest.register("alice")
        slow = [await open_to(api) for _ in range(99)]
        for number, (_, writer) in enumerate(slow):
            writer.write(beginnings[number % 3])
        for _ in range(20):
            assert (await rest.check(token)).json()["code"] == 0
        answers = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in slow)), 20)
        assert sorted({answer[:12] for answer in answers}) == [b"", b"HTTP/1.1 408"]
        for _, writer in slow:
            writer.close()


async def test_an_answer_that_nobody_reads_does_not_stay(small: System) -> None:
    """A client that asks for history again and again without reading is dropped."""
    api = small.api[0]
    async with client_of(small) as rest:
        token = await rest.register("alice")
        headers = {"authorization": f"Bearer {token}"}
        for number in range(40):
            body = {"text": f"{number}" + "x" * 4000}
            sent = await rest.client.post("/v1/rooms/1/messages", json=body, headers=headers)
            assert sent.status_code in {201, 429}
        reader, writer = await open_to(api)
        ask = f"GET /v1/rooms/1/messages HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        before = api.resident_bytes()

        def is_dropped() -> bool:
            writer.write(ask * 10)
            return writer.transport.is_closing() or reader.at_eof()

        await eventually(is_dropped, within=30, every=0.05)
        assert api.resident_bytes() - before < 50 * 2**20
        assert (await rest.check(token)).json()["code"] == 0
        writer.close()


async def test_any_bytes_leave_the_api_as_it_was(small: System) -> None:
    """Rubbish, half requests and mangled ones: the same process, no traceback, and it serves on."""
    api, seeded = small.api[0], random.Random(20_261_123)
    async with client_of(small) as rest:
        token = await rest.register("alice")
        pid = api.pid
        for _ in range(20):
            await asyncio.gather(*(_throw(api, _rubbish(seeded, token)) for _ in range(50)))
        assert (await rest.check(token)).json()["code"] == 0
        assert api.pid == pid
        assert api.running
        assert "Traceback" not in systems.logged([api, *small.logic])


async def _throw(api: Process, data: bytes) -> None:
    reader, writer = await open_to(api)
    try:
        writer.write(data)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        pass  # which it may well do
    finally:
        writer.close()


def _rubbish(seeded: random.Random, token: str) -> bytes:
    """One attempt: a third plain noise, a third bodies of noise, a third requests with something wrong in them."""
    noise = seeded.randbytes(seeded.randrange(300))
    path = seeded.choice(["/user/login", "/user/checkAuth", "/push/push", "/v1/rooms/1/messages", "/nope"])
    match seeded.randrange(3):
        case 0:
            return noise
        case 1:
            body = bytearray(noise)
        case _:
            body = bytearray(f'{{"authToken":"{token}","msg":"hi","toUserId":"1","roomId":1,"text":"hi"}}'.encode())
            for _ in range(seeded.randrange(4)):
                body[seeded.randrange(len(body))] = seeded.randrange(256)
    head = f"POST {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + bytes(body)


async def test_no_secret_reaches_a_log(small: System) -> None:
    """Neither passwords nor tokens nor what people say, whatever the outcome."""
    async with client_of(small) as rest:
        token = await rest.register("alice")
        await rest.post("/user/login", userName="alice", passWord=PASSWORD)
        await rest.post("/user/login", userName="alice", passWord=PASSWORD + "!")
        await rest.post("/push/pushRoom", authToken=token, msg="what people say", roomId=1)
        await rest.client.get("/v1/inbox", headers={"authorization": f"Bearer {token}"})
        await small.redis.kill()
        await rest.post("/push/pushRoom", authToken=token, msg="what people say", roomId=1)
    log = systems.logged([*small.api, *small.logic])
    for secret in (PASSWORD, token, "what people say"):
        assert secret not in log


async def test_requests_are_measured_by_route(small: System) -> None:
    """Templates and statuses only: no room and no user becomes a label."""
    async with client_of(small) as rest:
        token = await rest.register("alice")
        for room in range(3):
            await rest.client.get(f"/v1/rooms/{room}/messages", headers={"authorization": f"Bearer {token}"})
    route = "/v1/rooms/{room}/messages"
    assert await small.api[0].metric("chat_requests_total", route=route, status="200") == 3
    assert await small.api[0].metric("chat_request_latency_seconds_count", route=route) == 3


async def test_a_taken_port_is_told_by_its_setting(small: System) -> None:
    """The program ends with 2 and says which variable to change."""
    port = small.api[0].ports["http"]
    second = programs.api(small.secrets, 1, ["127.0.0.1:6900"], port=port, health=0)
    process = await asyncio.create_subprocess_exec(
        *second.command, env={**os.environ, **second.environ}, stderr=asyncio.subprocess.PIPE
    )
    _, told = await process.communicate()
    assert process.returncode == 2
    assert f"CHATCLUSTER_API_PORT is {port}" in told.decode()
