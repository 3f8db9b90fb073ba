import httpx
import pytest

from support.api import Api

UNKNOWN = '{"code":1,"data":null,"message":"please check request url !"}'
GOCHAT_CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "Origin, X-Requested-With, Content-Type, Accept",
    "access-control-allow-methods": "GET, OPTIONS, POST, PUT, DELETE",
}


def cors(response: httpx.Response) -> dict[str, str]:
    """The CORS headers of an answer, which stand there once each."""
    found = [(name, value) for name, value in response.headers.multi_items() if name.startswith("access-control")]
    assert len(found) == len(dict(found))
    return dict(found)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/nope"),
        ("GET", "/user/login"),
        ("PUT", "/user/login"),
        ("BREW", "/user/login"),
        ("GET", "/user/login/"),
        ("POST", "/user/login//"),
        ("POST", "//user/login"),
        ("POST", "/User/Login"),
        ("POST", "/user"),
        ("POST", "/v1"),
        ("POST", "/ws"),
    ],
)
async def test_what_gochat_does_not_know_is_200_and_told_so(api: Api, method: str, path: str) -> None:
    """Unknown paths and wrong methods alike."""
    response = await api.client.request(method, "http://api" + path)
    assert (response.status_code, response.text) == (200, UNKNOWN)
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert cors(response) == GOCHAT_CORS


@pytest.mark.parametrize(
    ("path", "location"),
    [("/user/login/", "/user/login"), ("/push/getRoomInfo/?a=b&c=%20", "/push/getRoomInfo?a=b&c=%20")],
)
async def test_a_slash_at_the_end_of_a_known_path_is_redirected(api: Api, path: str, location: str) -> None:
    """With 307, so that the client sends its body again."""
    response = await api.post(path, "{}")
    assert (response.status_code, response.headers["location"]) == (307, location)
    assert cors(response) == GOCHAT_CORS


async def test_a_percent_encoded_path_is_the_same_path(api: Api) -> None:
    """As Go's URL.Path has it."""
    assert (await api.post("/user/logi%6E", "")).json()["message"] == "EOF"


@pytest.mark.parametrize("path", ["/user/login", "/nope"])
async def test_options_is_200_for_gochat_s_browsers(api: Api, path: str) -> None:
    """A preflight passes anywhere."""
    response = await api.client.options(path)
    assert (response.status_code, response.text) == (200, "null")
    assert cors(response) == GOCHAT_CORS


async def test_cors_stands_on_every_answer_of_gochat_s_routes(api: Api) -> None:
    """A page has to read refusals, too."""
    for response in (
        await api.post("/user/login", "{}"),
        await api.post("/user/login", "x" * 65_537),
        await api.post("/user/checkAuth", "{}"),
    ):
        assert cors(response) == GOCHAT_CORS


async def test_a_browser_may_use_the_v1_routes_from_any_origin(api: Api) -> None:
    """There are no cookies: a foreign page can do nothing without a token."""
    response = await api.client.options("/v1/rooms/7/messages")
    assert response.status_code == 204
    headers = cors(response)
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-headers"] == "Authorization, Content-Type, Idempotency-Key"
    assert "access-control-allow-credentials" not in headers
    assert cors(await api.client.get("/v1/inbox"))["access-control-expose-headers"] == "Retry-After"


@pytest.mark.parametrize("path", ["/v1/", "/v1/nope", "/v1/inbox/", "/v1/rooms//messages", "/v1/rooms/a/b/messages"])
async def test_an_unknown_v1_path_is_404(api: Api, path: str) -> None:
    """In the form of the v1 routes."""
    response = await api.client.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "no_such_path")


async def test_a_wrong_v1_method_is_405_and_told_the_right_ones(api: Api) -> None:
    """With Allow, as RFC 9110 wants it."""
    response = await api.client.delete("/v1/rooms/7/messages")
    assert (response.status_code, response.json()["code"]) == (405, "method")
    assert response.headers["allow"] == "HEAD, GET, POST"
