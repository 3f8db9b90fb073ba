"""The api program: HTTP on one port, gRPC to logic."""

import os
import time
import uuid

from chatcluster.api import app
from chatcluster.api.backend import Backend
from chatcluster.api.limits import Limits
from chatcluster.api.server import Server, listen
from chatcluster.api.settings import Settings
from chatcluster.core import health, rpc, rpc_pool, runner
from chatcluster.core.environment import PREFIX, Cluster, WrongSetting
from chatcluster.core.rates import Table
from chatcluster.directory import choice


async def main(run: runner.Runner) -> None:
    """Serve until told to stop; then answer what is in flight."""
    settings, cluster = Settings.from_env(run.environ), Cluster.from_env(run.environ)
    readiness = health.Readiness()
    directory = choice.from_env(run.environ, "LOGIC")
    pool = rpc_pool.Pool(directory, rpc.LOGIC, cluster.secret, readiness.dependency("logic"))
    health_port = await health.serve(run, health.Settings.from_env(run.environ), readiness)
    server = _server(settings, pool)
    run.spawn(directory.follow(readiness), "directory")
    run.spawn(pool.run(), "logic")
    try:
        listener = listen(settings.host, settings.port)
    except OSError as exc:
        problem = f"is {settings.port}, which cannot be had at {settings.host} ({exc.strerror})"
        raise WrongSetting(PREFIX + "API_PORT", problem, "7070") from exc
    serving = run.spawn(server.serve([listener]), "http")
    run.report(health=health_port, http=listener.getsockname()[1])
    await run.stopping.wait()
    readiness.drain()
    server.stop()
    await serving


def _server(settings: Settings, pool: rpc_pool.Pool) -> Server:
    backend = Backend(pool, settings.deadlines, lambda: uuid.uuid4().hex)
    limits = Limits(Table(settings.messages, settings.sessions), settings.proxies, time.monotonic)
    asgi = app.build(backend, settings.bodies, limits, settings.gateways)
    return Server(asgi, settings.bounds, settings.drain)


if __name__ == "__main__":
    runner.run(main, "api", os.environ)
