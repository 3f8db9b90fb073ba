"""The command line as a person and a script use it: real processes, a real system, exit codes and output."""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatcluster.cli import credentials, exits
from chatcluster.cli.diagnosis import Finding, State, culprits
from chatcluster.cli.doctor import Doctor
from chatcluster.client.rest import Rest
from chatcluster.core import errors
from support import canaries, skew
from support.canaries import PASSWORD
from support.eventually import eventually
from support.servers import RedisServer
from support.system import Process, System, running

ORIGIN = "https://page.example"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its output, as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Person:
    """Somebody with a home directory of their own."""

    def __init__(self, home: Path, api: str) -> None:
        home.mkdir()
        self.session = home / "chatcluster" / "session.json"
        self.environ = {**os.environ, "XDG_CONFIG_HOME": str(home), "CHATCLUSTER_CLI_API": api, "NO_COLOR": "1"}

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start a command."""
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-P", "-m", "chatcluster", *arguments)
        return await asyncio.create_subprocess_exec(*command, env=self.environ, stdin=pipe, stdout=pipe, stderr=pipe)

    async def run(self, *arguments: str, stdin: str = "") -> Done:
        """Run a command to its end."""
        process = await self.start(*arguments)
        async with asyncio.timeout(90):
            out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        canaries.search(f"chatcluster {arguments}", err.decode())
        return Done(process.returncode, out.decode(), err.decode())


async def test_a_user_registers_talks_and_leaves(system: System, tmp_path: Path) -> None:
    """Each command does what it says, in words and in JSON, and the session is kept for its owner alone."""
    ann = Person(tmp_path / "ann", system.api_url)
    refused = await ann.run("send", "7", "too early")

    assert (refused.code, "chatcluster login" in refused.err) == (exits.NO_SESSION, True)

    registered = await ann.run("register", "ann", stdin=f"{PASSWORD}\n")

    assert registered.code == 0, registered.err
    assert ann.session.stat().st_mode & 0o777 == 0o600

    first = await ann.run("send", "7", "hello", "you", "--json")
    await ann.run("send", "7", stdin="from stdin\n")
    history = await ann.run("history", "7", "--json", "-n", "10")

    assert [line["text"] for line in history.lines] == ["hello you", "from stdin"]
    assert first.lines[0]["id"] == history.lines[0]["id"]
    assert (await ann.run("history", "7", "-n", "1")).out.endswith(" ann: from stdin\n")

    await ann.run("rooms", "--keep", "7")

    assert [line["room"] for line in (await ann.run("rooms", "--json")).lines] == ["room:7"]

    gateway = ("--gateway", system.websocket_url(0))
    load = await ann.run("bench", "--clients", "2", "--seconds", "1", "--rate", "2", "--json", *gateway)

    assert [(line["type"], line["events"]) for line in load.lines] == [("stored", 4), ("delivered", 8)]

    left = await ann.run("logout")

    assert left.code == 0, left.err
    assert not ann.session.exists()


async def test_a_room_is_followed_over_the_death_of_its_gateway(system: System, tmp_path: Path) -> None:
    """What was said before, while it listens, and after a SIGKILL comes once and in order; who is there sees it."""
    ann = Person(tmp_path / "ann", system.api_url)
    await ann.run("register", "ann", stdin=f"{PASSWORD}\n")
    await ann.run("send", "7", "before")
    gateways = [option for gateway in (0, 1) for option in ("--gateway", system.websocket_url(gateway))]
    listener = await ann.start("listen", "7", "--json", "-n", "5", "--count", "4", *gateways)
    assert listener.stdout

    first = json.loads(await asyncio.wait_for(listener.stdout.readline(), 60))

    assert first["text"] == "before"
    await eventually(lambda: _is_in(ann), within=60)

    await ann.run("send", "7", "while")
    await system.connect[0].kill()
    for text in ("after", "last"):
        await ann.run("send", "7", text)
    rest, _ = await asyncio.wait_for(listener.communicate(), 60)

    assert [json.loads(line)["text"] for line in rest.splitlines()] == ["while", "after", "last"]
    assert listener.returncode == 0


async def _is_in(person: Person) -> bool:
    return bool((await person.run("who", "7", "--json")).lines[0]["count"] == 1)


async def test_what_is_refused_is_told_with_what_to_do(system: System, tmp_path: Path) -> None:
    """Exit codes tell refusals from what is away; passwords are never taken from the command line."""
    bob = Person(tmp_path / "bob", system.api_url)
    await bob.run("register", "bob", stdin=f"{PASSWORD}\n")

    taken = await bob.run("register", "bob", stdin="other\n")
    wrong = await bob.run("login", "bob", stdin="other\n")
    empty = await bob.run("login", "bob")
    option = await bob.run("login", "bob", "--password", "secret")
    room = await bob.run("send", "a b", "hi")
    bob.environ["CHATCLUSTER_CLI_API"] = "http://127.0.0.1:1"
    away = await bob.run("login", "bob", stdin=f"{PASSWORD}\n")
    foreign = await bob.run("history", "7")

    assert [each.code for each in (taken, wrong, empty, option, room)] == [1, 1, 1, exits.USAGE, 1]
    assert "login" in taken.err
    assert "register" in wrong.err
    assert (away.code, "doctor" in away.err) == (exits.AWAY, True)
    assert (foreign.code, "not of http://127.0.0.1:1" in foreign.err) == (exits.NO_SESSION, True)


async def test_up_runs_the_supervisor(tmp_path: Path) -> None:
    """Its settings are the supervisor's, and so are its refusals."""
    person = Person(tmp_path / "ann", "")
    person.environ["CHATCLUSTER_LOCAL_API_PORT"] = "80"
    refused = await person.run("up")

    assert refused.code == 2
    assert "CHATCLUSTER_LOCAL_API_PORT" in refused.err


