"""Logs and metrics of the four programs.

Owns every metric of the services, so that names, units and labels are seen side by side, and how a log line looks.
Does not own what is logged or counted where. It lives in core because all programs report in the same way.

A metric is called here as outside, in capitals and without the prefix: `telemetry.CONNECTIONS.labels("websocket")` is
`chat_connections{protocol="websocket"}`. No label ever holds a user, a room or an address: their number has no bound.
"""

import asyncio
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import structlog
from prometheus_client import Counter, Gauge, Histogram

from chatcluster import __version__
from chatcluster.core.environment import Environment

_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SHORT_LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

# -- every program
BUILD_INFO = Gauge("chat_build_info", "Always 1; which version of which component this is.", ["version", "component"])
EVENT_LOOP_LAG_SECONDS = Histogram(
    "chat_event_loop_lag_seconds", "How late the event loop woke a sleeper.", buckets=_SHORT_LATENCIES
)
RPC_LATENCY_SECONDS = Histogram(
    "chat_rpc_latency_seconds",
    "Attempts at gRPC calls, by side (client or server), method and gRPC status.",
    ["side", "method", "code"],
    buckets=_LATENCIES,
)
REDIS_LATENCY_SECONDS = Histogram(
    "chat_redis_latency_seconds", "Operations on Redis.", ["operation"], buckets=_SHORT_LATENCIES
)
REDIS_ERRORS_TOTAL = Counter("chat_redis_errors_total", "Operations on Redis that failed.", ["operation"])
DIRECTORY_ENDPOINTS = Gauge("chat_directory_endpoints", "Endpoints known of a Kubernetes Service.", ["service"])
DIRECTORY_WATCH_AGE_SECONDS = Gauge(
    "chat_directory_watch_age_seconds",
    "Since the API server last said or accepted anything about a Service's endpoints; up to 75 when all is well.",
    ["service"],
)
DIRECTORY_LISTS_TOTAL = Counter(
    "chat_directory_lists_total", "Endpoints were listed in full, by reason: start, age, or of the failure.", ["reason"]
)
DIRECTORY_ERRORS_TOTAL = Counter(
    "chat_directory_errors_total", "Lists and watches of endpoints that failed.", ["reason"]
)
REJECTED_TOTAL = Counter(
    "chat_rejected_total", "Requests, frames and connections refused at a limit or as malformed.", ["reason"]
)

# -- api
REQUESTS_TOTAL = Counter("chat_requests_total", "HTTP requests answered.", ["route", "status"])
REQUESTS_IN_PROGRESS = Gauge("chat_requests_in_progress", "HTTP requests that are being answered.")
REQUEST_LATENCY_SECONDS = Histogram(
    "chat_request_latency_seconds",
    "HTTP requests, from the head to the end of the answer.",
    ["route"],
    buckets=_LATENCIES,
)

# -- logic
PUBLICATIONS_TOTAL = Counter(
    "chat_publications_total", "Publishing, by outcome: ok, repeated, or the code of the error.", ["outcome"]
)
REGISTRATIONS_TOTAL = Counter(
    "chat_registrations_total", "Rooms registered by gateways, by reason (join, unsound, gap, check).", ["reason"]
)
EPHEMERALS_DROPPED_TOTAL = Counter(
    "chat_ephemerals_dropped_total", "Ephemerals that were dropped because a dispatch stream or a lane was filling up."
)
PASSWORD_HASHES_IN_PROGRESS = Gauge(
    "chat_password_hashes_in_progress", "Passwords being hashed or waiting for their turn."
)

