"""Redis' append-only file, written anew after every start of the server.

Owns that one command. A server that was cut off in the middle of a transaction drops it when it starts again, but
Redis 7.0 leaves the transaction's beginning in the file, and runs that at the start after the next. The managed Redis
of a cluster does the same when its container starts.
"""

import asyncio

PATIENCE = 60.0
"""Seconds until it is given up: the file is as good as it was."""
_PAUSE = 0.2
_ANSWER_TIMEOUT = 5.0
_UNDER_WAY = (b"+Background", b"-ERR Background")
"""How the server says that it writes the file anew, or is about to, or did so already when it was asked."""


async def rewrite(port: int, password: str) -> bool:
    """Have the server on this port write its file anew as soon as it serves; whether it does."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                if await _is_under_way(port, password):
                    return True
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        return False


async def _is_under_way(port: int, password: str) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                # Inline commands: https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands
                writer.write(f"AUTH {password}\r\nBGREWRITEAOF\r\n".encode())
                await reader.readline()
                return (await reader.readline()).startswith(_UNDER_WAY)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
