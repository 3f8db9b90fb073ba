"""The real programs as tests start them: that they come up together, report where they are, and can be hurt."""

from pathlib import Path

import httpx

from chatcluster.local.redis import Server
from support import system as systems
from support.eventually import eventually
from support.system import System


async def registers(system: System, name: str) -> bool:
    """Whether a user can be registered through api, logic and Redis."""
    async with httpx.AsyncClient(base_url=system.api_url, trust_env=False, timeout=30) as client:
        response = await client.post("/user/register", json={"userName": name, "passWord": "secret"})
        return bool(response.json()["code"] == 0)


async def test_a_cluster_comes_up_and_goes_down_over_each_server(redis_program: Server, tmp_path: Path) -> None:
    """Over every real server of this machine one of each program gets ready, serves, is measured, and ends with 0."""
    async with systems.running(tmp_path, program=redis_program, counts=(1, 1, 1, 1)) as system:
        assert await registers(system, "ada")
        for process in system.processes:
            assert await process.metric("chat_build_info", component=process.name.split("-")[0]) == 1
            assert process.resident_bytes() > 2**20

        codes = [await process.stop() for process in system.processes]

        assert codes == [0, 0, 0, 0]
        assert "Traceback" not in systems.logged(system.processes)


async def test_killed_programs_come_back_where_they_were(system: System) -> None:
    """After a SIGKILL each program is ready again on the same ports, and the cluster serves."""
    for process in (system.logic[0], system.task[0], system.connect[0], system.api[0]):
        ports = process.ports
        await process.kill()

        await process.start()

        assert process.ports == ports
    await system.ready()
    assert await registers(system, "ada")


async def test_a_logic_that_hangs_is_passed_by(system: System) -> None:
    """While one logic is held, the api goes on by the other one."""
    system.logic[0].pause()

    await eventually(lambda: registers(system, "ada"), within=40)

    system.logic[0].resume()