# -- task
SHARDS_OWNED = Gauge("chat_shards_owned", "Shards of which this task holds the lease.")
DISPATCH_BACKLOG_ENTRIES = Gauge(
    "chat_dispatch_backlog_entries", "Entries after the cursor of a shard this task owns.", ["shard"]
)
DISPATCH_BACKLOG_SECONDS = Gauge(
    "chat_dispatch_backlog_seconds", "Age of the first entry after the cursor of a shard this task owns.", ["shard"]
)
GATEWAYS_PASSED_OVER_TOTAL = Counter(
    "chat_gateways_passed_over_total", "A gateway was left out of a shard's batch and will read history.", ["reason"]
)
LANE_OVERFLOWS_TOTAL = Counter(
    "chat_lane_overflows_total", "A gateway's lane was full and was emptied; the gateway will read history."
)
DEAD_LETTERS_TOTAL = Counter("chat_dead_letters_total", "Entries set aside.", ["reason"])
SHARDS_STUCK_TOTAL = Counter(
    "chat_shards_stuck_total",
    "A shard was left to its next owner because Redis, which was there, failed one step again and again.",
    ["step"],
)
DEAD_LETTERS_HELD = Gauge("chat_dead_letters_held", "Entries in the dead-letter streams of the shards this task owns.")

# -- connect
CONNECTIONS = Gauge("chat_connections", "Open connections.", ["protocol"])
CONNECTIONS_ACCEPTED_TOTAL = Counter("chat_connections_accepted_total", "Connections accepted.", ["protocol"])
DISCONNECTS_TOTAL = Counter("chat_disconnects_total", "Connections closed, by disconnect code.", ["code"])
ROOMS = Gauge("chat_rooms", "Rooms that this gateway has.")
DELIVERIES_TOTAL = Counter("chat_deliveries_total", "Publications written to a connection.", ["protocol"])
DELIVERY_LATENCY_SECONDS = Histogram(
    "chat_delivery_latency_seconds",
    "From the stamp of a publication (Redis' clock) to its write to sockets; observed once a room and gateway.",
    buckets=_LATENCIES,
)
DELIVER_ITEMS_TOTAL = Counter("chat_deliver_items_total", "Items received in Deliver.")
DELIVER_BATCHES_TOTAL = Counter("chat_deliver_batches_total", "Batches received in Deliver, empty ones included.")
GAPS_TOTAL = Counter("chat_gaps_total", "Gaps met in a room, by outcome (filled, skipped, late).", ["outcome"])
OUTBOX_OVERFLOWS_TOTAL = Counter(
    "chat_outbox_overflows_total", "Connections closed because they read too slowly for their outbox."
)
LEASES_LOST_TOTAL = Counter("chat_leases_lost_total", "Leases that lapsed although their holder lives.")

_LAG_INTERVAL = 0.5


@dataclass(frozen=True, slots=True)
class Settings:
    """How a program logs."""

    format: str
    """`json` or `console`; `auto` is console on a terminal and JSON otherwise."""
    level: str
    """The least severe level that is written."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read CHATCLUSTER_TELEMETRY_FORMAT and CHATCLUSTER_TELEMETRY_LEVEL."""
        environment = Environment(environ)
        return cls(
            format=environment.choice("TELEMETRY_FORMAT", "auto", ("auto", "json", "console")),
            level=environment.choice("TELEMETRY_LEVEL", "info", ("debug", "info", "warning", "error")),
        )


def setup(component: str, settings: Settings) -> None:
    """Make structlog and the standard library's logging write one line an event to stderr, and state the build.

    To be called once, before anything is logged.
    """
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    shared = _processors()
    render = _renderers(colors=sys.stderr.isatty()) if console else _json_renderers()
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    _adopt_standard_logging(level, shared, render)
    BUILD_INFO.labels(__version__, component).set(1)


async def watch_event_loop() -> None:
    """Observe the loop's lag for ever, twice a second."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_INTERVAL
        await asyncio.sleep(_LAG_INTERVAL)
        EVENT_LOOP_LAG_SECONDS.observe(max(0.0, loop.time() - due))


def _processors() -> list[structlog.types.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderers(*, colors: bool) -> list[structlog.types.Processor]:
    return [structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0)]


def _json_renderers() -> list[structlog.types.Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _adopt_standard_logging(
    level: int, shared: list[structlog.types.Processor], render: list[structlog.types.Processor]
) -> None:
    # What libraries log (asyncio's unhandled exceptions above all) has to look like the rest, or nobody finds it.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