async def test_the_doctor_names_the_culprit(tmp_path: Path) -> None:
    """Whatever is taken away is named, and once it is back all is well."""
    environ = {"CHATCLUSTER_CONNECT_ALLOWED_ORIGINS": ORIGIN}
    async with running(tmp_path / "system", counts=(1, 1, 2, 1), environ=environ) as system:
        doctor = await _doctor(system)

        assert [each for each in await _examined(doctor) if each.state is not State.OK] == []

        doctor.gateways, gateways = (), doctor.gateways
        assert [each.check for each in await _examined(doctor) if each.state is State.UNKNOWN] == [
            "gateways",
            "delivery",
        ]
        doctor.gateways = gateways

        await system.connect[1].kill()
        assert await _blamed(doctor) == [f"gateway {system.websocket_url(1)}"]
        await system.connect[1].start()

        await system.task[0].kill()
        assert await _blamed(doctor) == ["task"]
        await system.task[0].start()

        doctor.origin = "https://elsewhere.example"
        await eventually(lambda: _is_blamed(doctor, ["origin"]), within=60)
        doctor.origin = ORIGIN

        await system.logic[0].kill()
        assert await _blamed(doctor) == ["logic"]
        await system.logic[0].start()

        await system.redis.kill()
        await eventually(lambda: _is_blamed(doctor, ["Redis"]), within=60)

        await system.api[0].kill()
        assert await _blamed(doctor) == ["api"]


async def test_the_doctor_names_who_hangs(tmp_path: Path) -> None:
    """A program that is there and answers nothing is named as well, and once it goes on all is well."""
    async with running(tmp_path / "system", counts=(1, 1, 2, 1)) as system:
        doctor = await _doctor(system)
        hanging: list[tuple[Process | RedisServer, str]] = [
            (system.connect[1], f"gateway {system.websocket_url(1)}"),
            (system.task[0], "task"),
            (system.logic[0], "logic"),
            (system.redis, "Redis"),
            (system.api[0], "api"),
        ]
        for program, culprit in hanging:
            program.pause()
            assert await _blamed(doctor) == [culprit]
            program.resume()
            await eventually(lambda: _is_blamed(doctor, []), within=60)


async def test_the_doctor_names_the_clock_that_is_wrong(tmp_path: Path) -> None:
    """Seen through relays that shift what one program says of the time; and by a machine that is wrong itself."""
    async with running(tmp_path / "system", counts=(1, 1, 2, 1)) as system:
        doctor = await _doctor(system)
        api, gateways = doctor.api, [*doctor.gateways]
        async with (
            skew.api(api, own=60) as early_api,
            skew.api(api, redis=-60) as late_redis,
            skew.gateway(gateways[1], own=60) as early_gateway,
        ):
            doctor.api = early_api
            assert await _blamed(doctor) == ["the clock of api"]
            doctor.api = late_redis
            assert await _blamed(doctor) == ["the clock of Redis"]
            doctor.api, doctor.gateways = api, [gateways[0], early_gateway]
            assert await _blamed(doctor) == [f"the clock of {early_gateway}"]
        doctor.gateways = gateways
        doctor.offsets.clear()
        assert await _blamed(doctor) == []
        doctor.clock = lambda: time.time() - 60
        assert await _blamed(doctor) == ["the clock of this machine"]


async def test_the_doctor_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    """A script sees that somebody is to blame, and a person whom and what to do."""
    person = Person(tmp_path / "ann", "http://127.0.0.1:1")
    found = await person.run("doctor")

    assert found.code == exits.UNHEALTHY
    assert "Culprit: api" in found.out


async def test_a_session_is_never_sent_to_another_api(tmp_path: Path) -> None:
    """The token stays where it was opened."""
    person = Person(tmp_path / "ann", "http://127.0.0.1:1")
    credentials.save(person.session, credentials.Profile("http://127.0.0.1:2", "token", 1, "ann", 9))
    refused = await person.run("who", "7")

    assert refused.code == exits.NO_SESSION
    assert "http://127.0.0.1:2" in refused.err


async def test_nothing_of_the_http_library_leaves_the_client() -> None:
    """Nobody there, no address, and another kind of server are errors of this product."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    other = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        for url, match in (("http://127.0.0.1:1", "no api"), ("nonsense", "no api"), (other, "not ChatCluster's")):
            async with Rest(url, "token") as rest:
                with pytest.raises(errors.ChatError, match=match):
                    await rest.gateways()
            assert await _blamed(Doctor(url)) == ["api"]


async def _doctor(system: System) -> Doctor:
    async with Rest(system.api_url) as rest:
        opened = await rest.register("ann", "secret")
    gateways = [system.websocket_url(0), system.websocket_url(1)]
    return Doctor(system.api_url, opened.token, opened.user.id, gateways, ORIGIN)


async def _examined(doctor: Doctor) -> list[Finding]:
    return [finding async for finding in doctor.examine()]


async def _blamed(doctor: Doctor) -> list[str]:
    return culprits(await _examined(doctor))


async def _is_blamed(doctor: Doctor, expected: list[str]) -> bool:
    assert await _blamed(doctor) == expected
    return True
