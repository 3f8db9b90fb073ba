"""Metrics of the programs.

Owns every metric of the services, so that names, units and labels are seen side by side, and which program exports it.
Does not own what is counted where. It lives in core because all programs report in the same way.

A metric is called here as outside, in capitals and without the prefix: `telemetry.CONNECTIONS.labels("websocket")` is
`chat_connections{protocol="websocket"}`. No label ever holds a user, a room, or an address other than a Redis master's:
their number has no bound.
A metric is exported by the programs that its section names, and by no others: a gauge that always says 0 in programs
that do not know its value would be taken for a measurement. docs/metrics.md is made from this file.
"""

import asyncio
from collections.abc import Mapping

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import Collector

from chatcluster import __version__
from chatcluster.core import errors

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # one more series for each, of no use


class Exporters(CollectorRegistry):
    """Takes metrics into the pages of some programs, and into the process' own registry."""

    def __init__(self, *programs: str) -> None:
        super().__init__()
        self.programs = programs

    def register(self, collector: Collector) -> None:
        """Have these programs export it."""
        prometheus_client.REGISTRY.register(collector)
        for program in self.programs:
            PAGES[program].register(collector)


PAGES = {program: CollectorRegistry() for program in ("api", "logic", "connect", "task", "synthetic")}
"""What each program exports, by its name."""
for _page in PAGES.values():
    for _collector in (prometheus_client.PROCESS_COLLECTOR, prometheus_client.GC_COLLECTOR):
        _page.register(_collector)

_EVERY = Exporters(*PAGES)
_SERVERS = Exporters("api", "logic", "connect")
_EDGES = Exporters("api", "connect")
_STORING = Exporters("logic", "task")
_FOLLOWING = Exporters("api", "connect", "synthetic")
_API, _LOGIC, _CONNECT, _TASK, _SYNTHETIC = map(Exporters, PAGES)

FAULTS = tuple(fault.code for fault in (errors.Busy, errors.Unavailable, errors.OutcomeUnknown, errors.ChatError))
"""The errors that are nobody's fault but the cluster's, as outcomes in metrics."""

_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SHORT_LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

# -- every program
BUILD_INFO = Gauge(
    "chat_build_info",
    "Always 1; which version of which component this is.",
    ["version", "component"],
    registry=_EVERY,
)
DEPENDENCY_UP = Gauge(
    "chat_dependency_up",
    "1 while what this program cannot work without answers, 0 while it does not.",
    ["dependency"],
    registry=_EVERY,
)
EVENT_LOOP_LAG_SECONDS = Histogram(
    "chat_event_loop_lag_seconds",
    "How late the event loop woke a sleeper, twice a second: what everything else in this program waits as well.",
    buckets=_SHORT_LATENCIES,
    registry=_EVERY,
)
RPC_LATENCY_SECONDS = Histogram(
    "chat_rpc_latency_seconds",
    "Attempts at gRPC calls, by side (client or server), method and gRPC status.",
    ["side", "method", "code"],
    buckets=_LATENCIES,
    registry=_EVERY,
)
REJECTED_TOTAL = Counter(
    "chat_rejected_total",
    "Requests, frames and connections refused at a limit or as malformed.",
    ["reason"],
    registry=_SERVERS,
)

# -- api and connect
SENDS_TOTAL = Counter(
    "chat_sends_total",
    "Messages that clients sent, by what they were told in the end: ok, or the code of the error.",
    ["outcome"],
    registry=_EDGES,
)
CONNECTIONS = Gauge("chat_connections", "Open connections.", ["protocol"], registry=_EDGES)

# -- api, connect and the synthetic user
DIRECTORY_ENDPOINTS = Gauge(
    "chat_directory_endpoints", "Endpoints known of a Kubernetes Service.", ["service"], registry=_FOLLOWING
)
DIRECTORY_WATCH_AGE_SECONDS = Gauge(
    "chat_directory_watch_age_seconds",
    "Since the API server last said or accepted anything about a Service's endpoints; up to 75 when all is well.",
    ["service"],
    registry=_FOLLOWING,
)
DIRECTORY_LISTS_TOTAL = Counter(
    "chat_directory_lists_total",
    "Endpoints were listed in full, by reason: start, age, or of the failure.",
    ["reason"],
    registry=_FOLLOWING,
)
DIRECTORY_ERRORS_TOTAL = Counter(
    "chat_directory_errors_total", "Lists and watches of endpoints that failed.", ["reason"], registry=_FOLLOWING
)

# -- api
REQUESTS_TOTAL = Counter("chat_requests_total", "HTTP requests answered.", ["method", "route", "status"], registry=_API)
REQUESTS_IN_PROGRESS = Gauge("chat_requests_in_progress", "HTTP requests that are being answered.", registry=_API)
REQUEST_LATENCY_SECONDS = Histogram(
    "chat_request_latency_seconds",
    "HTTP requests, from the head to the end of the answer.",
    ["method", "route"],
    buckets=_LATENCIES,
    registry=_API,
)

