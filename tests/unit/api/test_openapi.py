import json

import httpx
import jsonschema
import pytest

from chatcluster.api import openapi
from support import openapi as support
from support.openapi import document, operations

BY_NAME = {operation.name: operation for operation in operations()}


def answer(method: str, path: str, status: int, content: object) -> httpx.Response:
    """What an api might answer."""
    request = httpx.Request(method, f"http://api{path}")
    media = "application/problem+json" if status >= 400 else "application/json"
    body = json.dumps(content).encode()
    return httpx.Response(status, content=body, headers={"content-type": media}, request=request)


def test_every_operation_is_in_the_document() -> None:
    """Under its path and method, with all that it may answer."""
    found = {(m, p): o for p, methods in document()["paths"].items() for m, o in methods.items()}

    assert found.keys() == {(operation.method.lower(), operation.path) for operation in operations()}
    for operation in operations():
        described = found[operation.method.lower(), operation.path]
        statuses = {str(status) for status in (*operation.answers, *openapi.refusals_of(operation))}
        assert (described["operationId"], set(described["responses"])) == (operation.name, statuses)
        assert ("requestBody" in described) == (operation.body is not None)
        assert bool(described["security"]) == (not operation.public)


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("getMe", {401: ["session"], 500: ["internal"], 503: ["busy", "unavailable"], 504: ["outcome_unknown"]}),
        ("getDocs", {}),
        (
            "logIn",
            {
                400: ["invalid"],
                401: ["wrong_credentials"],
                408: ["body_too_slow"],
                413: ["body_too_large"],
                415: ["media_type"],
                429: ["rate_limited"],
                500: ["internal"],
                503: ["busy", "unavailable"],
                504: ["outcome_unknown"],
            },
        ),
    ],
)
def test_refusals_follow_from_what_an_operation_takes(name: str, codes: dict[int, list[str]]) -> None:
    """A session, a body, parameters; and what it says itself."""
    assert openapi.refusals_of(BY_NAME[name]) == codes


def test_schemas_are_schemas_and_complete() -> None:
    """Each can be used, and whatever one refers to is there."""
    components = document()["components"]["schemas"]
    for schema in components.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    names = {name.rpartition("/")[2] for name in _references(document())}
    assert names == components.keys()


def _references(node: object) -> set[str]:
    if isinstance(node, dict):
        return {value for key, value in node.items() if key == "$ref"} | _references(list(node.values()))
    return {found for part in node for found in _references(part)} if isinstance(node, list) else set()


async def test_an_answer_that_is_not_in_the_document_is_noticed() -> None:
    """By every test that gets one: a status, a field, a code."""
    me = {"user": {"id": 1, "name": "ann"}, "expires_ms": 1}
    problem = {"type": "about:blank", "title": "x", "status": 409, "code": "name_taken", "detail": "x"}
    await support.check(answer("GET", "/v1/me", 200, me))
    await support.check(answer("POST", "/v1/accounts", 409, problem))

    with pytest.raises(KeyError):
        await support.check(answer("GET", "/v1/me", 418, me))
    for wrong in (
        answer("GET", "/v1/me", 200, {**me, "user": {"id": "1", "name": "ann"}}),
        answer("GET", "/v1/me", 200, {"user": me["user"]}),
        answer("POST", "/v1/accounts", 409, {**problem, "code": "too_many_rooms"}),
    ):
        with pytest.raises(jsonschema.ValidationError):
            await support.check(wrong)
    with pytest.raises(AssertionError):
        await support.check(answer("GET", "/v1/me", 503, problem))
