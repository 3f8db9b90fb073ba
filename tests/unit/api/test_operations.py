from starlette.requests import Request
from starlette.responses import Response

from chatcluster.api import operations


async def _handle(_: Request) -> Response:
    return Response()


def test_a_path_has_the_handlers_of_all_its_methods() -> None:
    """However far apart they stand in the list."""

    def operation(method: str, path: str) -> operations.Operation:
        return operations.Operation(
            method=method, path=path, handle=_handle, name="x", group="x", summary="x", answers={200: None}
        )

    found = operations.routes([operation("GET", "/a"), operation("GET", "/b"), operation("PUT", "/a")])

    assert found == {"/a": {"GET": _handle, "PUT": _handle}, "/b": {"GET": _handle}}