# -- logic and task
REDIS_LATENCY_SECONDS = Histogram(
    "chat_redis_latency_seconds", "Operations on Redis.", ["operation"], buckets=_SHORT_LATENCIES, registry=_STORING
)
REDIS_ERRORS_TOTAL = Counter(
    "chat_redis_errors_total", "Operations on Redis that failed.", ["operation"], registry=_STORING
)
EPHEMERALS_DROPPED_TOTAL = Counter(
    "chat_ephemerals_dropped_total",
    "Ephemerals that were dropped because a dispatch stream or a lane was filling up.",
    registry=_STORING,
)

# -- logic
PUBLICATIONS_TOTAL = Counter(
    "chat_publications_total",
    "Attempts at publishing, by outcome: ok, repeated (it was stored before), or the code of the error.",
    ["outcome"],
    registry=_LOGIC,
)
PASSWORD_HASHES_IN_PROGRESS = Gauge(
    "chat_password_hashes_in_progress", "Passwords being hashed or waiting for their turn.", registry=_LOGIC
)

# -- task
SHARDS = Gauge("chat_shards", "Shards that the cluster has.", registry=_TASK)
SHARDS_OWNED = Gauge("chat_shards_owned", "Shards of which this task holds the lease.", registry=_TASK)
DISPATCH_BACKLOG_ENTRIES = Gauge(
    "chat_dispatch_backlog_entries", "Entries after the cursor of a shard this task owns.", ["shard"], registry=_TASK
)
DISPATCH_BACKLOG_SECONDS = Gauge(
    "chat_dispatch_backlog_seconds",
    "Age of the first entry after the cursor of a shard this task owns.",
    ["shard"],
    registry=_TASK,
)
DISPATCH_BACKLOG_FILL_RATIO = Gauge(
    "chat_dispatch_backlog_fill_ratio",
    "How full the fullest dispatch stream of this task's shards is: from 0.5 on ephemerals are dropped, at 1 publishing"
    " is refused as busy.",
    registry=_TASK,
)
DISPATCH_LATENCY_SECONDS = Histogram(
    "chat_dispatch_latency_seconds",
    "From the stamp of an entry (Redis' clock) until it is routed to gateways; of the first one in each read.",
    buckets=_LATENCIES,
    registry=_TASK,
)
GATEWAYS_PASSED_OVER_TOTAL = Counter(
    "chat_gateways_passed_over_total",
    "A gateway was left out of a shard's batch and will read history.",
    ["reason"],
    registry=_TASK,
)
LANE_OVERFLOWS_TOTAL = Counter(
    "chat_lane_overflows_total",
    "A gateway's lane was full and was emptied; the gateway will read history.",
    registry=_TASK,
)
DEAD_LETTERS_TOTAL = Counter("chat_dead_letters_total", "Entries set aside.", ["reason"], registry=_TASK)
DEAD_LETTERS_HELD = Gauge(
    "chat_dead_letters_held", "Entries in the dead-letter streams of the shards this task owns.", registry=_TASK
)
SHARDS_STUCK_TOTAL = Counter(
    "chat_shards_stuck_total",
    "A shard was left to its next owner because Redis, which was there, failed one step again and again.",
    ["step"],
    registry=_TASK,
)
REDIS_UPTIME_SECONDS = Gauge(
    "chat_redis_uptime_seconds", "How long a Redis master has been running.", ["node"], registry=_TASK
)
REDIS_CLIENTS = Gauge("chat_redis_clients", "Connections that a Redis master has.", ["node"], registry=_TASK)
REDIS_MEMORY_USED_BYTES = Gauge(
    "chat_redis_memory_used_bytes", "Memory that a Redis master uses.", ["node"], registry=_TASK
)
REDIS_MEMORY_LIMIT_BYTES = Gauge(
    "chat_redis_memory_limit_bytes",
    "The maxmemory of a Redis master, at which it refuses to write; missing where it has none.",
    ["node"],
    registry=_TASK,
)
REDIS_MEMORY_USABLE_BYTES = Gauge(
    "chat_redis_memory_usable_bytes",
    "The memory of a Redis master at which publishing is refused as busy; missing where it has no maxmemory.",
    ["node"],
    registry=_TASK,
)
REDIS_AOF_ENABLED = Gauge(
    "chat_redis_aof_enabled", "1 if a Redis master writes an append-only file, else 0.", ["node"], registry=_TASK
)
REDIS_AOF_BYTES = Gauge("chat_redis_aof_bytes", "Size of a Redis master's append-only file.", ["node"], registry=_TASK)
REDIS_AOF_LAST_WRITE_OK = Gauge(
    "chat_redis_aof_last_write_ok",
    "1 if a Redis master could last write to its append-only file, else 0: it then accepts nothing any more.",
    ["node"],
    registry=_TASK,
)
REDIS_AOF_LAST_REWRITE_OK = Gauge(
    "chat_redis_aof_last_rewrite_ok",
    "1 if a Redis master could last write its append-only file anew, else 0: the file then only grows.",
    ["node"],
    registry=_TASK,
)
REDIS_COMMANDS_TOTAL = Counter(
    "chat_redis_commands_total", "Commands of a Redis master, since this task last found it.", ["node"], registry=_TASK
)
REDIS_CPU_SECONDS_TOTAL = Counter(
    "chat_redis_cpu_seconds_total",
    "Processor time of a Redis master's main thread, since this task last found it; at 1 a second it can do no more.",
    ["node"],
    registry=_TASK,
)

