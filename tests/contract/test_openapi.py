"""The OpenAPI document and the api agree: on routes, on parameters, and on what bodies may hold."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request

from chatcluster.api import shapes, v1
from chatcluster.api.backend import Backend, Deadlines
from chatcluster.api.bodies import Bodies
from chatcluster.api.limits import Limits
from chatcluster.api.operations import Operation
from chatcluster.core.proxies import Proxies
from chatcluster.core.rates import Rate, Table
from support import api as support, openapi
from support.api import Api, bearer

NAMES = [operation.name for operation in openapi.operations()]
PATH = {"room": "room:7", "user": "1", "id": "current"}
BODIES: Mapping[Any, bytes] = {
    shapes.Credentials: b'{"name":"bob","password":"pw1"}',
    shapes.Draft: b'{"text":"hi"}',
    shapes.Mark: b'{"epoch":"","offset":0}',
}
OF_EVERY_REQUEST = {"authorization", "content-type", "content-length", "x-forwarded-for"}


class Asked(QueryParams):
    """A query that remembers what was looked for in it."""

    def __init__(self) -> None:
        super().__init__("")
        self.names: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    def get(self, name: Any, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("who takes all that is there cannot be described")


class AskedHeaders(Headers):
    """Headers that remember what was looked for in them."""

    def remember(self) -> set[str]:
        """Begin; what they remember."""
        self.names: set[str] = set()
        return self.names

    def get(self, name: Any, default: Any = None) -> Any:
        self.names.add(name.lower())
        return super().get(name, default)

    def getlist(self, name: str) -> list[str]:
        self.names.add(name.lower())
        return super().getlist(name)


class Observed(Request):
    """A request that remembers what was looked for in its query and headers."""

    def __init__(self, operation: Operation, token: str) -> None:
        body = BODIES.get(operation.body, b"")
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
        scope = {"type": "http", "headers": headers, "path_params": PATH, "client": ("127.0.0.1", 1)}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        super().__init__(scope, receive)
        self.query = Asked()
        self.seen = AskedHeaders(raw=headers)
        self.header_names = self.seen.remember()

    @property
    def query_params(self) -> QueryParams:
        return self.query

    @property
    def headers(self) -> Headers:
        return self.seen


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """An api over logic's domain in memory."""
    async with support.running() as running:
        yield running


def table(api: Api) -> dict[str, Operation]:
    """The operations over an api's own logic."""
    limits = Limits(Table(Rate(1e6, 1_000), 100), Proxies(), api.world.clock)
    backend = Backend(api.logic, Deadlines(), lambda: "drawn")
    return {o.name: o for o in v1.operations(backend, Bodies(65_536, 5), limits, shapes.Gateways([], []))}


async def test_every_route_is_in_the_document(api: Api) -> None:
    """A path of it answers to its methods, and to no other; a path beside it is none."""
    for path, methods in openapi.document()["paths"].items():
        filled = re.sub(r"{([a-z]+)}", lambda part: PATH[part[1]], path)
        response = await api.client.request("BREW", filled)
        assert response.status_code == 405
        assert set(response.headers["allow"].lower().split(", ")) - {"head"} == set(methods)
        assert (await api.client.get(f"{filled}/x/y/z")).json()["code"] == "no_such_path"


@pytest.mark.parametrize("name", NAMES)
async def test_what_an_operation_looks_at_is_in_the_document(api: Api, name: str) -> None:
    """Every parameter in query and headers, and none besides."""
    operation = table(api)[name]
    token = await api.register("alice" if operation.public else "bob")
    if name == "logIn":
        await api.register("bob")
    request = Observed(operation, token)

    response = await operation.handle(request)

    described = {(p.place, p.name.lower()) for p in operation.parameters if p.place != "path"}
    looked = {("query", name) for name in request.query.names}
    looked |= {("header", name) for name in request.header_names - OF_EVERY_REQUEST}
    assert response.status_code in operation.answers
    assert looked == described


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"endSession", "endSessions"}])
async def test_the_bounds_of_parameters_hold(api: Api, name: str) -> None:
    """What the document allows is taken, and what it does not is refused."""
    operation = table(api)[name]
    token = await api.register("alice")
    for parameter in operation.parameters:
        if parameter.place == "query" and "maximum" in parameter.schema:
            for value, known in ((parameter.schema["maximum"], True), (parameter.schema["maximum"] + 1, False)):
                epoch = {} if parameter.name == "limit" else {"epoch": ""}
                path = re.sub(r"{([a-z]+)}", lambda part: PATH[part[1]], operation.path)
                query = {parameter.name: value, **epoch}
                response = await api.client.request(operation.method, path, params=query, headers=bearer(token))
                assert (response.status_code != 400) == known


@pytest.mark.parametrize("shape", BODIES)
async def test_a_body_with_a_field_that_nobody_knows_is_refused(shape: Any) -> None:
    """As its schema says."""
    schema = openapi.document()["components"]["schemas"][shape.__name__]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(shape.__struct_fields__)
