"""Pages of other sites, and sessions that are over: who gets a connection to a real gateway, and who loses it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from chatcluster.connect import framing
from chatcluster.frames import disconnects
from chatcluster.frames.exchanges import SUBPROTOCOL
from support import system as systems
from support.canaries import PASSWORD
from support.eventually import eventually
from support.system import System

ALLOWED = ("https://chat.example", "https://beta.example:8443")
ORIGINS: Mapping[str | None, bool] = {
    None: True,
    **dict.fromkeys(ALLOWED, True),
    "https://evil.example": False,
    "https://evil-chat.example": False,
    "https://chat.example.evil.example": False,
    "https://sub.chat.example": False,
    "http://chat.example": False,
    "https://chat.example:8443": False,
    "https://beta.example": False,
    "https://chat.example/": False,
    "https://CHAT.example": False,
    "https://chat.example, https://beta.example": False,
    "null": False,
    "": False,
}
"""Origin headers, and whether they are accepted; None: a client that sends none, and so is no browser."""
IN = "in"
REFUSED = "refused"
CREDENTIALS: Mapping[str, str | int] = {
    "token": IN,
    "ticket": IN,
    "nothing": disconnects.UNAUTHENTICATED.code,
    "invented token": disconnects.SESSION_ENDED.code,
    "used ticket": disconnects.SESSION_ENDED.code,
    "ticket that is over": disconnects.SESSION_ENDED.code,
    "token after logout": disconnects.SESSION_ENDED.code,
    "ticket after logout": disconnects.SESSION_ENDED.code,
}
"""What is shown, and what becomes of a connection whose Origin is accepted."""
ENVIRON = {
    "CHATCLUSTER_CONNECT_ALLOWED_ORIGINS": ",".join(ALLOWED),
    "CHATCLUSTER_CONNECT_AUTH_DEADLINE": "0.5",
    "CHATCLUSTER_LOGIC_REGISTER_RATE": "100000",
    **dict.fromkeys(("CHATCLUSTER_API_MESSAGE_RATE", "CHATCLUSTER_API_MESSAGE_BURST"), "100000"),
}
CLOSED_WITHIN = 2.0


class Site:
    """The api, as the page of the right site asks it."""

    def __init__(self, system: System, client: httpx.AsyncClient) -> None:
        self.system = system
        self._client = client
        self.secrets: list[str] = []
        """Every token and ticket that there was."""

    async def register(self, name: str) -> str:
        """A new user's token."""
        return await self._opened("/v1/accounts", name)

    async def log_in(self, name: str) -> str:
        """The token of one more session of a user."""
        return await self._opened("/v1/sessions", name)

    async def ticket(self, token: str) -> str:
        """A new ticket for a session."""
        return self._kept((await self._client.post("/v1/tickets", headers=_bearer(token))).json()["ticket"])

    async def log_out(self, token: str) -> None:
        """End a session."""
        assert (await self._client.delete("/v1/sessions/current", headers=_bearer(token))).status_code == 204

    async def expire(self, ticket: str) -> None:
        """Have the time of a ticket pass."""
        async with self.system.redis.client() as redis:
            (key,) = [key async for key in redis.scan_iter(f"*{sha256(ticket.encode()).hexdigest()}")]
            assert 0 < await redis.pttl(key) <= 60_000
            await redis.pexpire(key, 1)

            async def is_gone() -> bool:
                return not await redis.exists(key)

            await eventually(is_gone)

    async def _opened(self, path: str, name: str) -> str:
        who = {"name": name, "password": PASSWORD}
        return self._kept((await self._client.post(path, json=who)).json()["token"])

    def _kept(self, secret: str) -> str:
        self.secrets.append(secret)
        return secret


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Yield a whole cluster whose gateway accepts pages of two sites."""
    async with (
        systems.running(tmp_path / "system", counts=(1, 1, 1, 1), environ=ENVIRON) as system,
        httpx.AsyncClient(base_url=system.api_url, trust_env=False, timeout=30) as client,
    ):
        yield Site(system, client)


async def _shown(site: Site, token: str, kind: str) -> dict[str, str]:
    """The fields of `auth` that a credential of that kind is."""
    match kind:
        case "token":
            return {"token": token}
        case "invented token":
            return {"token": "A" * 43 + "="}
        case "token after logout" | "ticket after logout":
            other = await site.register(f"guest {len(site.secrets)}")
            fields = {"token": other} if kind.startswith("token") else {"ticket": await site.ticket(other)}
            await site.log_out(other)
            return fields
        case _:
            ticket = await site.ticket(token)
            if kind == "used ticket":
                assert await _attempt(site, None, {"ticket": ticket}) == IN
            if kind == "ticket that is over":
                await site.expire(ticket)
            return {"ticket": ticket}


async def _attempt(site: Site, origin: str | None, shown: Mapping[str, str]) -> str | int:
    """What becomes of a connection: `IN`, `REFUSED` before it is one, or the code with which it is closed."""
    headers = {} if origin is None else {"Origin": origin}
    try:
        async with connect(
            site.system.websocket_url(), subprotocols=[Subprotocol(SUBPROTOCOL)], additional_headers=headers
        ) as socket:
            if shown:
                await socket.send(json.dumps({"type": "auth", "id": 1, **shown}))
            return await _fate(socket)
    except InvalidStatus as exc:
        return REFUSED if exc.response.status_code == httpx.codes.FORBIDDEN else exc.response.status_code


async def _fate(socket: ClientConnection) -> str | int:
    try:
        while json.loads(await socket.recv())["type"] != "ok":
            pass
    except ConnectionClosed:
        return socket.close_code or 0
    return IN


async def test_only_pages_of_this_site_with_an_open_session_get_in(site: Site, figure: Callable[[str], None]) -> None:
    """Each Origin with each credential; and what was shown is in no log."""
    token = await site.register("ann")
    found: dict[tuple[str | None, str], Any] = {}
    for kind in CREDENTIALS:
        for origin in ORIGINS:
            shown = {} if kind == "nothing" else await _shown(site, token, kind)
            found[origin, kind] = await _attempt(site, origin, shown)

    assert found == {
        (origin, kind): fate if accepted else REFUSED
        for origin, accepted in ORIGINS.items()
        for kind, fate in CREDENTIALS.items()
    }
    logged = systems.logged(site.system.processes) + site.system.redis.log.read_text()
    assert [secret for secret in site.secrets if secret in logged] == []
    figure(f"{len(found)} cells, {sum(fate == IN for fate in found.values())} of them let in")


async def test_a_page_of_another_site_uses_up_no_ticket(site: Site) -> None:
    """It is refused before it can show anything."""
    ticket = await site.ticket(await site.register("ann"))

    assert await _attempt(site, "https://evil.example", {"ticket": ticket}) == REFUSED
    assert await _attempt(site, ALLOWED[0], {"ticket": ticket}) == IN


async def test_logging_out_closes_every_connection_of_the_session(site: Site, figure: Callable[[str], None]) -> None:
    """Within two seconds, on websockets of both protocols and over TCP; another session of the same user stays."""
    token, other = await site.register("ann"), await site.log_in("ann")
    url, subprotocols = site.system.websocket_url(), [Subprotocol(SUBPROTOCOL)]
    async with (
        connect(url, subprotocols=subprotocols) as by_token,
        connect(url, subprotocols=subprotocols) as by_ticket,
        connect(url) as gochat,
        connect(url, subprotocols=subprotocols) as neighbour,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.system.connect[0].ports["tcp"])
        for socket, shown in (
            (by_token, {"token": token}),
            (by_ticket, {"ticket": await site.ticket(token)}),
            (neighbour, {"token": other}),
        ):
            await socket.send(json.dumps({"type": "auth", "id": 1, **shown}))
            assert await _fate(socket) == IN
        await gochat.send(json.dumps({"authToken": token, "roomId": 1}))
        assert json.loads(await gochat.recv())["op"]
        writer.write(framing.frame(json.dumps({"authToken": token, "roomId": 1, "op": 6}).encode()))
        await reader.readexactly(framing.HEADER_BYTES)

        began = asyncio.get_running_loop().time()
        await site.log_out(token)
        async with asyncio.timeout(CLOSED_WITHIN):
            await asyncio.gather(by_token.wait_closed(), by_ticket.wait_closed(), gochat.wait_closed(), reader.read())
        figure(f"closed after {asyncio.get_running_loop().time() - began:.2f} s")

        codes = [socket.close_code for socket in (by_token, by_ticket, gochat)]
        assert codes == [disconnects.SESSION_ENDED.code] * 3
        await neighbour.send(json.dumps({"type": "ping", "id": 2}))
        assert await _fate(neighbour) == IN
        writer.close()
