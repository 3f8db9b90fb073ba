import base64
import hashlib
import re
from html.parser import HTMLParser

from chatcluster.api import manual
from support.openapi import document

PAGE = manual.page(document())


class Parsed(HTMLParser):
    """The tags and anchors of a page."""

    VOID = frozenset({"meta"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_has_all_operations_and_schemas() -> None:
    """Each under an anchor that some link leads to."""
    parsed = Parsed(PAGE)
    anchors = [value for _, name, value in parsed.attributes if name == "id"]
    links = {value[1:] for _, name, value in parsed.attributes if name == "href" and value.startswith("#")}
    operations = {o["operationId"] for methods in document()["paths"].values() for o in methods.values()}

    assert not parsed.open
    assert len(anchors) == len(set(anchors))
    assert operations | document()["components"]["schemas"].keys() <= set(anchors)
    assert links <= set(anchors)


def test_the_page_loads_and_runs_nothing() -> None:
    """Its one style is the one that its policy knows."""
    parsed = Parsed(PAGE)
    (style,) = re.findall(r"<style>(.*?)</style>", PAGE, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}'" in manual.POLICY
    assert "default-src 'none'" in manual.POLICY
    assert not any(name in {"src", "style"} or name.startswith("on") for _, name, _ in parsed.attributes)
    assert not any("//" in value for _, name, value in parsed.attributes if name == "href")
    assert "<script" not in PAGE


def test_what_is_said_stays_text() -> None:
    """However it is written."""
    operation = document()["paths"]["/v1/me"]["get"]
    marked = {**operation, "summary": "<script>alert(1)</script>"}
    page = manual.page({**document(), "paths": {"/v1/<b>": {"get": marked}}})

    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "/v1/<b>" not in page
