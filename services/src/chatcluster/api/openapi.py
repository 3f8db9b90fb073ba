"""The OpenAPI document: what the operations say of themselves, in the form that tools read.

Owns the form (OpenAPI 3.1) and which refusals every operation of a kind has. Does not own a word of what the operations
are (the modules v1_*), nor the schemas (shapes). It is built from the same table as the router, so the two cannot
differ. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from chatcluster.api import refusals, shapes
from chatcluster.api.operations import Media, Operation, Parameter
from chatcluster.core import errors

Document = dict[str, Any]

SESSION = "session"
_PROBLEM = "application/problem+json"
_REF = "#/components/schemas/{name}"
_ALWAYS = (errors.Busy, errors.Unavailable, errors.OutcomeUnknown, errors.ChatError)
_WITH_BODY = (errors.Invalid, refusals.BodyTooSlow, refusals.BodyTooLarge, refusals.WrongMediaType)
_GROUPS = {
    "accounts": "Accounts, sessions, and where to connect.",
    "messages": "Publishing and reading.",
    "rooms": "What a user keeps of rooms.",
    "about": "What there is.",
}
_ABOUT = (
    "Chat over REST. Rooms, positions and repetition are explained in docs/api.md, what gateways speak in "
    "docs/protocol.md. Clients ignore fields that they do not know; the server refuses them."
)


def document(operations: Sequence[Operation], version: str) -> Document:
    """The document of these operations, as JSON has it."""
    schemas, components = msgspec.json.schema_components(_types(operations), ref_template=_REF)
    known = dict(zip(_types(operations), schemas, strict=True))
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, known)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ChatCluster", "version": version, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _GROUPS.items()],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {SESSION: {"type": "http", "scheme": "bearer", "description": "A session's token."}},
        },
    }


def refusals_of(operation: Operation) -> dict[int, list[str]]:
    """The codes that an operation may refuse with, by status."""
    found: dict[int, list[str]] = {}
    for error in _refusals(operation):
        codes = found.setdefault(refusals.status_of(error()), [])
        if error.code not in codes:
            codes.append(error.code)
    return dict(sorted(found.items()))


def _refusals(operation: Operation) -> Iterable[type[errors.ChatError]]:
    if not operation.public:
        yield errors.SessionEnded
    if operation.body:
        yield from _WITH_BODY
    if operation.parameters:
        yield errors.Invalid
    yield from operation.refusals
    if not operation.pure:
        yield from _ALWAYS


def _types(operations: Sequence[Operation]) -> list[Any]:
    answers = [answer for operation in operations for answer in operation.answers.values()]
    bodies = [operation.body for operation in operations]
    return list(dict.fromkeys([shapes.Problem, *(t for t in [*answers, *bodies] if isinstance(t, type))]))


def _operation(operation: Operation, known: Mapping[Any, Any]) -> dict[str, Any]:
    answers = {str(status): _answer(status, answer, known) for status, answer in operation.answers.items()}
    refused = {str(status): _refusal(status, codes) for status, codes in refusals_of(operation).items()}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.summary,
        "security": [] if operation.public else [{SESSION: []}],
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": {**answers, **refused},
    }
    if operation.body:
        content = {"application/json": {"schema": known[operation.body]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.text,
        "schema": dict(parameter.schema),
    }


def _answer(status: int, answer: type[msgspec.Struct] | Media | None, known: Mapping[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if isinstance(answer, Media):
        described["content"] = {answer.type: {"schema": {"type": answer.shape}}}
    elif answer is not None:
        described["content"] = {"application/json": {"schema": known[answer]}}
    return described


def _refusal(status: int, codes: Sequence[str]) -> dict[str, Any]:
    code = {"properties": {"code": {"enum": list(codes)}, "status": {"const": status}}}
    schema = {"allOf": [{"$ref": _REF.format(name="Problem")}, code]}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}",
        "headers": {name: {"required": True, "schema": {"type": kind}} for name, kind in _headers(status).items()},
        "content": {_PROBLEM: {"schema": schema}},
    }


def _headers(status: int) -> dict[str, str]:
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "string"}
    return {"Retry-After": "integer"} if status in {429, 503, 504} else {}
