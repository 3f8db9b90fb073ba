"""api over logic's domain in memory: the whole of both programs but for sockets and gRPC between them."""

import base64
import itertools
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from google.protobuf.message import Message
from starlette.types import ASGIApp

from chatcluster.api import app
from chatcluster.api.backend import Backend, Deadlines
from chatcluster.api.bodies import Bodies
from chatcluster.api.limits import Limits
from chatcluster.api.shapes import Gateways
from chatcluster.core import errors
from chatcluster.core.ids import Incarnation
from chatcluster.core.proxies import Proxies
from chatcluster.core.rates import Rate, Table
from chatcluster.logic import authentication, passwords
from chatcluster.logic.service import LogicService
from chatcluster.v1 import logic_pb2, types_pb2
from support import openapi
from support.domain import CHEAP, World

PASSWORD = "pw1"


class Direct:
    """Calls logic's service without a network; what a call brings can be made to get lost on either way."""

    def __init__(self, service: LogicService) -> None:
        self.calls: list[str] = []
        self.lost_requests: dict[str, list[errors.ChatError]] = {}
        """By method: each is raised once, instead of the call."""
        self.lost_responses: dict[str, list[errors.ChatError]] = {}
        """By method: each is raised once, after the call was made."""
        self._service = service

    async def call(self, method: str, request: Message, *, timeout: float) -> Any:
        """Call a method of the service with a copy of the request, as a network would."""
        assert timeout > 0
        self.calls.append(method)
        if self.lost_requests.get(method):
            raise self.lost_requests[method].pop(0)
        copy = type(request).FromString(request.SerializeToString())
        response = await getattr(self._service, method)(copy, None)
        if self.lost_responses.get(method):
            raise self.lost_responses[method].pop(0)
        return response


@dataclass
class Options:
    """How an api of a test differs from the usual one."""

    messages: Rate = field(default_factory=lambda: Rate(1e6, 1_000_000))
    trusted: str = ""
    body_bytes: int = 65_536
    body_timeout: float = 5.0
    policy: authentication.Policy = field(default_factory=lambda: authentication.Policy(60, 1_000, 1_000))
    gateways: Gateways = field(default_factory=lambda: Gateways(["ws://127.0.0.1:7000/ws"], ["127.0.0.1:7001"]))
    deadlines: Deadlines = field(default_factory=lambda: Deadlines(publish=2.0, blink=0))


@dataclass
class Api:
    """An app, what it stands on, and a client of it."""

    app: ASGIApp
    world: World
    logic: Direct
    client: httpx.AsyncClient

    async def post(self, path: str, body: Mapping[str, Any] | str) -> httpx.Response:
        """Send JSON, or a body as it is, to one of gochat's routes."""
        if isinstance(body, str):
            return await self.client.post(path, content=body.encode("utf-8", "surrogatepass"))
        return await self.client.post(path, json=body)

    async def register(self, name: str) -> str:
        """Create a user; its token."""
        response = await self.post("/user/register", {"userName": name, "passWord": PASSWORD})
        token: str = response.json()["data"]
        assert token, response.text
        return token

    async def enter(self, room: str, users: Mapping[int, str]) -> None:
        """Have a living gateway say that these users, and no others, are in a room."""
        gateway = Incarnation("gateway/1")
        await self.world.presence.acquire(gateway, "gateway:6912")
        members = [types_pb2.Member(user_id=number, user_name=name) for number, name in users.items()]
        stated = logic_pb2.GatewayPresence(room=room, count=len(users), user_ids=sorted(users), members=members)
        await self.world.presence.report(gateway, [stated])

    async def user_id(self, token: str) -> int:
        """Whose token it is."""
        response = await self.post("/user/checkAuth", {"authToken": token})
        number: int = response.json()["data"]["userId"]
        return number


@asynccontextmanager
async def running(options: Options | None = None) -> AsyncIterator[Api]:
    """An api on an empty world, as long as the block."""
    options = options or Options()
    world = World()
    hashes = passwords.Passwords(CHEAP)
    try:
        logic = Direct(_logic(world, hashes, options.policy))
        asgi = _app(logic, world, options)
        transport = httpx.ASGITransport(asgi, client=("203.0.113.7", 4711))
        hooks = {"response": [openapi.check]}
        async with httpx.AsyncClient(transport=transport, base_url="http://api", event_hooks=hooks) as client:
            yield Api(asgi, world, logic, client)
    finally:
        hashes.close()


def bearer(token: str, **headers: str) -> dict[str, str]:
    """The headers of a v1 request."""
    return {"authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in headers.items()}}


def problem(response: httpx.Response) -> tuple[int, str]:
    """The status and code of a problem."""
    assert response.headers["content-type"] == "application/problem+json"
    content = response.json()
    assert content["status"] == response.status_code
    return response.status_code, content["code"]


def _logic(world: World, hashes: passwords.Passwords, policy: authentication.Policy) -> LogicService:
    authenticating = authentication.Authentication(world.accounts, hashes, policy, _new_token, world.sessions)
    return world.service(hashes, authenticating)


def _new_token() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _app(logic: Direct, world: World, options: Options) -> ASGIApp:
    numbers = itertools.count(1)
    backend = Backend(logic, options.deadlines, lambda: f"drawn-{next(numbers)}")
    proxies = Proxies.from_env({"CHATCLUSTER_P": options.trusted}, "P")
    limits = Limits(Table(options.messages, 100), proxies, world.clock)
    return app.build(backend, Bodies(options.body_bytes, options.body_timeout), limits, options.gateways)
