"""The forms of gochat's routes: what a client sends, under the names that its answers may mention.

Owns gochat's structs (api/handler/user.go and push.go, api/router/router.go) field by field, in their order. Does not
own how a body becomes a form (binding).
"""

from typing import NamedTuple

from chatcluster.api.binding import Field, Form

_TOKEN = Field("authToken", "AuthToken", "string")
_TEXT = Field("msg", "Msg", "string")
_ROOM = Field("roomId", "RoomId", "int")


class Credentials(NamedTuple):
    """Of login and register."""

    name: str
    password: str


class Token(NamedTuple):
    """What every route with a session needs."""

    token: str


class Push(NamedTuple):
    """A private message."""

    text: str
    to_user_id: str
    room_id: int
    token: str


class RoomText(NamedTuple):
    """A message to a room."""

    token: str
    text: str
    room_id: int


class Room(NamedTuple):
    """A room that is asked about."""

    room_id: int


_CREDENTIALS = (Field("userName", "UserName", "string"), Field("passWord", "Password", "string"))

LOGIN = Form("FormLogin", Credentials, *_CREDENTIALS)
REGISTER = Form("FormRegister", Credentials, *_CREDENTIALS)
SESSION = Form("FormCheckSessionId", Token, _TOKEN)
CHECK_AUTH = Form("FormCheckAuth", Token, _TOKEN)
LOGOUT = Form("FormLogout", Token, _TOKEN)
PUSH = Form("FormPush", Push, _TEXT, Field("toUserId", "ToUserId", "string"), _ROOM, _TOKEN)
PUSH_ROOM = Form("FormRoom", RoomText, _TOKEN, _TEXT, _ROOM)
COUNT = Form("FormCount", Room, _ROOM)
ROOM_INFO = Form("FormRoomInfo", Room, _ROOM)
