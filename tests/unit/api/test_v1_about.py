import chatcluster
from support import asyncapi, openapi
from support.api import Api


async def test_the_document_is_served(api: Api) -> None:
    """To anybody, with the version of this server, and with the operations that serve it."""
    response = await api.client.get("/v1/openapi.json")

    assert response.headers["content-type"] == "application/json"
    assert response.json() == {**openapi.document(), "info": response.json()["info"]}
    assert response.json()["info"]["version"] == chatcluster.__version__
    assert {"/v1/openapi.json", "/v1/docs", "/v1/asyncapi.json"} <= response.json()["paths"].keys()


async def test_what_gateways_speak_is_served(api: Api) -> None:
    """Likewise; the page leads there."""
    response = await api.client.get("/v1/asyncapi.json")

    assert response.headers["content-type"] == "application/json"
    assert response.json() == {**asyncapi.document(), "info": response.json()["info"]}
    assert response.json()["info"]["version"] == chatcluster.__version__
    assert 'href="asyncapi.json"' in (await api.client.get("/v1/docs")).text


async def test_the_page_is_served(api: Api) -> None:
    """It may load nothing, be framed by nobody, and is what it says it is."""
    response = await api.client.get("/v1/docs")

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.text.startswith("<!doctype html>")
