from chatcluster.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeliverRequest(_message.Message):
    __slots__ = ("cluster", "incarnation", "batches")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    incarnation: str
    batches: _containers.RepeatedCompositeFieldContainer[Batch]
    def __init__(self, cluster: _Optional[str] = ..., incarnation: _Optional[str] = ..., batches: _Optional[_Iterable[_Union[Batch, _Mapping]]] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("shard", "epoch", "prev", "upto", "publications", "ephemerals", "controls")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PREV_FIELD_NUMBER: _ClassVar[int]
    UPTO_FIELD_NUMBER: _ClassVar[int]
    PUBLICATIONS_FIELD_NUMBER: _ClassVar[int]
    EPHEMERALS_FIELD_NUMBER: _ClassVar[int]
    CONTROLS_FIELD_NUMBER: _ClassVar[int]
    shard: int
    epoch: str
    prev: _types_pb2.StreamId
    upto: _types_pb2.StreamId
    publications: _containers.RepeatedCompositeFieldContainer[_types_pb2.Publication]
    ephemerals: _containers.RepeatedCompositeFieldContainer[_types_pb2.Ephemeral]
    controls: _containers.RepeatedCompositeFieldContainer[_types_pb2.Control]
    def __init__(self, shard: _Optional[int] = ..., epoch: _Optional[str] = ..., prev: _Optional[_Union[_types_pb2.StreamId, _Mapping]] = ..., upto: _Optional[_Union[_types_pb2.StreamId, _Mapping]] = ..., publications: _Optional[_Iterable[_Union[_types_pb2.Publication, _Mapping]]] = ..., ephemerals: _Optional[_Iterable[_Union[_types_pb2.Ephemeral, _Mapping]]] = ..., controls: _Optional[_Iterable[_Union[_types_pb2.Control, _Mapping]]] = ...) -> None: ...

class DeliverResponse(_message.Message):
    __slots__ = ("failed",)
    FAILED_FIELD_NUMBER: _ClassVar[int]
    failed: int
    def __init__(self, failed: _Optional[int] = ...) -> None: ...
