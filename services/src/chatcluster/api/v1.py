"""The v1 routes, put together: which there are, and how all of them answer.

Owns the list of operations and the form of refusals, preflights and CORS. Does not own the operations themselves (the
modules v1_*), nor what stands in their JSON (shapes).
"""

from starlette.responses import Response

import chatcluster
from chatcluster.api import problems, shapes
from chatcluster.api.backend import Backend
from chatcluster.api.bodies import Bodies
from chatcluster.api.edge import Dialect
from chatcluster.api.limits import Limits
from chatcluster.api.operations import Operation
from chatcluster.api.v1_about import About
from chatcluster.api.v1_accounts import Accounts
from chatcluster.api.v1_messages import Messages
from chatcluster.api.v1_rooms import Rooms

DIALECT = Dialect(
    refusal=problems.refusal,
    preflight=lambda: Response(status_code=204, headers={"access-control-max-age": "7200"}),
    cors=(
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key"),
        (b"access-control-allow-methods", b"GET, POST, PUT, DELETE, OPTIONS"),
        (b"access-control-expose-headers", b"Retry-After"),
    ),
)


def operations(backend: Backend, bodies: Bodies, limits: Limits, gateways: shapes.Gateways) -> list[Operation]:
    """Every v1 operation, in the order in which they are shown."""
    listed = [
        *Accounts(backend, bodies, limits, gateways).operations(),
        *Messages(backend, bodies, limits).operations(),
        *Rooms(backend, bodies).operations(),
    ]
    return [*listed, *About(listed, chatcluster.__version__).operations()]
