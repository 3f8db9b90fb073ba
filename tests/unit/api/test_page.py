import re
from importlib import resources

import pytest

from chatcluster.api.page import Page
from support.api import Api, problem

FILES = {file.name: file.read_text() for file in (resources.files("chatcluster.api") / "page").iterdir()}
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@pytest.mark.parametrize("name", [*FILES, ""])
async def test_every_file_is_served_as_it_is(api: Api, name: str) -> None:
    """With its type, and a policy by which a browser runs nothing else and speaks to nobody else."""
    response = await api.client.get(f"/page/{name}" if name else "/")

    assert response.text == FILES[name or "index.html"]
    assert response.headers["content-type"].startswith(TYPES[(name or "index.html").rpartition(".")[2]])
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self' ws://127.0.0.1:7000/ws;" in policy
    assert "unsafe" not in policy


async def test_a_file_that_a_browser_has_is_not_sent_again(api: Api) -> None:
    """It asks each time, and learns in one line that nothing has changed."""
    first = await api.client.get("/")
    second = await api.client.get("/", headers={"if-none-match": first.headers["etag"]})

    assert (second.status_code, second.content) == (304, b"")
    assert second.headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize("name", ["nope.js", "app.py", "%00"])
async def test_nothing_else_is_served(api: Api, name: str) -> None:
    """Neither what is not there nor what lies beside."""
    assert problem(await api.client.get(f"/page/{name}")) == (404, "no_such_path")


async def test_a_page_is_only_read(api: Api) -> None:
    """Another method is refused."""
    response = await api.client.post("/page/app.js")

    assert problem(response) == (405, "method")
    assert sorted(response.headers["allow"].split(", ")) == ["GET", "HEAD"]


def test_gateways_are_named_once_each() -> None:
    """In the order in which the api was told of them."""
    page = Page(["wss://one/ws", "wss://two/ws", "wss://one/ws"])

    (policy,) = {file.headers["content-security-policy"] for file in page._files.values()}
    assert "connect-src 'self' wss://one/ws wss://two/ws;" in policy


def test_without_a_list_any_gateway_may_be_reached() -> None:
    """The page tries its own host, by whatever name it was opened."""
    (policy,) = {file.headers["content-security-policy"] for file in Page([])._files.values()}

    assert "connect-src 'self' ws: wss:;" in policy


def test_the_page_asks_for_its_own_files_only() -> None:
    """Every file that one of them names is there, and no other host is named anywhere."""
    names = {name for text in FILES.values() for name in re.findall(r"(?:/page/|from '\./)([a-z.]+)", text)}
    hosts = {host for text in FILES.values() for host in re.findall(r"https?://[^\s'\"]+", text)}

    assert names == FILES.keys() - {"index.html"}
    assert hosts == {"http://www.w3.org/2000/svg"}


def test_nothing_that_people_wrote_becomes_markup() -> None:
    """The scripts know no way to make elements from a text."""
    scripts = "\n".join(text for name, text in FILES.items() if name.endswith(".js"))

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", scripts)


def test_every_word_is_there_in_every_language() -> None:
    """Whatever an element or a script asks for."""
    english, chinese = re.findall(r"^  (?:en|zh): \{(.*?)^  \},", FILES["words.js"], re.DOTALL | re.MULTILINE)
    known = [set(re.findall(r"\b(\w+): (?=['(])", text)) for text in (english, chinese)]
    asked = set(re.findall(r'data-(?:word|label|placeholder)="(\w+)"', FILES["index.html"]))

    assert known[0] == known[1]
    assert asked <= known[0]
