"""Which answer each request of v1 has, and what it may be refused with.

Owns this table, from which the AsyncAPI document is made, and the refusals that there are on a connection only. Does
not own the frames (requests, answers). Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chatcluster.core import errors
from chatcluster.core.errors import ChatError
from chatcluster.frames import answers, requests

PATH = "/ws"
"""Of websockets."""
SUBPROTOCOL = "chatcluster.v1.json"
"""By which a websocket client asks for this protocol in its handshake."""


class NotJoined(errors.Invalid):
    """This connection has not joined that room."""

    code = "not_joined"


_ALWAYS = (errors.Invalid, errors.SessionEnded, errors.RateLimited)
"""Of any request."""
_EARLY = (errors.Busy,)
"""Of any but `auth`, whose answer only so many may wait for."""
_ROOM = (errors.Forbidden,)
"""Of those that look into a room."""
_ASKED = (errors.Unavailable, errors.OutcomeUnknown, errors.ChatError)
"""Of those that logic answers."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with its answer."""

    request: type[requests.AnyRequest]
    answer: type[answers.Answer]
    own: Sequence[type[ChatError]]

    @property
    def name(self) -> str:
        """The request's `type`."""
        return str(self.request.__struct_config__.tag)

    @property
    def refusals(self) -> tuple[type[ChatError], ...]:
        """All that it may be refused with."""
        return (*_ALWAYS, *self.own)


ALL = (
    Exchange(requests.Auth, answers.Authenticated, ()),
    Exchange(
        requests.Join, answers.Joined, (*_EARLY, *_ROOM, errors.TooManyRooms, errors.Superseded, errors.Unavailable)
    ),
    Exchange(requests.Leave, answers.Left, _EARLY),
    Exchange(
        requests.Send,
        answers.Sent,
        (*_EARLY, *_ROOM, *_ASKED, errors.NotFound, errors.Conflict, errors.Expired),
    ),
    Exchange(requests.History, answers.Page, (*_EARLY, *_ROOM, *_ASKED)),
    Exchange(requests.Members, answers.Present, (*_EARLY, *_ROOM, *_ASKED)),
    Exchange(requests.Typing, answers.Noted, (*_EARLY, *_ROOM, *_ASKED, NotJoined)),
    Exchange(requests.Read, answers.Marked, (*_EARLY, *_ROOM, *_ASKED)),
    Exchange(requests.Ping, answers.Pong, _EARLY),
)
"""One for each type of request."""
