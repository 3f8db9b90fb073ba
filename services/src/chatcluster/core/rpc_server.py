"""The side of a gRPC call that serves.

Owns what stands before every method: the cluster's secret, the bound on calls at once, errors into statuses, metrics,
one canonical log line, and grpc.health.v1. Does not own the services. It lives in core beside rpc, its other side.
"""

import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chatcluster.core import errors, health, rpc, telemetry

SLOW = 1.0
"""Seconds after which a served call is logged at level info."""

_OPTIONS = (
    *rpc.SHARED_OPTIONS,
    # Else the clients' pings end in GOAWAY; a smallest interval between them does not keep idle connections from that.
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),  # a taken port must be an error, not two servers that share it
)
_TROUBLE = (grpc.StatusCode.ABORTED, grpc.StatusCode.INTERNAL)
_log = structlog.get_logger()

Registration = Callable[[grpc.aio.Server], None]


async def serve(
    registrations: Iterable[Registration], address: str, secret: str, readiness: health.Readiness
) -> tuple[grpc.aio.Server, int]:
    """Start a server with these services and grpc.health.v1; returns it and its port.

    Every call but health's must carry the cluster's secret. At most `rpc.MAX_CONCURRENT_CALLS` run at once, the next is
    refused as busy. Servicers raise `errors.ChatError`; anything else is logged and answered as INTERNAL. Raises
    RuntimeError when the address is taken. The caller stops it: `await server.stop(grace)`.
    """
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_no_late_answer)
    server = grpc.aio.server(interceptors=[_Guard(secret)], options=_OPTIONS)
    for register in registrations:
        register(server)
    health_pb2_grpc.add_HealthServicer_to_server(_Health(readiness), server)
    port = server.add_insecure_port(address)
    await server.start()
    return server, port


class _Health(health_pb2_grpc.HealthServicer):
    def __init__(self, readiness: health.Readiness) -> None:
        self._readiness = readiness

    async def Check(self, _request: health_pb2.HealthCheckRequest, _context: object) -> health_pb2.HealthCheckResponse:
        response = health_pb2.HealthCheckResponse
        return response(status=response.SERVING if self._readiness.ready else response.NOT_SERVING)


class _Guard(grpc.aio.ServerInterceptor):
    """Stands before every unary method: secret, bound, errors, metrics."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._slots = rpc.Slots()

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        call = handler_call_details
        handler = await continuation(call)
        if handler is None or not handler.unary_unary or call.method.startswith("/grpc.health.v1.Health/"):
            return handler
        if not self._knows(call):
            return grpc.unary_unary_rpc_method_handler(_refuse)  # without its deserializer: a stranger is not parsed
        return grpc.unary_unary_rpc_method_handler(
            self._guarded(call.method.rpartition("/")[2], handler.unary_unary),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _knows(self, call: grpc.HandlerCallDetails) -> bool:
        secret = dict(call.invocation_metadata).get(rpc.SECRET, "")
        return hmac.compare_digest(secret.encode() if isinstance(secret, str) else secret, self._secret)

    def _guarded(self, method: str, behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Any:
        async def answer(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            with _served(method) as seen:
                try:
                    with self._slots:
                        response = await behaviour(request, context)
                except errors.ChatError as exc:
                    seen.code = rpc.status_of(exc)
                    await _abort(context, exc)
                except Exception:  # noqa: BLE001 - the edge: a bug in one call must not end the server
                    seen.code = grpc.StatusCode.INTERNAL
                    _log.exception("rpc_failed", method=method)
                    await _abort(context, errors.ChatError("internal error"))
                seen.code = grpc.StatusCode.OK
                return response

        return answer


def _is_no_late_answer(record: logging.LogRecord) -> bool:
    """Whether gRPC tells of anything but an answer whose caller has gone. It takes that for an error of ours, with a
    traceback, when it hears of the caller's end a moment too late: on a busy machine whenever a caller lost patience.
    """
    return not record.getMessage().startswith("ExecuteBatchError raised in core")


async def _refuse(_request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    telemetry.REJECTED_TOTAL.labels("cluster_secret").inc()
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "not a program of this cluster")


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: errors.ChatError) -> NoReturn:
    await context.abort(rpc.status_of(error), str(error), rpc.trailing_of(error))


@contextmanager
def _served(method: str) -> Iterator[rpc.Observation]:
    seen = rpc.Observation()
    try:
        with rpc.observed("server", method, seen):
            yield seen
    finally:
        # A call shows without being asked for only when it was slow or its outcome is unknown.
        tell = _log.info if seen.seconds >= SLOW or seen.code in _TROUBLE else _log.debug
        tell("rpc_served", method=method, code=seen.code.name, seconds=round(seen.seconds, 4))
