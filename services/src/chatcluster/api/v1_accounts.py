"""The v1 routes of accounts: registering, logging in, sessions, tickets, and where the gateways are.

Owns what a request to them may hold. Does not own who may have an account or a session (logic). Passwords and tokens
come and go in bodies and headers only: no address and no log ever holds one.
"""

from starlette.requests import Request
from starlette.responses import Response

from chatcluster.api import asking, problems, shapes
from chatcluster.api.backend import Backend
from chatcluster.api.bodies import Bodies
from chatcluster.api.limits import Limits
from chatcluster.api.operations import Operation, Parameter
from chatcluster.core import errors
from chatcluster.frames import parts
from chatcluster.v1 import logic_pb2

CURRENT = "current"
"""In the place of an id: the session that asks."""

_ID = Parameter(
    "id", "path", {"type": "string", "pattern": "^([0-9a-f]{16}|current)$"}, f"A session's id, or {CURRENT}."
)
_OTHERS = Parameter("others", "query", {"type": "boolean", "default": False}, "True: all but the session that asks.")
_FLAGS = {"true": True, "false": False}


class Accounts:
    """The handlers."""

    def __init__(self, backend: Backend, bodies: Bodies, limits: Limits, gateways: shapes.Gateways) -> None:
        self._backend = backend
        self._bodies = bodies
        self._limits = limits
        self._gateways = gateways

    def operations(self) -> list[Operation]:
        """What is said of each."""
        return [*self._of_accounts(), *self._of_sessions(), *self._of_gateways()]

    def _of_accounts(self) -> list[Operation]:
        return [
            Operation(
                method="POST",
                path="/v1/accounts",
                handle=self.register,
                name="register",
                group="accounts",
                summary="Create an account and open its first session.",
                answers={201: shapes.Opened},
                refusals=(errors.NameTaken, errors.RateLimited),
                body=shapes.Credentials,
                public=True,
            ),
            Operation(
                method="POST",
                path="/v1/sessions",
                handle=self.log_in,
                name="logIn",
                group="accounts",
                summary="Open another session. A user has at most 100; one more ends the oldest.",
                answers={201: shapes.Opened},
                refusals=(errors.WrongCredentials, errors.RateLimited),
                body=shapes.Credentials,
                public=True,
            ),
            Operation(
                method="GET",
                path="/v1/me",
                handle=self.me,
                name="getMe",
                group="accounts",
                summary="Say whose the session is.",
                answers={200: shapes.Me},
            ),
        ]

    def _of_sessions(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/v1/sessions",
                handle=self.sessions,
                name="listSessions",
                group="accounts",
                summary="List the open sessions of the session's user.",
                answers={200: shapes.Sessions},
            ),
            Operation(
                method="DELETE",
                path="/v1/sessions",
                handle=self.end_sessions,
                name="endSessions",
                group="accounts",
                summary="End all sessions of the session's user, this one too, and close their connections.",
                answers={200: shapes.Ended},
                parameters=(_OTHERS,),
            ),
            Operation(
                method="DELETE",
                path="/v1/sessions/{id}",
                handle=self.end_session,
                name="endSession",
                group="accounts",
                summary="End one session and close its connections.",
                answers={204: None},
                refusals=(errors.NotFound,),
                parameters=(_ID,),
            ),
        ]

    def _of_gateways(self) -> list[Operation]:
        return [
            Operation(
                method="POST",
                path="/v1/tickets",
                handle=self.issue_ticket,
                name="issueTicket",
                group="accounts",
                summary="Draw a ticket to show to a gateway instead of the token.",
                answers={201: shapes.Ticket},
                refusals=(errors.RateLimited,),
            ),
            Operation(
                method="GET",
                path="/v1/gateways",
                handle=self.gateways,
                name="listGateways",
                group="accounts",
                summary="Say where clients connect.",
                answers={200: shapes.Gateways},
            ),
        ]

    async def register(self, request: Request) -> Response:
        """Create an account and open a session."""
        who = await asking.body(request, self._bodies, shapes.Credentials)
        opened = await self._backend.register(who.name, who.password, self._limits.counted_address(request))
        return problems.answer(_opened(opened), 201)

    async def log_in(self, request: Request) -> Response:
        """Open a session."""
        who = await asking.body(request, self._bodies, shapes.Credentials)
        opened = await self._backend.login(who.name, who.password, self._limits.counted_address(request))
        return problems.answer(_opened(opened), 201)

    async def me(self, request: Request) -> Response:
        """Say whose session it is."""
        found = await self._backend.check(asking.session(request))
        return problems.answer(shapes.Me(parts.person(found.user), found.expires_ms))

    async def sessions(self, request: Request) -> Response:
        """List the open sessions of a user."""
        listed = [
            shapes.OpenSession(found.id, found.created_ms, found.expires_ms, found.current)
            for found in await self._backend.sessions(asking.session(request))
        ]
        return problems.answer(shapes.Sessions(listed))

    async def end_session(self, request: Request) -> Response:
        """End one session."""
        session, name = asking.session(request), request.path_params["id"]
        if name == CURRENT:
            await self._backend.check(session)
            await self._backend.logout(session)
        else:
            await self._backend.end_sessions(logic_pb2.EndSessionsRequest(session=session, id=name))
        return problems.nothing()

    async def end_sessions(self, request: Request) -> Response:
        """End all sessions of a user, or all others."""
        session = asking.session(request)
        others = _FLAGS.get(request.query_params.get("others", "false"))
        if others is None:
            raise errors.Invalid("others is true or false")
        request_all = logic_pb2.EndSessionsRequest(session=session, all=True)
        request_others = logic_pb2.EndSessionsRequest(session=session, others=True)
        ended = await self._backend.end_sessions(request_others if others else request_all)
        return problems.answer(shapes.Ended(ended))

    async def issue_ticket(self, request: Request) -> Response:
        """Draw a ticket for the session; counted like a message."""
        session = asking.session(request)
        self._limits.take(session)
        issued = await self._backend.ticket(session)
        return problems.answer(shapes.Ticket(issued.ticket, issued.expires_ms), 201)

    async def gateways(self, request: Request) -> Response:
        """Say where the gateways are, as this api was told."""
        await self._backend.check(asking.session(request))
        return problems.answer(self._gateways)


def _opened(opened: logic_pb2.RegisterResponse | logic_pb2.LoginResponse) -> shapes.Opened:
    return shapes.Opened(opened.token, opened.expires_ms, parts.person(opened.user))
