"""gRPC between the programs of one cluster: what the side that calls and the side that serves have in common.

Owns the cluster's secret in the metadata, the mapping of errors, the options of connections, metrics, and a single call
to a single endpoint. Does not own serving (rpc_server), the choice of an endpoint and retries (rpc_pool), or what the
services say (proto/). It lives in core because api, connect, logic and task must agree on all of it.

A call's outcome is told truthfully above all. "Surely not executed" is known in two ways only: the server said so, or
no connection was up to send it on. Everything else that goes wrong leaves the outcome unknown, whatever gRPC's status
suggests: a connection that broke may have carried the request.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from chatcluster.core import errors, telemetry
from chatcluster.v1 import connect_pb2, logic_pb2

LOGIC: ServiceDescriptor = logic_pb2.DESCRIPTOR.services_by_name["LogicService"]
CONNECT: ServiceDescriptor = connect_pb2.DESCRIPTOR.services_by_name["ConnectService"]

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_CONCURRENT_CALLS = 1_000
"""Of a server; the next one is refused as busy."""
SECRET = "chat-secret"  # noqa: S105 - the name of a metadata entry
"""The metadata entry in which the cluster's secret goes along with every call."""

SHARED_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Both ends ping, so that a peer that vanished without closing is noticed within 15 s, also by an idle one.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
"""Of both ends of a connection: keepalive works only where they agree."""

_CHANNEL_OPTIONS = (
    *SHARED_OPTIONS,
    ("grpc.enable_http_proxy", 0),  # calls stay inside the cluster
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)
_ERROR = "chat-error"
_RETRY_AFTER = "chat-retry-after"

_STATUS: dict[type[errors.ChatError], grpc.StatusCode] = {
    errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.SessionEnded: grpc.StatusCode.UNAUTHENTICATED,
    errors.WrongCredentials: grpc.StatusCode.UNAUTHENTICATED,
    errors.Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.NameTaken: grpc.StatusCode.ALREADY_EXISTS,
    errors.Conflict: grpc.StatusCode.ALREADY_EXISTS,
    errors.Expired: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TooManyRooms: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Superseded: grpc.StatusCode.FAILED_PRECONDITION,
    errors.RateLimited: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Busy: grpc.StatusCode.UNAVAILABLE,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.OutcomeUnknown: grpc.StatusCode.ABORTED,
}


def status_of(error: errors.ChatError) -> grpc.StatusCode:
    """The gRPC status that an error is sent with: its own, or that of what it is a kind of."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), grpc.StatusCode.INTERNAL)


def error_of(failure: grpc.aio.AioRpcError) -> errors.ChatError:
    """The error that a failed call stands for: the server's own, or what its absence says about the outcome."""
    trailing = dict(failure.trailing_metadata() or ())
    details = f"{failure.code().name}: {failure.details()}"
    if _ERROR in trailing:
        retry_after = trailing.get(_RETRY_AFTER)
        error = errors.by_code(str(trailing[_ERROR]))
        return error(failure.details() or "", retry_after=float(retry_after) if retry_after else None)
    if failure.code() in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED}:
        return errors.Unavailable(details)
    return errors.OutcomeUnknown(details)


def trailing_of(error: errors.ChatError) -> tuple[tuple[str, str], ...]:
    """The trailing metadata that an error is sent with: what `error_of` reads on the other side."""
    if error.retry_after is None:
        return ((_ERROR, error.code),)
    return ((_ERROR, error.code), (_RETRY_AFTER, f"{error.retry_after:g}"))


def channel(address: str) -> grpc.aio.Channel:
    """A channel to one endpoint; connects when it is first used."""
    return grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)


class Endpoint:
    """One server of a service, by its address."""

    def __init__(self, address: str, service: ServiceDescriptor, secret: str) -> None:
        self.address = address
        self.in_flight = 0
        self.connected = False
        """As `watch` saw it last."""
        self.suspect_until = 0.0
        self.chosen_at = 0.0
        self._channel = channel(address)
        self._metadata = ((SECRET, secret),)
        self._methods = {method.name: self._method(method) for method in service.methods}

    async def call(self, method: str, request: Message, *, timeout: float) -> Any:
        """Make one attempt of at most `timeout` seconds; returns the method's response message.

        Raises the `errors.ChatError` that the server raised; `Unavailable` when the server refused the caller or does
        not have the method; `OutcomeUnknown` for anything else that went wrong.
        """
        self.in_flight += 1
        seen = Observation()
        try:
            with observed("client", method, seen):
                try:
                    response = await self._methods[method](request, timeout=timeout, metadata=self._metadata)
                except grpc.aio.AioRpcError as exc:
                    seen.code = exc.code()
                    raise error_of(exc) from exc
                seen.code = grpc.StatusCode.OK
                return response
        finally:
            self.in_flight -= 1

    async def watch(self, changed: Callable[[], None]) -> None:
        """Keep connecting, and say after every change whether it is connected; for ever."""
        while True:
            state = self._channel.get_state(try_to_connect=True)
            self.connected = state is grpc.ChannelConnectivity.READY
            changed()
            await self._channel.wait_for_state_change(state)

    async def close(self, grace: float | None = None) -> None:
        """Close the connection, when calls in flight have ended or `grace` seconds are over."""
        await self._channel.close(grace)

    def _method(self, method: MethodDescriptor) -> Any:
        return self._channel.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=message_factory.GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )


class Slots:
    """At most `MAX_CONCURRENT_CALLS` at once; entering one more raises `Busy`."""

    def __init__(self) -> None:
        self._taken = 0

    def __enter__(self) -> None:
        if self._taken >= MAX_CONCURRENT_CALLS:
            raise errors.Busy("too many calls at once")
        self._taken += 1

    def __exit__(self, *_: object) -> None:
        self._taken -= 1


class Observation:
    """What became of a call."""

    code = grpc.StatusCode.CANCELLED
    seconds = 0.0


@contextmanager
def observed(side: str, method: str, seen: Observation) -> Iterator[None]:
    """Measure a call into `seen`, whose code the block sets; one that leaves it unset was cancelled."""
    started = perf_counter()
    try:
        yield
    finally:
        seen.seconds = perf_counter() - started
        telemetry.RPC_LATENCY_SECONDS.labels(side, method, seen.code.name).observe(seen.seconds)
