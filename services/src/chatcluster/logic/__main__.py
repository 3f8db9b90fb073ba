"""The logic program: gRPC for api and the gateways, over Redis."""

import base64
import os
import secrets

import grpc

from chatcluster.accounts.redis import RedisAccounts
from chatcluster.core import addresses, health, redis, rpc_server, runner
from chatcluster.core.environment import PREFIX, Cluster, WrongSetting
from chatcluster.log.redis import RedisLog
from chatcluster.log.settings import Settings as LogSettings
from chatcluster.logic import authentication, gateways, members, publishing, reading, service, sessions
from chatcluster.logic.passwords import Passwords
from chatcluster.logic.settings import Settings
from chatcluster.presence.redis import RedisPresence
from chatcluster.v1 import logic_pb2_grpc

TOKEN_BYTES = 32


async def main(run: runner.Runner) -> None:
    """Serve until told to stop; then be unready, and answer what is in flight."""
    settings, cluster = Settings.from_env(run.environ), Cluster.from_env(run.environ)
    bounds = LogSettings.from_env(run.environ)
    client = redis.Client(redis.Settings.from_env(run.environ))
    log = RedisLog(client, cluster.key_prefix, bounds.shards, bounds.limits)
    hashes = Passwords(settings.cost)
    accounts = RedisAccounts(client, cluster.key_prefix)
    presence = RedisPresence(client, cluster.key_prefix, bounds.shards)
    logic = service.LogicService(_domain(settings, hashes, accounts, presence, log))
    readiness = health.Readiness()
    run.spawn(client.follow(readiness.dependency("redis")), "redis")
    run.spawn(log.watch(), "redis-memory")
    health_port = await health.serve(run, health.Settings.from_env(run.environ), readiness)
    server, port = await _serve(settings, logic, cluster.secret, readiness)
    run.report(health=health_port, grpc=port)
    await run.stopping.wait()
    readiness.drain()
    await server.stop(settings.drain)
    hashes.close()
    await client.aclose()


def _domain(
    settings: Settings, hashes: Passwords, accounts: RedisAccounts, presence: RedisPresence, log: RedisLog
) -> service.Domain:
    opened = sessions.Sessions(accounts, log)
    return service.Domain(
        authentication.Authentication(accounts, hashes, settings.policy, _new_token),
        opened,
        publishing.Publishing(opened, accounts, log, settings.bounds),
        reading.Reading(opened, log, settings.answer_bytes),
        members.Members(opened, accounts, presence, log, settings.presence_rate),
        gateways.Gateways(presence, log, settings.answer_bytes),
    )


async def _serve(
    settings: Settings, logic: service.LogicService, secret: str, readiness: health.Readiness
) -> tuple[grpc.aio.Server, int]:
    def register(server: grpc.aio.Server) -> None:
        logic_pb2_grpc.add_LogicServiceServicer_to_server(logic, server)

    try:
        address = addresses.joined(settings.host, settings.port)
        return await rpc_server.serve([register], address, secret, readiness)
    except RuntimeError as exc:
        problem = f"is {settings.port}, where {settings.host} cannot be listened on: {exc}"
        raise WrongSetting(f"{PREFIX}LOGIC_PORT", problem, "6900") from exc


def _new_token() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(TOKEN_BYTES)).decode()


if __name__ == "__main__":
    runner.run(main, "logic", os.environ)
