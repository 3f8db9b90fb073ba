"""Programs whose clocks are wrong, as whoever asks sees it: relays to a real api and a real gateway which shift the
times in what those answer.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp import web

from chatcluster.client.transport import SUBPROTOCOL


@asynccontextmanager
async def api(url: str, *, own: float = 0.0, redis: float = 0.0) -> AsyncIterator[str]:
    """Yield the address of an api whose own clock, or the one of the Redis behind it, is so many seconds ahead."""

    async def relay(request: web.Request) -> web.Response:
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        async with (
            aiohttp.ClientSession(url) as session,
            session.request(request.method, request.path_qs, data=await request.read(), headers=headers) as answer,
        ):
            date = parsedate_to_datetime(answer.headers["Date"]).timestamp() + own
            return web.json_response(
                _shifted(json.loads(await answer.read() or b"{}"), redis),
                status=answer.status,
                headers={"Date": formatdate(date, usegmt=True)},
            )

    async with _serving(relay) as port:
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def gateway(url: str, *, own: float) -> AsyncIterator[str]:
    """Yield the address of a gateway whose clock is so many seconds ahead."""

    async def relay(request: web.Request) -> web.WebSocketResponse:
        near = web.WebSocketResponse(protocols=[SUBPROTOCOL])
        await near.prepare(request)
        async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=[SUBPROTOCOL]) as far:
            asking = asyncio.create_task(_carry(near, far, 0.0))
            await _carry(far, near, own)
            asking.cancel()
        return near

    async with _serving(relay) as port:
        yield f"ws://127.0.0.1:{port}/ws"


async def _carry(source: Any, target: Any, seconds: float) -> None:
    async for message in source:
        await target.send_json(_shifted(json.loads(message.data), seconds))
    await target.close()


def _shifted(frame: dict[str, Any], seconds: float) -> dict[str, Any]:
    return frame | {name: frame[name] + round(seconds * 1000) for name in ("time_ms",) if name in frame}


@asynccontextmanager
async def _serving(relay: Any) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", relay)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
