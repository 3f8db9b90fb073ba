"""The logic program: gRPC for api and the gateways, over Redis."""

import base64
import os
import secrets
import time
from dataclasses import dataclass

import grpc

from chatcluster.accounts.redis import RedisAccounts
from chatcluster.bookmarks.redis import RedisBookmarks
from chatcluster.core import addresses, health, redis, rpc_server, runner
from chatcluster.core.environment import PREFIX, Cluster, WrongSetting
from chatcluster.core.rates import Rate, Table
from chatcluster.log.log import Limits
from chatcluster.log.redis import RedisLog
from chatcluster.log.settings import Settings as LogSettings
from chatcluster.logic import (
    authentication,
    gateways,
    hints,
    marks,
    members,
    publishing,
    reading,
    rooms,
    service,
    sessions,
    tickets,
)
from chatcluster.logic.passwords import Passwords
from chatcluster.logic.settings import Settings
from chatcluster.presence.redis import RedisPresence
from chatcluster.v1 import logic_pb2_grpc

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Ports:
    accounts: RedisAccounts
    bookmarks: RedisBookmarks
    presence: RedisPresence
    log: RedisLog


async def main(run: runner.Runner) -> None:
    """Serve until told to stop; then be unready, and answer what is in flight."""
    settings, cluster = Settings.from_env(run.environ), Cluster.from_env(run.environ)
    bounds = LogSettings.from_env(run.environ)
    client = redis.Client(redis.Settings.from_env(run.environ))
    log = RedisLog(client, cluster.key_prefix, bounds.shards, bounds.limits)
    hashes = Passwords(settings.cost)
    ports = _Ports(
        RedisAccounts(client, cluster.key_prefix),
        RedisBookmarks(client, cluster.key_prefix),
        RedisPresence(client, cluster.key_prefix, bounds.shards),
        log,
    )
    logic = service.LogicService(_domain(settings, bounds.limits, ports, hashes))
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


def _domain(settings: Settings, limits: Limits, ports: _Ports, hashes: Passwords) -> service.Domain:
    opened = sessions.Sessions(ports.accounts, ports.log)
    told = hints.Hints(opened, ports.log, Table(_hint_rate(settings), hints.ROOMS), time.monotonic)
    read = marks.Marks(opened, ports.bookmarks, ports.log, told)
    return service.Domain(
        authentication.Authentication(ports.accounts, hashes, settings.policy, _new_token, opened),
        opened,
        tickets.Tickets(opened, ports.accounts, lambda: secrets.token_urlsafe(TOKEN_BYTES)),
        publishing.Publishing(opened, ports.accounts, ports.log, settings.bounds),
        reading.Reading(opened, ports.log, settings.answer_bytes),
        members.Members(opened, ports.accounts, ports.presence, ports.log, settings.presence_rate),
        told,
        read,
        rooms.Conversations(opened, ports.accounts, read, ports.log, settings.answer_bytes),
        rooms.Rooms(opened, ports.bookmarks, read, ports.log, limits.rooms_per_user),
        gateways.Gateways(ports.presence, ports.log, settings.answer_bytes),
    )


def _hint_rate(settings: Settings) -> Rate:
    return Rate(settings.hint_rate, 2 * settings.hint_rate)


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