# -- connect
CONNECTIONS_LIMIT = Gauge(
    "chat_connections_limit", "Connections that this gateway takes; the next one is refused.", registry=_CONNECT
)
CONNECTIONS_ACCEPTED_TOTAL = Counter(
    "chat_connections_accepted_total", "Connections accepted.", ["protocol"], registry=_CONNECT
)
DISCONNECTS_TOTAL = Counter(
    "chat_disconnects_total",
    "Connections closed, by disconnect code (docs/disconnects.md).",
    ["code"],
    registry=_CONNECT,
)
ROOMS = Gauge("chat_rooms", "Rooms that this gateway has.", registry=_CONNECT)
REGISTRATIONS_TOTAL = Counter(
    "chat_registrations_total",
    "Rooms registered, by reason (join, unsound, gap, check).",
    ["reason"],
    registry=_CONNECT,
)
DELIVERIES_TOTAL = Counter(
    "chat_deliveries_total", "Publications written to a connection.", ["protocol"], registry=_CONNECT
)
DELIVERY_LATENCY_SECONDS = Histogram(
    "chat_delivery_latency_seconds",
    "From the stamp of a publication (Redis' clock) to its write to sockets; observed once a room and gateway.",
    buckets=_LATENCIES,
    registry=_CONNECT,
)
DELIVER_ITEMS_TOTAL = Counter("chat_deliver_items_total", "Items received in Deliver.", registry=_CONNECT)
DELIVER_BATCHES_TOTAL = Counter(
    "chat_deliver_batches_total", "Batches received in Deliver, empty ones included.", registry=_CONNECT
)
GAPS_TOTAL = Counter(
    "chat_gaps_total",
    "Listeners of a room were told that they missed something: a gap that history did not fill, or a reset after Redis"
    " came back with less.",
    ["outcome"],
    registry=_CONNECT,
)
OUTBOX_OVERFLOWS_TOTAL = Counter(
    "chat_outbox_overflows_total",
    "Connections closed because they read too slowly for their outbox.",
    registry=_CONNECT,
)
LEASES_LOST_TOTAL = Counter(
    "chat_leases_lost_total", "Leases that lapsed although their holder lives.", registry=_CONNECT
)

# -- the synthetic user
SYNTHETIC_MESSAGES_TOTAL = Counter(
    "chat_synthetic_messages_total",
    "Messages that the synthetic user sent, by outcome: ok, refused, or lost (stored, and not shown by every gateway in"
    " time).",
    ["outcome"],
    registry=_SYNTHETIC,
)
SYNTHETIC_LATENCY_SECONDS = Histogram(
    "chat_synthetic_latency_seconds",
    "From when the synthetic user sends a message until a gateway shows it, observed once for each gateway.",
    buckets=_LATENCIES,
    registry=_SYNTHETIC,
)
SYNTHETIC_UP = Gauge(
    "chat_synthetic_up",
    "1 while messages pass a part of the way, 0 while it is to blame that they do not arrive.",
    ["part"],
    registry=_SYNTHETIC,
)
SYNTHETIC_GATEWAYS = Gauge(
    "chat_synthetic_gateways", "Gateways at which the synthetic user expects its messages.", registry=_SYNTHETIC
)

_FROM_ZERO: Mapping[Counter, tuple[str, ...]] = {
    SENDS_TOTAL: ("ok", *FAULTS),
    REJECTED_TOTAL: ("connections", "connect_rate"),
    GATEWAYS_PASSED_OVER_TOTAL: ("silent", "refused", "overflow"),
    SHARDS_STUCK_TOTAL: ("gateways", "entries", "holders", "set_aside", "copy", "advance"),
    GAPS_TOTAL: ("gap", "reset"),
    SYNTHETIC_MESSAGES_TOTAL: ("ok", "refused", "lost"),
}


def _begin() -> None:
    """A series that begins with its first event shows no increase: no alert would see that one."""
    for counter, values in _FROM_ZERO.items():
        for value in values:
            counter.labels(value)


_begin()

_LAG_INTERVAL = 0.5


def identify(component: str) -> None:
    """State which version of which program this is."""
    BUILD_INFO.labels(__version__, component).set(1)


def page(component: str) -> bytes:
    """What a program exports, in Prometheus' text format; of none of them: everything that is in this process."""
    return prometheus_client.generate_latest(PAGES.get(component, prometheus_client.REGISTRY))


async def watch_event_loop() -> None:
    """Observe the loop's lag for ever, twice a second."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_INTERVAL
        await asyncio.sleep(_LAG_INTERVAL)
        EVENT_LOOP_LAG_SECONDS.observe(max(0.0, loop.time() - due))
