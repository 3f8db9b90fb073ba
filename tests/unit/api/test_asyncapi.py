from typing import Any

import jsonschema
import jsonschema_rs
import pytest

from chatcluster.frames import disconnects, exchanges, pushes
from support.asyncapi import definition, document


def references(node: Any) -> set[str]:
    """Every `$ref` below."""
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*map(references, node.values()))
    return set[str]().union(*map(references, node)) if isinstance(node, list) else set()


def target(reference: str) -> Any:
    """What a reference leads to."""
    found: Any = document()
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_it_is_a_document_of_asyncapi() -> None:
    """By the schema of those who define it, which finds what is wrong with another."""
    known = jsonschema_rs.validator_for(definition())

    assert [error.message for error in known.iter_errors(document())] == []
    assert not known.is_valid({**document(), "operations": {"auth": {"action": "take"}}})


def test_every_reference_leads_somewhere() -> None:
    """And every schema, message and operation is reached by one."""
    for reference in references(document()):
        assert target(reference)
    for kind in ("schemas", "messages"):
        named = {f"#/components/{kind}/{name}" for name in document()["components"][kind]}
        assert named <= references(document())


def test_every_message_is_said_by_somebody() -> None:
    """Requests are received and answered, pushes are sent; all of them on the one channel."""
    operations = document()["operations"]
    received = {name for name, operation in operations.items() if operation["action"] == "receive"}
    said = references([operation["messages"] for operation in operations.values()])
    said |= references([operation["reply"]["messages"] for operation in operations.values() if "reply" in operation])
    (channel,) = document()["channels"].values()

    assert received == {exchange.name for exchange in exchanges.ALL}
    assert {reference.rpartition("/")[2] for reference in said} == document()["components"]["messages"].keys()
    assert channel["messages"].keys() == document()["components"]["messages"].keys()
    assert len(operations) == len(exchanges.ALL) + len(pushes.ALL + pushes.TCP_ONLY) + 1


def test_every_schema_is_one() -> None:
    """Of the draft that AsyncAPI reads, and of the newest."""
    for schema in document()["components"]["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)
        jsonschema.Draft202012Validator.check_schema(schema)


def test_close_codes_are_those_that_a_client_may_be_told() -> None:
    """Without gochat's own, and those of which nobody hears."""
    (channel,) = document()["channels"].values()
    codes = {cause["code"] for cause in channel["x-close-codes"]}
    silent = {cause.code for cause in disconnects.ALL if cause.silent or cause.gochat}

    assert codes == {cause.code for cause in disconnects.ALL} - silent
    assert document()["components"]["schemas"]["Disconnect"]["properties"]["code"]["enum"] == sorted(codes)


@pytest.mark.parametrize("exchange", exchanges.ALL, ids=lambda exchange: exchange.name)
def test_a_refusal_has_the_codes_of_its_request(exchange: exchanges.Exchange) -> None:
    """No others."""
    refusal = document()["components"]["schemas"][f"{exchange.request.__name__}Error"]

    assert refusal["allOf"][1]["properties"]["code"]["enum"] == [each.code for each in exchange.refusals]
