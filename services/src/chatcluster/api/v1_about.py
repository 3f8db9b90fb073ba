"""The v1 routes that describe what v1 is: the OpenAPI document, the same as a page, and gateways' AsyncAPI document.

Owns when they are made (once, when the list of operations is whole) and their headers. Does not own the forms (openapi,
manual, asyncapi).
"""

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from chatcluster.api import asyncapi, manual, openapi
from chatcluster.api.operations import Media, Operation

_HEADERS = {"cache-control": "no-cache", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


class About:
    """The handlers."""

    def __init__(self, operations: Sequence[Operation], version: str) -> None:
        """`operations` are all the others; what is said includes these three."""
        document = openapi.document([*operations, *self.operations()], version)
        self._document = msgspec.json.encode(document)
        self._page = manual.page(document).encode()
        self._gateways = msgspec.json.encode(asyncapi.document(version))

    def operations(self) -> list[Operation]:
        """What is said of each."""
        return [
            Operation(
                method="GET",
                path="/v1/openapi.json",
                handle=self.document,
                name="getOpenapi",
                group="about",
                summary="This document.",
                answers={200: Media("application/json", "object")},
                public=True,
                pure=True,
            ),
            Operation(
                method="GET",
                path="/v1/docs",
                handle=self.page,
                name="getDocs",
                group="about",
                summary="The same, as a page for people.",
                answers={200: Media("text/html", "string")},
                public=True,
                pure=True,
            ),
            Operation(
                method="GET",
                path="/v1/asyncapi.json",
                handle=self.gateways,
                name="getAsyncapi",
                group="about",
                summary="What gateways speak.",
                answers={200: Media("application/json", "object")},
                public=True,
                pure=True,
            ),
        ]

    async def document(self, _: Request) -> Response:
        """The OpenAPI document."""
        return Response(self._document, headers=_HEADERS, media_type="application/json")

    async def gateways(self, _: Request) -> Response:
        """The AsyncAPI document."""
        return Response(self._gateways, headers=_HEADERS, media_type="application/json")

    async def page(self, _: Request) -> Response:
        """The same as a page."""
        headers = _HEADERS | {"content-security-policy": manual.POLICY}
        return Response(self._page, headers=headers, media_type="text/html")
