"""The AsyncAPI document: what gateways and clients say to each other in v1, in the form that tools read.

Owns the form (AsyncAPI 3.0). Does not own the frames and which answers which (frames), nor how a gateway speaks. It is
built from the types by which a gateway reads and makes its frames, so the two cannot differ. Pure.

As AsyncAPI has it, the application that is described is the gateway: it receives requests and sends pushes.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from chatcluster.core import errors
from chatcluster.frames import answers, disconnects, exchanges, pushes
from chatcluster.frames.exchanges import Exchange
from chatcluster.frames.requests import Choice, Send

Document = dict[str, Any]
Schema = dict[str, Any]

CHANNEL = "connection"
_SCHEMAS = "#/components/schemas/"
_MESSAGES = "#/components/messages/"
_CHANNEL = f"#/channels/{CHANNEL}"
_ABOUT = (
    "Chat over one long-lived connection, as a gateway has it: it receives requests, answers each in one message with "
    "the same id, and sends pushes in between. What it means stands in docs/protocol.md. A request with a field that "
    "the gateway does not know is refused: the schemas of requests are closed. Clients ignore fields and pushes that "
    "they do not know, so that a newer gateway may say more: the schemas of what a gateway sends are open."
)
_CONNECTION = (
    "A websocket whose text messages hold one JSON object each; or a TCP connection with frames of v1, a big-endian "
    "signed 16-bit length that counts these four bytes too, and one JSON object. The first request is auth."
)
_TCP_ONLY = "Over TCP only."
_CORRELATION = {"description": "The request's id.", "location": "$message.payload#/id"}
_SUBPROTOCOL = "Sec-WebSocket-Protocol"
_SEND = str(Send.__struct_config__.tag)


def document(version: str) -> Document:
    """The document, as JSON has it."""
    requests, told = _requests(), _pushes()
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "ChatCluster gateway", "version": version, "description": _ABOUT},
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {CHANNEL: _channel([*requests, *told])},
        "operations": {each.name: _exchange(each) for each in exchanges.ALL} | {name: _push(name) for name in told},
        "components": {"schemas": _schemas(), "messages": requests | told, "correlationIds": {"request": _CORRELATION}},
    }


def _servers() -> Document:
    variables = {"gateway": {"default": "localhost", "description": "GET /v1/gateways says where gateways are."}}
    return {
        "websocket": {"host": "{gateway}:7000", "pathname": exchanges.PATH, "protocol": "ws", "variables": variables},
        "tcp": {"host": "{gateway}:7001", "protocol": "tcp", "variables": variables},
    }


def _channel(messages: Sequence[str]) -> Document:
    subprotocol = {"type": "string", "const": exchanges.SUBPROTOCOL}
    headers = {"type": "object", "properties": {_SUBPROTOCOL: subprotocol}, "required": [_SUBPROTOCOL]}
    return {
        "address": None,
        "title": "A client's connection",
        "description": _CONNECTION,
        "servers": [{"$ref": "#/servers/websocket"}, {"$ref": "#/servers/tcp"}],
        "messages": {name: {"$ref": _MESSAGES + name} for name in messages},
        "bindings": {"ws": {"method": "GET", "headers": headers, "bindingVersion": "0.1.0"}},
        "x-close-codes": [
            {"code": cause.code, "reason": cause.reason, "reconnect": cause.reconnect} for cause in _causes()
        ],
    }


def _causes() -> list[disconnects.Disconnect]:
    """Those of which a client of this protocol may be told."""
    return [cause for cause in disconnects.ALL if not cause.silent and not cause.gochat]


# -- messages and operations


def _requests() -> Document:
    found: Document = {}
    for exchange in exchanges.ALL:
        name = exchange.name
        found[name] = _message(name, exchange.request, _name(exchange.request), answered=True)
        found[_ok(name)] = _message("ok", exchange.answer, _name(exchange.answer), answered=True)
        found[_error(name)] = _message("error", answers.Refusal, _error_schema(exchange), answered=True)
    return found


def _pushes() -> Document:
    found: Document = {}
    for kind in pushes.ALL + pushes.TCP_ONLY:
        tag = str(kind.__struct_config__.tag)
        found[_told(tag)] = _message(tag, kind, _name(kind))
        if kind in pushes.TCP_ONLY:
            found[_told(tag)]["description"] = _TCP_ONLY
    heartbeat = {"name": "heartbeat", "contentType": "text/plain", "payload": {"const": pushes.HEARTBEAT}}
    found[_told("heartbeat")] = {**heartbeat, "summary": "The gateway is there.", "description": _TCP_ONLY}
    return found


def _message(name: str, kind: type[msgspec.Struct], schema: str, *, answered: bool = False) -> Document:
    described: Document = {"name": name, "summary": kind.__doc__, "payload": {"$ref": _SCHEMAS + schema}}
    if answered:
        described["correlationId"] = {"$ref": "#/components/correlationIds/request"}
    return described


def _exchange(exchange: Exchange) -> Document:
    name = exchange.name
    return {
        "action": "receive",
        "channel": {"$ref": _CHANNEL},
        "summary": exchange.request.__doc__,
        "messages": [_of_channel(name)],
        "reply": {"channel": {"$ref": _CHANNEL}, "messages": [_of_channel(_ok(name)), _of_channel(_error(name))]},
    }


def _push(name: str) -> Document:
    return {"action": "send", "channel": {"$ref": _CHANNEL}, "messages": [_of_channel(name)]}


def _of_channel(message: str) -> Document:
    return {"$ref": f"{_CHANNEL}/messages/{message}"}


def _told(tag: str) -> str:
    return f"push{tag.capitalize()}"


def _ok(name: str) -> str:
    return f"{name}Ok"


def _error(name: str) -> str:
    return f"{name}Error"


# -- schemas


def _schemas() -> Document:
    kinds: list[Any] = [kind for each in exchanges.ALL for kind in (each.request, each.answer)]
    kinds += [answers.Refusal, *pushes.ALL, *pushes.TCP_ONLY]
    found: Document
    _, found = msgspec.json.schema_components(kinds, ref_template=_SCHEMAS + "{name}")
    for exchange in exchanges.ALL:
        if exchange.request.choice is not None:
            found[_name(exchange.request)] |= _choice(exchange.request.choice)
        found[_error_schema(exchange)] = _refusal(exchange)
    found[_name(pushes.Disconnect)]["properties"]["code"]["enum"] = [cause.code for cause in _causes()]
    return found


def _choice(choice: Choice) -> Schema:
    given = [{"required": [n], "properties": {n: {"not": {"type": "null"}}}} for n in (choice.one, choice.other)]
    return {"oneOf": given} if choice.needed else {"not": {"allOf": given}}


def _refusal(exchange: Exchange) -> Schema:
    """Which codes there are, and what else is said with which of them."""
    temporary = [refusal.code for refusal in exchange.refusals if refusal.temporary]
    rules: list[Schema] = [
        {"$ref": _SCHEMAS + _name(answers.Refusal)},
        {"properties": {"code": {"enum": [refusal.code for refusal in exchange.refusals]}}},
        _if_code(temporary, {"required": ["retry_after"]}, {"not": {"required": ["retry_after"]}}),
    ]
    if exchange.name == _SEND:
        known, unknown = ({"properties": {"stored": {"const": word}}} for word in ("no", "unknown"))
        rules += [{"required": ["stored"]}, _if_code([errors.OutcomeUnknown.code], unknown, known)]
    else:
        rules.append({"not": {"required": ["stored"]}})
    return {"title": _error_schema(exchange), "type": "object", "allOf": rules}


def _if_code(codes: Sequence[str], then: Schema, otherwise: Schema) -> Schema:
    return {"if": {"properties": {"code": {"enum": list(codes)}}}, "then": then, "else": otherwise}


def _error_schema(exchange: Exchange) -> str:
    return f"{_name(exchange.request)}Error"


def _name(kind: type[Any]) -> str:
    return kind.__name__
