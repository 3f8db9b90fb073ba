"""gochat's eight routes, as its clients know them.

Owns the envelope `{"code":…,"data":…,"message":…}`, its texts, and the order in which gochat looks at things: the body,
the session, then the fields. Does not own how a body is bound (binding, forms) nor anything that is decided about
users, rooms and messages (logic). Where this differs from gochat on purpose stands in docs/gochat-differences.md.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chatcluster.api import binding, forms, refusals, tokens
from chatcluster.api.backend import Backend
from chatcluster.api.bodies import Bodies
from chatcluster.api.edge import Dialect, Handler
from chatcluster.api.limits import Limits
from chatcluster.core import errors, gojson, ids
from chatcluster.v1 import logic_pb2

OK = 0
FAIL = 1
SESSION_ERROR = 40_000

_JSON = "application/json; charset=utf-8"
_INT32 = range(-(2**31), 2**31)
_DECIMAL = re.compile(r"\+?0*([0-9]{1,10})")
_ABOUT_BODIES = (refusals.BodyTooLarge, refusals.BodyTooSlow)
_TEXTS: Mapping[type[errors.ChatError], tuple[int, str]] = {
    errors.SessionEnded: (SESSION_ERROR, "Session error"),
    errors.NameTaken: (FAIL, "this user name already have , please login !!!"),
    errors.WrongCredentials: (FAIL, "no this user or password error!"),
    refusals.NoSuchPath: (FAIL, "please check request url !"),
    refusals.WrongMethod: (FAIL, "please check request url !"),
}

_F = TypeVar("_F")


def envelope(code: int, message: str, data: Any = None) -> bytes:
    """The body of every answer, with its keys in Go's order."""
    return gojson.encode({"code": code, "data": data, "message": message})


def success(message: str, data: Any = None) -> Response:
    """What was asked for was done."""
    return Response(envelope(OK, message, data), media_type=_JSON)


def refusal(error: errors.ChatError) -> Response:
    """The answer to an error: HTTP's 200 as gochat has it, but where a proxy or a person must see more than that."""
    code, text = _TEXTS.get(type(error), (FAIL, str(error)))
    status = refusals.status_of(error)
    if not (error.temporary or status == refusals.INTERNAL or isinstance(error, _ABOUT_BODIES)):
        status = 200
    return Response(envelope(code, text), status, refusals.headers_of(error) if status != 200 else None, _JSON)


DIALECT = Dialect(
    refusal=refusal,
    preflight=lambda: Response(b"null", media_type=_JSON),
    cors=(
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-headers", b"Origin, X-Requested-With, Content-Type, Accept"),
        (b"access-control-allow-methods", b"GET, OPTIONS, POST, PUT, DELETE"),
    ),
)


class Gochat:
    """The handlers."""

    def __init__(self, backend: Backend, bodies: Bodies, limits: Limits) -> None:
        self._backend = backend
        self._bodies = bodies
        self._limits = limits

    def routes(self) -> dict[str, Handler]:
        """The handler of each path; all are POST."""
        return {
            "/user/login": self.login,
            "/user/register": self.register,
            "/user/checkAuth": self._in_session(forms.SESSION, self.check_auth),
            "/user/logout": self._in_session(forms.SESSION, self.logout),
            "/push/push": self._in_session(forms.PUSH, self.push),
            "/push/pushRoom": self._in_session(forms.PUSH_ROOM, self.push_room),
            "/push/count": self._in_session(forms.COUNT, self.count),
            "/push/getRoomInfo": self._in_session(forms.ROOM_INFO, self.room_info),
        }

    # -- accounts

    async def login(self, request: Request) -> Response:
        """Open a session."""
        form = forms.LOGIN.bind(binding.parse(await self._bodies.text(request)))
        opened = await self._backend.login(form.name, form.password, self._limits.counted_address(request))
        return success("login success", opened.token)

    async def register(self, request: Request) -> Response:
        """Create an account and open a session."""
        form = forms.REGISTER.bind(binding.parse(await self._bodies.text(request)))
        opened = await self._backend.register(form.name, form.password, self._limits.counted_address(request))
        return success("register success", opened.token)

    async def check_auth(self, session: bytes, _: forms.Token) -> Response:
        """Say whose session it is."""
        user = (await self._backend.check(session)).user
        return success("auth success", {"userId": user.id, "userName": user.name})

    async def logout(self, session: bytes, _: forms.Token) -> Response:
        """End the session. Asked about first, since a client is told when there was none."""
        await self._backend.check(session)
        await self._backend.logout(session)
        return success("logout ok!")

    # -- messages

    async def push(self, session: bytes, form: forms.Push) -> Response:
        """Send a private message. To nobody it is sent in vain and without a word, as gochat has it."""
        self._limits.take(session)
        if form.room_id not in _INT32:
            raise errors.Invalid(f"room id {form.room_id} is out of range")
        recipient = _user_id(form.to_user_id)
        if recipient is None:
            await self._backend.check(session)
            return success("ok")
        draft = logic_pb2.PublishRequest(
            session=session, user_id=recipient, text=form.text, gochat_room_id=form.room_id
        )
        with suppress(errors.NotFound):
            await self._backend.publish(draft)
        return success("ok")

    async def push_room(self, session: bytes, form: forms.RoomText) -> Response:
        """Send a message to a room."""
        self._limits.take(session)
        room = ids.room(form.room_id)
        await self._backend.publish(logic_pb2.PublishRequest(session=session, room=room, text=form.text))
        return success("ok", "")

    async def count(self, session: bytes, form: forms.Room) -> Response:
        """Have the room told how many are in it; the number itself comes by push only."""
        self._limits.take(session)
        await self._backend.push_presence(session, ids.room(form.room_id), members=False)
        return success("ok", "")

    async def room_info(self, session: bytes, form: forms.Room) -> Response:
        """Have the room told who is in it; the names come by push only."""
        self._limits.take(session)
        try:
            await self._backend.push_presence(session, ids.room(form.room_id), members=True)
        except errors.NotFound as exc:
            raise errors.NotFound("rpc get room info fail!") from exc
        return success("ok", "")

    # -- sessions

    def _in_session(self, form: binding.Form[_F], act: Callable[[bytes, _F], Awaitable[Response]]) -> Handler:
        """A handler that looks at the session before the other fields, as gochat's middleware does.

        The session is looked up by the act itself, in the same call of logic that it makes anyway; only a request
        that is refused as invalid is asked about apart.
        """

        async def handle(request: Request) -> Response:
            text = await self._bodies.text(request)
            session, document = _session(text)
            try:
                return await act(session, form.bind(document))
            except errors.Invalid:
                await self._backend.check(session)
                raise

        return handle


def _session(text: str) -> tuple[bytes, binding.Document]:
    """The body, and the session that it names. Raises `errors.SessionEnded` for whatever is wrong with either."""
    try:
        document = binding.parse(text)
        return tokens.session_of(forms.SESSION.bind(document).token), document
    except errors.Invalid as exc:
        raise errors.SessionEnded from exc


def _user_id(text: str) -> int | None:
    """The user that a decimal number means, read as Go's Atoi does; None for what is no user's."""
    found = _DECIMAL.fullmatch(text)
    number = int(found[1]) if found else 0
    return number if 1 <= number <= ids.MAX_INT else None
