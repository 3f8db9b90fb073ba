"""The client's REST calls against whatever may answer at the api's address."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chatcluster.client.failures import NotTheApi
from chatcluster.client.rest import Rest


@asynccontextmanager
async def answering(document: Any) -> AsyncIterator[Rest]:
    """Yield the client of a server that answers everything with this document."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=json.dumps(document), content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server, Rest(str(server.make_url("/"))) as rest:
        yield rest


async def test_an_answer_of_many_pieces_is_read_to_its_end() -> None:
    """However large it is, up to 4 MiB."""
    document = {"text": "x" * 3 * 2**20}
    async with answering(document) as rest:
        assert await rest.call("GET", "/v1/rooms") == document


async def test_what_is_too_large_is_not_the_api() -> None:
    """Whoever sends it."""
    async with answering({"text": "x" * 5 * 2**20}) as rest:
        with pytest.raises(NotTheApi, match="more than 4194304 bytes"):
            await rest.call("GET", "/v1/rooms")


@pytest.mark.parametrize("document", [{"token": 7}, {}, ["token"]])
async def test_json_of_another_shape_is_not_the_api(document: Any) -> None:
    """It is an error that callers know, like all others."""
    async with answering(document) as rest:
        with pytest.raises(NotTheApi):
            await rest.log_in("ada", "a password")
