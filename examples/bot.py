"""A bot for room 1. Beside `make up`: BOT_PASSWORD=... python examples/bot.py NAME (who has registered before)."""

import asyncio
import os
import sys

from chatcluster.client import Client, items
from chatcluster.client.rest import Rest

API = os.environ.get("CHATCLUSTER_CLI_API", "http://127.0.0.1:7070")


async def main(name: str, password: str) -> None:
    """Answer each !ping once, until Ctrl-C, whatever happens to connections and gateways."""
    async with Rest(API) as rest:
        token = (await rest.log_in(name, password)).token
    async with Rest(API, token) as rest:
        gateways = await rest.gateways()
    async with Client.connect(gateways, token=token) as chat:
        room = await chat.join("room:1")
        async for item in room:
            if isinstance(item, items.Message) and item.text == "!ping":
                await room.send(f"pong, {item.sender.name}", message_id=f"pong-{item.position.offset}")


asyncio.run(main(sys.argv[1], os.environ["BOT_PASSWORD"]))
