"""The proxy that tests cut connections with."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support import proxy
from support.proxy import Proxy


@pytest.fixture
async def through() -> AsyncIterator[Proxy]:
    """Yield a proxy to a server that sends every line back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(line)
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, proxy.running(server.sockets[0].getsockname()[1]) as through:
        yield through


async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send a line and return what comes back; nothing when the connection is gone."""
    writer.write(b"hello\n")
    try:
        return await reader.readline()
    except ConnectionError:
        return b""


async def test_it_carries(through: Proxy) -> None:
    """As long as nothing is wrong both ways are carried."""
    reader, writer = await asyncio.open_connection("127.0.0.1", through.port)

    assert await say(reader, writer) == b"hello\n"
    writer.close()


async def test_a_cut_resets_and_refuses_until_it_is_healed(through: Proxy) -> None:
    """Open connections end, new ones end at once, and after healing all is well."""
    reader, writer = await asyncio.open_connection("127.0.0.1", through.port)
    await say(reader, writer)

    through.cut()

    assert await asyncio.wait_for(say(reader, writer), 5) == b""
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", through.port)
    assert await asyncio.wait_for(say(reader, writer), 5) == b""
    writer.close()
    through.heal()
    reader, writer = await asyncio.open_connection("127.0.0.1", through.port)
    assert await say(reader, writer) == b"hello\n"
    writer.close()


async def test_a_stall_holds_everything_back(through: Proxy) -> None:
    """While it stalls nothing arrives and nothing breaks; healed, what was held back comes."""
    old = await asyncio.open_connection("127.0.0.1", through.port)
    await say(*old)
    through.stall()
    new = await asyncio.open_connection("127.0.0.1", through.port)
    answers = {asyncio.create_task(say(*old)), asyncio.create_task(say(*new))}

    _, waiting = await asyncio.wait(answers, timeout=0.2)
    assert waiting == answers
    through.heal()

    assert await asyncio.wait_for(asyncio.gather(*answers), 5) == [b"hello\n", b"hello\n"]
    for _, writer in (old, new):
        writer.close()
