from chatcluster.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class User(_message.Message):
    __slots__ = ("id", "name")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: str
    def __init__(self, id: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class RegisterRequest(_message.Message):
    __slots__ = ("name", "password", "address")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    name: str
    password: str
    address: str
    def __init__(self, name: _Optional[str] = ..., password: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class RegisterResponse(_message.Message):
    __slots__ = ("token", "user", "expires_ms")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    token: str
    user: User
    expires_ms: int
    def __init__(self, token: _Optional[str] = ..., user: _Optional[_Union[User, _Mapping]] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class LoginRequest(_message.Message):
    __slots__ = ("name", "password", "address")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    name: str
    password: str
    address: str
    def __init__(self, name: _Optional[str] = ..., password: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class LoginResponse(_message.Message):
    __slots__ = ("token", "user", "expires_ms")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    token: str
    user: User
    expires_ms: int
    def __init__(self, token: _Optional[str] = ..., user: _Optional[_Union[User, _Mapping]] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class LogoutRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    def __init__(self, session: _Optional[bytes] = ...) -> None: ...

class LogoutResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CheckSessionRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    def __init__(self, session: _Optional[bytes] = ...) -> None: ...

class CheckSessionResponse(_message.Message):
    __slots__ = ("user", "expires_ms")
    USER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    user: User
    expires_ms: int
    def __init__(self, user: _Optional[_Union[User, _Mapping]] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class CheckSessionsRequest(_message.Message):
    __slots__ = ("sessions",)
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, sessions: _Optional[_Iterable[bytes]] = ...) -> None: ...

class CheckSessionsResponse(_message.Message):
    __slots__ = ("ended",)
    ENDED_FIELD_NUMBER: _ClassVar[int]
    ended: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, ended: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    def __init__(self, session: _Optional[bytes] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions",)
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[OpenSession]
    def __init__(self, sessions: _Optional[_Iterable[_Union[OpenSession, _Mapping]]] = ...) -> None: ...

class OpenSession(_message.Message):
    __slots__ = ("id", "created_ms", "expires_ms", "current")
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    created_ms: int
    expires_ms: int
    current: bool
    def __init__(self, id: _Optional[str] = ..., created_ms: _Optional[int] = ..., expires_ms: _Optional[int] = ..., current: _Optional[bool] = ...) -> None: ...

class EndSessionsRequest(_message.Message):
    __slots__ = ("session", "id", "all", "others")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    OTHERS_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    id: str
    all: bool
    others: bool
    def __init__(self, session: _Optional[bytes] = ..., id: _Optional[str] = ..., all: _Optional[bool] = ..., others: _Optional[bool] = ...) -> None: ...

class EndSessionsResponse(_message.Message):
    __slots__ = ("ended",)
    ENDED_FIELD_NUMBER: _ClassVar[int]
    ended: int
    def __init__(self, ended: _Optional[int] = ...) -> None: ...

class IssueTicketRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    def __init__(self, session: _Optional[bytes] = ...) -> None: ...

class IssueTicketResponse(_message.Message):
    __slots__ = ("ticket", "expires_ms")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    ticket: str
    expires_ms: int
    def __init__(self, ticket: _Optional[str] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class RedeemTicketRequest(_message.Message):
    __slots__ = ("ticket",)
    TICKET_FIELD_NUMBER: _ClassVar[int]
    ticket: bytes
    def __init__(self, ticket: _Optional[bytes] = ...) -> None: ...

class RedeemTicketResponse(_message.Message):
    __slots__ = ("session", "user", "expires_ms")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    user: User
    expires_ms: int
    def __init__(self, session: _Optional[bytes] = ..., user: _Optional[_Union[User, _Mapping]] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("session", "room", "user_id", "message_id", "text", "gochat_room_id", "age_ms")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    GOCHAT_ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    room: str
    user_id: int
    message_id: str
    text: str
    gochat_room_id: int
    age_ms: int
    def __init__(self, session: _Optional[bytes] = ..., room: _Optional[str] = ..., user_id: _Optional[int] = ..., message_id: _Optional[str] = ..., text: _Optional[str] = ..., gochat_room_id: _Optional[int] = ..., age_ms: _Optional[int] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("room", "position", "repeated", "time_ms")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    room: str
    position: _types_pb2.Position
    repeated: bool
    time_ms: int
    def __init__(self, room: _Optional[str] = ..., position: _Optional[_Union[_types_pb2.Position, _Mapping]] = ..., repeated: _Optional[bool] = ..., time_ms: _Optional[int] = ...) -> None: ...

class ReadHistoryRequest(_message.Message):
    __slots__ = ("session", "reads")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    reads: _containers.RepeatedCompositeFieldContainer[RoomRead]
    def __init__(self, session: _Optional[bytes] = ..., reads: _Optional[_Iterable[_Union[RoomRead, _Mapping]]] = ...) -> None: ...

class RoomRead(_message.Message):
    __slots__ = ("room", "since", "limit", "before")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    room: str
    since: _types_pb2.Position
    limit: int
    before: _types_pb2.Position
    def __init__(self, room: _Optional[str] = ..., since: _Optional[_Union[_types_pb2.Position, _Mapping]] = ..., limit: _Optional[int] = ..., before: _Optional[_Union[_types_pb2.Position, _Mapping]] = ...) -> None: ...

class ReadHistoryResponse(_message.Message):
    __slots__ = ("rooms",)
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedCompositeFieldContainer[RoomHistory]
    def __init__(self, rooms: _Optional[_Iterable[_Union[RoomHistory, _Mapping]]] = ...) -> None: ...

class RoomHistory(_message.Message):
    __slots__ = ("room", "position", "recovered", "publications", "error", "after", "more")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    PUBLICATIONS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    room: str
    position: _types_pb2.Position
    recovered: bool
    publications: _containers.RepeatedCompositeFieldContainer[_types_pb2.Publication]
    error: str
    after: int
    more: bool
    def __init__(self, room: _Optional[str] = ..., position: _Optional[_Union[_types_pb2.Position, _Mapping]] = ..., recovered: _Optional[bool] = ..., publications: _Optional[_Iterable[_Union[_types_pb2.Publication, _Mapping]]] = ..., error: _Optional[str] = ..., after: _Optional[int] = ..., more: _Optional[bool] = ...) -> None: ...

class GetRoomPresenceRequest(_message.Message):
    __slots__ = ("session", "room")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    room: str
    def __init__(self, session: _Optional[bytes] = ..., room: _Optional[str] = ...) -> None: ...

class GetRoomPresenceResponse(_message.Message):
    __slots__ = ("presence",)
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    presence: _types_pb2.RoomPresence
    def __init__(self, presence: _Optional[_Union[_types_pb2.RoomPresence, _Mapping]] = ...) -> None: ...

class PushRoomPresenceRequest(_message.Message):
    __slots__ = ("session", "room", "members")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    room: str
    members: bool
    def __init__(self, session: _Optional[bytes] = ..., room: _Optional[str] = ..., members: _Optional[bool] = ...) -> None: ...

class PushRoomPresenceResponse(_message.Message):
    __slots__ = ("presence",)
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    presence: _types_pb2.RoomPresence
    def __init__(self, presence: _Optional[_Union[_types_pb2.RoomPresence, _Mapping]] = ...) -> None: ...

class PushTypingRequest(_message.Message):
    __slots__ = ("session", "room")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    room: str
    def __init__(self, session: _Optional[bytes] = ..., room: _Optional[str] = ...) -> None: ...

class PushTypingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MarkReadRequest(_message.Message):
    __slots__ = ("session", "room", "position")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    room: str
    position: _types_pb2.Position
    def __init__(self, session: _Optional[bytes] = ..., room: _Optional[str] = ..., position: _Optional[_Union[_types_pb2.Position, _Mapping]] = ...) -> None: ...

class MarkReadResponse(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: _types_pb2.Position
    def __init__(self, position: _Optional[_Union[_types_pb2.Position, _Mapping]] = ...) -> None: ...

class GetReadMarksRequest(_message.Message):
    __slots__ = ("session", "room")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    room: str
    def __init__(self, session: _Optional[bytes] = ..., room: _Optional[str] = ...) -> None: ...

class GetReadMarksResponse(_message.Message):
    __slots__ = ("marks",)
    MARKS_FIELD_NUMBER: _ClassVar[int]
    marks: _containers.RepeatedCompositeFieldContainer[_types_pb2.ReadMark]
    def __init__(self, marks: _Optional[_Iterable[_Union[_types_pb2.ReadMark, _Mapping]]] = ...) -> None: ...

class KeepRoomRequest(_message.Message):
    __slots__ = ("session", "room")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    room: str
    def __init__(self, session: _Optional[bytes] = ..., room: _Optional[str] = ...) -> None: ...

class KeepRoomResponse(_message.Message):
    __slots__ = ("room",)
    ROOM_FIELD_NUMBER: _ClassVar[int]
    room: KeptRoom
    def __init__(self, room: _Optional[_Union[KeptRoom, _Mapping]] = ...) -> None: ...

class DropRoomRequest(_message.Message):
    __slots__ = ("session", "room")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    room: str
    def __init__(self, session: _Optional[bytes] = ..., room: _Optional[str] = ...) -> None: ...

class DropRoomResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRoomsRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    def __init__(self, session: _Optional[bytes] = ...) -> None: ...

class ListRoomsResponse(_message.Message):
    __slots__ = ("rooms",)
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedCompositeFieldContainer[KeptRoom]
    def __init__(self, rooms: _Optional[_Iterable[_Union[KeptRoom, _Mapping]]] = ...) -> None: ...

class KeptRoom(_message.Message):
    __slots__ = ("room", "position", "read", "unread")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    room: str
    position: _types_pb2.Position
    read: _types_pb2.Position
    unread: int
    def __init__(self, room: _Optional[str] = ..., position: _Optional[_Union[_types_pb2.Position, _Mapping]] = ..., read: _Optional[_Union[_types_pb2.Position, _Mapping]] = ..., unread: _Optional[int] = ...) -> None: ...

class ListConversationsRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    def __init__(self, session: _Optional[bytes] = ...) -> None: ...

class ListConversationsResponse(_message.Message):
    __slots__ = ("conversations",)
    CONVERSATIONS_FIELD_NUMBER: _ClassVar[int]
    conversations: _containers.RepeatedCompositeFieldContainer[Conversation]
    def __init__(self, conversations: _Optional[_Iterable[_Union[Conversation, _Mapping]]] = ...) -> None: ...

class Conversation(_message.Message):
    __slots__ = ("room", "user", "position", "last", "read", "unread")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    room: str
    user: User
    position: _types_pb2.Position
    last: _types_pb2.Publication
    read: _types_pb2.Position
    unread: int
    def __init__(self, room: _Optional[str] = ..., user: _Optional[_Union[User, _Mapping]] = ..., position: _Optional[_Union[_types_pb2.Position, _Mapping]] = ..., last: _Optional[_Union[_types_pb2.Publication, _Mapping]] = ..., read: _Optional[_Union[_types_pb2.Position, _Mapping]] = ..., unread: _Optional[int] = ...) -> None: ...

class RenewLeaseRequest(_message.Message):
    __slots__ = ("incarnation", "address", "acquire")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ACQUIRE_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    address: str
    acquire: bool
    def __init__(self, incarnation: _Optional[str] = ..., address: _Optional[str] = ..., acquire: _Optional[bool] = ...) -> None: ...

class RenewLeaseResponse(_message.Message):
    __slots__ = ("held", "ttl_ms", "live")
    HELD_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    held: bool
    ttl_ms: int
    live: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, held: _Optional[bool] = ..., ttl_ms: _Optional[int] = ..., live: _Optional[_Iterable[str]] = ...) -> None: ...

class ReleaseLeaseRequest(_message.Message):
    __slots__ = ("incarnation",)
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    def __init__(self, incarnation: _Optional[str] = ...) -> None: ...

class ReleaseLeaseResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RegisterRoomsRequest(_message.Message):
    __slots__ = ("incarnation", "number", "rooms")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    number: int
    rooms: _containers.RepeatedCompositeFieldContainer[RoomRead]
    def __init__(self, incarnation: _Optional[str] = ..., number: _Optional[int] = ..., rooms: _Optional[_Iterable[_Union[RoomRead, _Mapping]]] = ...) -> None: ...

class RegisterRoomsResponse(_message.Message):
    __slots__ = ("registrations",)
    REGISTRATIONS_FIELD_NUMBER: _ClassVar[int]
    registrations: _containers.RepeatedCompositeFieldContainer[Registration]
    def __init__(self, registrations: _Optional[_Iterable[_Union[Registration, _Mapping]]] = ...) -> None: ...

class Registration(_message.Message):
    __slots__ = ("accepted", "shard_epoch", "stream_id", "history")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    SHARD_EPOCH_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    accepted: bool
    shard_epoch: str
    stream_id: _types_pb2.StreamId
    history: RoomHistory
    def __init__(self, accepted: _Optional[bool] = ..., shard_epoch: _Optional[str] = ..., stream_id: _Optional[_Union[_types_pb2.StreamId, _Mapping]] = ..., history: _Optional[_Union[RoomHistory, _Mapping]] = ...) -> None: ...

class UnregisterRoomsRequest(_message.Message):
    __slots__ = ("incarnation", "number", "rooms")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    number: int
    rooms: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, incarnation: _Optional[str] = ..., number: _Optional[int] = ..., rooms: _Optional[_Iterable[str]] = ...) -> None: ...

class UnregisterRoomsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReportPresenceRequest(_message.Message):
    __slots__ = ("incarnation", "rooms")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    rooms: _containers.RepeatedCompositeFieldContainer[GatewayPresence]
    def __init__(self, incarnation: _Optional[str] = ..., rooms: _Optional[_Iterable[_Union[GatewayPresence, _Mapping]]] = ...) -> None: ...

class GatewayPresence(_message.Message):
    __slots__ = ("room", "count", "user_ids", "members", "number")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    room: str
    count: int
    user_ids: _containers.RepeatedScalarFieldContainer[int]
    members: _containers.RepeatedCompositeFieldContainer[_types_pb2.Member]
    number: int
    def __init__(self, room: _Optional[str] = ..., count: _Optional[int] = ..., user_ids: _Optional[_Iterable[int]] = ..., members: _Optional[_Iterable[_Union[_types_pb2.Member, _Mapping]]] = ..., number: _Optional[int] = ...) -> None: ...

class ReportPresenceResponse(_message.Message):
    __slots__ = ("rooms", "deferred")
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    DEFERRED_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedCompositeFieldContainer[_types_pb2.RoomPresence]
    deferred: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, rooms: _Optional[_Iterable[_Union[_types_pb2.RoomPresence, _Mapping]]] = ..., deferred: _Optional[_Iterable[str]] = ...) -> None: ...
