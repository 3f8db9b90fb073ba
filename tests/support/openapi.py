"""Answers of the v1 routes, held to the OpenAPI document: every one that any test gets."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import httpx
import jsonschema

from chatcluster.api import openapi, shapes, v1
from chatcluster.api.backend import Backend
from chatcluster.api.bodies import Bodies
from chatcluster.api.limits import Limits
from chatcluster.api.operations import Operation

ELSEWHERE = {"no_such_path", "method"}
"""Codes of what is no operation."""


@cache
def operations() -> tuple[Operation, ...]:
    """All of them, over nothing."""
    nothing = cast("Backend", None), cast("Bodies", None), cast("Limits", None)
    return tuple(v1.operations(*nothing, shapes.Gateways([], [])))


@cache
def document() -> openapi.Document:
    """The document."""
    return openapi.document(operations(), "0")


def operation_of(request: httpx.Request) -> Mapping[str, Any] | None:
    """What the document says of a request's path and method."""
    path = request.url.raw_path.decode().partition("?")[0]
    for template, methods in document()["paths"].items():
        if re.fullmatch(re.sub(r"\\{[a-z]+\\}", "[^/]+", re.escape(template)), path):
            found: Mapping[str, Any] | None = methods.get(request.method.lower())
            return found
    return None


async def check(response: httpx.Response) -> None:
    """A hook for httpx: an answer of an operation has a status, a type and a body that the document knows."""
    operation = operation_of(response.request)
    await response.aread()
    if operation is None or (response.status_code >= 400 and response.json().get("code") in ELSEWHERE):
        return
    described = operation["responses"][str(response.status_code)]
    for name, header in described.get("headers", {}).items():
        assert name in response.headers or not header["required"], f"{operation['operationId']} answers without {name}"
    if "content" not in described:
        assert not response.content
        return
    media = response.headers["content-type"].partition(";")[0]
    if "json" in media:
        _validator(operation["operationId"], response.status_code, media).validate(json.loads(response.content))


@cache
def _validator(name: str, status: int, media: str) -> jsonschema.Draft202012Validator:
    (operation,) = [o for methods in document()["paths"].values() for o in methods.values() if o["operationId"] == name]
    schema = operation["responses"][str(status)]["content"][media]["schema"]
    return jsonschema.Draft202012Validator({**schema, "components": document()["components"]})
