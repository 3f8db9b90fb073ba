"""The gRPC ConnectService: what task sends goes to the hub.

Owns who may deliver here (the right cluster, to the incarnation that lives), and how long the loop is held for it. Does
not own what happens to a batch (hub).

A large batch is handed over in parts, with a turn of the loop between them: so the sockets can take what was written
before more is added to their outboxes, and pings, renewals and other clients wait for a part and not for a batch.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from grpc import aio

from chatcluster.connect.hub import Hub
from chatcluster.connect.lease import Lease
from chatcluster.connect.membership import Membership
from chatcluster.core import errors, ids, telemetry
from chatcluster.v1 import connect_pb2, connect_pb2_grpc, types_pb2 as pb

PART = 64
"""Publications that are handed to the hub in one turn of the loop."""
PART_BYTES = 64 * 1024
"""The same in bytes of their bodies; a quarter of an outbox."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which cluster this gateway is of."""

    name: str
    shards: int


class ConnectService(connect_pb2_grpc.ConnectServiceServicer):
    """The methods of connect.proto's ConnectService, under their names there."""

    def __init__(
        self,
        cluster: Cluster,
        hub: Hub,
        lease: Lease,
        membership: Membership,
        clock: Callable[[], float],
        delivered: Callable[[], None],
    ) -> None:
        """`delivered` is called after each part: the hub may have something to ask."""
        self._cluster = cluster
        self._hub = hub
        self._lease = lease
        self._membership = membership
        self._clock = clock
        self._delivered = delivered

    async def Deliver(
        self, request: connect_pb2.DeliverRequest, _: aio.ServicerContext[Any, Any]
    ) -> connect_pb2.DeliverResponse:
        """Hand all batches to the hub. Raises `Superseded` when others are meant, `Invalid` for an unknown shard."""
        if request.cluster != self._cluster.name:
            raise errors.Superseded(f"this is cluster {self._cluster.name}")
        if any(batch.shard >= self._cluster.shards for batch in request.batches):
            raise errors.Invalid(f"this cluster has {self._cluster.shards} shards")
        failed = handed = 0
        for batch in request.batches:
            for number, part in enumerate(parts(batch)):
                if number or handed + len(part.publications) > PART:
                    await asyncio.sleep(0)
                    handed = 0
                self._check(request.incarnation)
                failed += self._hub.deliver(part, self._clock())
                self._delivered()
                handed += len(part.publications)
            for control in batch.controls:
                self._obey(control)
        _count(request)
        return connect_pb2.DeliverResponse(failed=failed)

    def _check(self, incarnation: str) -> None:
        if incarnation != self._lease.incarnation or not self._lease.is_held:
            raise errors.Superseded(f"this is {self._lease.incarnation}, and its lease may have lapsed")

    def _obey(self, control: pb.Control) -> None:
        if control.HasField("revoke_session"):
            self._membership.revoke(control.revoke_session, ids.parse_room(control.room).users)


def _count(request: connect_pb2.DeliverRequest) -> None:
    telemetry.DELIVER_BATCHES_TOTAL.inc(len(request.batches))
    items = sum(len(b.publications) + len(b.ephemerals) + len(b.controls) for b in request.batches)
    telemetry.DELIVER_ITEMS_TOTAL.inc(items)


def parts(batch: connect_pb2.Batch) -> Iterator[connect_pb2.Batch]:
    """The batch in order, in parts that the hub may be given one after the other; only the last one reaches `upto`."""
    start = size = 0
    for end, publication in enumerate(batch.publications):
        if end - start >= PART or (end > start and size + len(publication.body) > PART_BYTES):
            yield _part(batch, start, end)
            start, size = end, 0
        size += len(publication.body)
    if start == 0:
        yield batch
        return
    last = _part(batch, start, len(batch.publications))
    last.upto.CopyFrom(batch.upto)
    last.ephemerals.extend(batch.ephemerals)
    yield last


def _part(batch: connect_pb2.Batch, start: int, end: int) -> connect_pb2.Batch:
    return connect_pb2.Batch(
        shard=batch.shard,
        epoch=batch.epoch,
        prev=batch.prev,
        upto=batch.prev,
        publications=batch.publications[start:end],
    )
