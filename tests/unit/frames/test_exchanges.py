import re
from pathlib import Path

from chatcluster.core import errors
from chatcluster.frames import exchanges, pushes, requests

DOCUMENT = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, in which `code` stands."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [re.findall(r"`([^`]*)`", line.split("|")[1]) for line in section.splitlines() if line.startswith("| `")]


def test_every_request_has_an_exchange() -> None:
    """And only one."""
    assert [exchange.request for exchange in exchanges.ALL] == list(requests.AnyRequest.__args__)


def test_documentation_has_every_request_push_and_error() -> None:
    """Whoever writes a client reads the same names."""
    codes = {refusal.code for exchange in exchanges.ALL for refusal in exchange.refusals}

    assert [name for row in rows("Requests") for name in row] == [exchange.name for exchange in exchanges.ALL]
    assert [name for row in rows("Pushes") for name in row] == [kind.__struct_config__.tag for kind in pushes.ALL]
    assert {code for row in rows("Errors") for code in row} == codes


def test_refusals_are_named_once() -> None:
    """No two codes of a request mean the same, and all may be shown to clients."""
    for exchange in exchanges.ALL:
        codes = [refusal.code for refusal in exchange.refusals]
        assert len(set(codes)) == len(codes)
        assert all(issubclass(refusal, errors.ChatError) for refusal in exchange.refusals)
