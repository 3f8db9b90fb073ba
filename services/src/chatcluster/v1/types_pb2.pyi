from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Position(_message.Message):
    __slots__ = ("epoch", "offset")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    epoch: str
    offset: int
    def __init__(self, epoch: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class StreamId(_message.Message):
    __slots__ = ("ms", "seq")
    MS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ms: int
    seq: int
    def __init__(self, ms: _Optional[int] = ..., seq: _Optional[int] = ...) -> None: ...

class Publication(_message.Message):
    __slots__ = ("room", "epoch", "offset", "time_ms", "body", "origin")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    room: str
    epoch: str
    offset: int
    time_ms: int
    body: bytes
    origin: Origin
    def __init__(self, room: _Optional[str] = ..., epoch: _Optional[str] = ..., offset: _Optional[int] = ..., time_ms: _Optional[int] = ..., body: _Optional[bytes] = ..., origin: _Optional[_Union[Origin, _Mapping]] = ...) -> None: ...

class Origin(_message.Message):
    __slots__ = ("room", "epoch", "offset")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    room: str
    epoch: str
    offset: int
    def __init__(self, room: _Optional[str] = ..., epoch: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("id", "from_user_id", "from_user_name", "text", "to_user_id", "to_user_name", "gochat_room_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    FROM_USER_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_USER_NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TO_USER_ID_FIELD_NUMBER: _ClassVar[int]
    TO_USER_NAME_FIELD_NUMBER: _ClassVar[int]
    GOCHAT_ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    from_user_id: int
    from_user_name: str
    text: str
    to_user_id: int
    to_user_name: str
    gochat_room_id: int
    def __init__(self, id: _Optional[str] = ..., from_user_id: _Optional[int] = ..., from_user_name: _Optional[str] = ..., text: _Optional[str] = ..., to_user_id: _Optional[int] = ..., to_user_name: _Optional[str] = ..., gochat_room_id: _Optional[int] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("user_id", "user_name")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    user_id: int
    user_name: str
    def __init__(self, user_id: _Optional[int] = ..., user_name: _Optional[str] = ...) -> None: ...

class RoomPresence(_message.Message):
    __slots__ = ("room", "count", "members")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    room: str
    count: int
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, room: _Optional[str] = ..., count: _Optional[int] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ...) -> None: ...

class Typing(_message.Message):
    __slots__ = ("user",)
    USER_FIELD_NUMBER: _ClassVar[int]
    user: Member
    def __init__(self, user: _Optional[_Union[Member, _Mapping]] = ...) -> None: ...

class ReadMark(_message.Message):
    __slots__ = ("user", "position")
    USER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    user: Member
    position: Position
    def __init__(self, user: _Optional[_Union[Member, _Mapping]] = ..., position: _Optional[_Union[Position, _Mapping]] = ...) -> None: ...

class Ephemeral(_message.Message):
    __slots__ = ("room", "members", "count", "typing", "read", "conversation")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TYPING_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    room: str
    members: RoomPresence
    count: RoomPresence
    typing: Typing
    read: ReadMark
    conversation: str
    def __init__(self, room: _Optional[str] = ..., members: _Optional[_Union[RoomPresence, _Mapping]] = ..., count: _Optional[_Union[RoomPresence, _Mapping]] = ..., typing: _Optional[_Union[Typing, _Mapping]] = ..., read: _Optional[_Union[ReadMark, _Mapping]] = ..., conversation: _Optional[str] = ...) -> None: ...

class Control(_message.Message):
    __slots__ = ("room", "revoke_session")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    REVOKE_SESSION_FIELD_NUMBER: _ClassVar[int]
    room: str
    revoke_session: bytes
    def __init__(self, room: _Optional[str] = ..., revoke_session: _Optional[bytes] = ...) -> None: ...
