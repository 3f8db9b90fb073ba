"""Redis behind a Sentinel: the master is found, and followed when it is another one."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from chatcluster.core import errors, redis
from chatcluster.core.redis_settings import Mode, Settings
from chatcluster.local.children import die_with
from chatcluster.local.redis import Server
from chatcluster.log.redis import RedisLog
from support import ports
from support.eventually import eventually
from support.servers import PASSWORD, RedisServer, running
from support.talk import PLENTY, ROOM, bodies, draft, post, read

MASTER = "mymaster"


@asynccontextmanager
async def sentinel(program: Server, folder: Path, master: RedisServer) -> AsyncIterator[int]:
    """Run a Sentinel that watches a master and decides alone; its port."""
    folder.mkdir()
    configuration = folder / "sentinel.conf"
    with ports.reserved() as port, (folder / "sentinel.log").open("wb") as out:
        lines = (
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {MASTER} 127.0.0.1 {master.port} 1",
            f"sentinel auth-pass {MASTER} {PASSWORD}",
            f"sentinel down-after-milliseconds {MASTER} 2000",
        )
        configuration.write_text("".join(f"{line}\n" for line in lines))
        process = await asyncio.create_subprocess_exec(
            *(program.program, configuration, "--sentinel"),
            stdout=out,
            stderr=out,
            preexec_fn=partial(die_with, os.getpid()),
        )
        try:
            await eventually(lambda: _knows_a_replica(port), within=30, what="a Sentinel that knows the replica")
            yield port
        finally:
            process.kill()
            await process.wait()


async def _knows_a_replica(port: int) -> bool:
    async with Redis(port=port, decode_responses=True) as raw:
        try:
            replicas = await raw.execute_command("SENTINEL", "REPLICAS", MASTER)
        except RedisError:
            return False
        return bool(replicas) and "ok" in str(await raw.execute_command("SENTINEL", "CKQUORUM", MASTER)).lower()


async def test_a_failover_is_followed(redis_program: Server, tmp_path: Path) -> None:
    """The new master has an epoch of its own; what it has of the old one's is told as kept, and nothing is doubled."""
    async with (
        running(redis_program, tmp_path / "one", {"masterauth": PASSWORD}) as one,
        running(redis_program, tmp_path / "two", {"masterauth": PASSWORD, "replicaof": f"127.0.0.1 {one.port}"}) as two,
        sentinel(redis_program, tmp_path / "sentinel", one) as port,
    ):
        nodes = (("127.0.0.1", port),)
        client = redis.Client(Settings(nodes=nodes, mode=Mode.SENTINEL, password=PASSWORD, sentinel_master=MASTER))
        found = RedisLog(client, "chat:test", 4, PLENTY)
        await client.check()
        first = (await post(found, ROOM, "a"))[0]
        async with one.client() as raw:
            assert await raw.wait(1, 10_000) == 1

        async with Redis(port=port) as raw:
            await eventually(lambda: _fail_over(raw), within=20, what="a Sentinel that is willing")
        await eventually(lambda: _is_later(found, first.epoch), within=30, what="the new master")
        await eventually(lambda: _publish(found), within=30, what="a master that writes")

        async with two.client() as raw:
            assert (await raw.info("replication"))["role"] == "master"
        history = await read(found, ROOM, first)
        assert (history.recovered, bodies(history)) == (True, ["b"])
        await client.aclose()


async def _fail_over(raw: Redis) -> bool:
    try:
        await raw.execute_command("SENTINEL", "FAILOVER", MASTER)
    except RedisError:
        return False
    return True


async def _is_later(found: RedisLog, epoch: str) -> bool:
    return (await read(found, ROOM)).position.epoch > epoch


async def _publish(found: RedisLog) -> bool:
    """Publish a message, always under the same id."""
    try:
        await found.publish(draft(ROOM, "b"))
    except (errors.Busy, errors.OutcomeUnknown):
        return False
    return True
