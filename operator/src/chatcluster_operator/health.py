"""The operator's own HTTP: /metrics, /healthz, /readyz.

Owns the three routes. Does not own what readiness depends on: that comes in as a question.
"""

from collections.abc import Callable

import prometheus_client
from aiohttp import web

Question = Callable[[], str]
"""What keeps the operator from being ready; empty when nothing does."""


async def serve(host: str, port: int, problem: Question) -> web.AppRunner:
    """Serve from now on, until the runner that is returned is cleaned up."""

    async def metrics(_: web.Request) -> web.Response:
        problem()  # a scrape sees the watches' age as it is now
        return web.Response(
            body=prometheus_client.generate_latest(), headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST}
        )

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        said = problem()
        return web.Response(status=503 if said else 200, text=f"{said or 'ok'}\n")

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
