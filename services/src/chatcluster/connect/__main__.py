"""A gateway as a program: `python -m chatcluster.connect`."""

import os

import grpc

from chatcluster.connect import deliver
from chatcluster.connect.drain import drain
from chatcluster.connect.gateway import Gateway
from chatcluster.connect.settings import Settings
from chatcluster.core import addresses, environment, health, rpc, rpc_pool, rpc_server, runner
from chatcluster.directory import choice
from chatcluster.log import settings as log_settings

DELIVER_GRACE = 1.0
"""Seconds for a Deliver that is under way when everything else has ended."""


async def main(run: runner.Runner) -> None:
    """Serve until SIGTERM, then drain."""
    settings = Settings.from_env(run.environ)
    cluster = environment.Cluster.from_env(run.environ)
    shards = log_settings.Settings.from_env(run.environ).shards
    readiness = health.Readiness()
    directory = choice.from_env(run.environ, "LOGIC")
    logic = rpc_pool.Pool(directory, rpc.LOGIC, cluster.secret, readiness.dependency("logic"))
    gateway = Gateway(settings, deliver.Cluster(cluster.name, shards), logic, readiness, run.spawn)
    health_port = await health.serve(run, health.Settings.from_env(run.environ), readiness)
    server, port = await _serve(settings, gateway, cluster.secret, readiness)
    run.spawn(directory.follow(readiness), "directory")
    run.spawn(logic.run(), "logic")
    ports = await gateway.start(settings.address or addresses.joined(settings.host, port))
    run.report(websocket=ports.websocket, tcp=ports.tcp, grpc=port, health=health_port)
    await run.stopping.wait()
    await drain(gateway, settings.drain)
    await server.stop(DELIVER_GRACE)


async def _serve(
    settings: Settings, gateway: Gateway, secret: str, readiness: health.Readiness
) -> tuple[grpc.aio.Server, int]:
    address = addresses.joined(settings.host, settings.grpc_port)
    try:
        return await rpc_server.serve([gateway.register], address, secret, readiness)
    except RuntimeError as exc:
        problem = f"is {settings.grpc_port}, where {settings.host} cannot be listened on: {exc}"
        raise environment.WrongSetting(f"{environment.PREFIX}CONNECT_GRPC_PORT", problem, "0") from exc


if __name__ == "__main__":
    runner.run(main, "connect", os.environ)
