import re
from typing import Any, cast

import pytest

from chatcluster.api import operations, shapes, v1
from chatcluster.api.backend import Backend
from chatcluster.api.bodies import Bodies
from chatcluster.api.limits import Limits
from support.api import Api, problem

NOBODY = cast("Backend", None), cast("Bodies", None), cast("Limits", None)
OPERATIONS = v1.operations(*NOBODY, shapes.Gateways([], []))
PRIVATE = [pytest.param(operation, id=operation.name) for operation in OPERATIONS if not operation.public]
BODIES: dict[Any, Any] = {shapes.Draft: {"text": "hi"}, shapes.Mark: {"epoch": "e", "offset": 1}}


@pytest.mark.parametrize("operation", PRIVATE)
@pytest.mark.parametrize("header", [None, "Bearer x", "Bearer " + "A" * 43 + "=", "Basic dTpw"])
async def test_every_operation_wants_a_session(api: Api, operation: operations.Operation, header: str | None) -> None:
    """401 with a challenge; only those that open a session are public."""
    response = await api.client.request(
        operation.method,
        re.sub(r"{[a-z]+}", "1", operation.path),
        headers={"authorization": header} if header else {},
        json=BODIES.get(operation.body),
    )
    assert problem(response) == (401, "session")
    assert response.headers["www-authenticate"].startswith('Bearer realm="chatcluster"')


def test_only_what_opens_a_session_is_public() -> None:
    """And what says how; everything else is some user's."""
    public = {operation.name for operation in OPERATIONS if operation.public}
    assert public == {"register", "logIn", "getOpenapi", "getDocs", "getAsyncapi"}


def test_operations_are_told_apart() -> None:
    """By method and path, and by the name under which generated clients have them."""
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)


def test_a_path_is_described_whole() -> None:
    """Each of its parts is a parameter of the operation."""
    for operation in OPERATIONS:
        parts = set(re.findall(r"{([a-z]+)}", operation.path))
        assert parts == {parameter.name for parameter in operation.parameters if parameter.place == "path"}
