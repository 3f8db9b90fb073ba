"""What the operator tells of itself: its metrics, and the form of its log.

Owns all metrics of the operator, and structlog's set-up. Does not own serving them (health).
"""

import logging
import sys

import prometheus_client
import structlog
from prometheus_client import Counter, Gauge, Histogram

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # one more series for each, of no use

RECONCILES_TOTAL = Counter(
    "chat_operator_reconciles_total",
    "Looks at a ChatCluster, by how they ended: ok, failed, invalid, paused, crashed (a defect of the operator).",
    ["outcome"],
)
RECONCILE_SECONDS = Histogram(
    "chat_operator_reconcile_seconds",
    "How long a look at a ChatCluster took.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
ACTIONS_TOTAL = Counter(
    "chat_operator_actions_total",
    "Changes to children, by kind and why: missing, changed, drift, unwanted, growth, autoscaler.",
    ["kind", "why"],
)
API_CALLS_TOTAL = Counter(
    "chat_operator_api_calls_total",
    "Requests to the API server, by verb and HTTP status; none: no answer.",
    ["verb", "code"],
)
WATCH_AGE_SECONDS = Gauge(
    "chat_operator_watch_age_seconds",
    "How long ago a watch last said anything, bookmarks included; above 90 it is made anew.",
    ["kind"],
)
WATCH_RESTARTS_TOTAL = Counter(
    "chat_operator_watch_restarts_total",
    "Watches that broke and began anew, by reason; Gone: with a list.",
    ["kind", "reason"],
)
QUEUE_DEPTH = Gauge("chat_operator_queue_depth", "ChatClusters that wait to be looked at.")
BUILD_INFO = Gauge("chat_operator_build_info", "Always 1; which version of the operator this is.", ["version"])

for _outcome in ("ok", "failed", "invalid", "paused", "crashed"):
    RECONCILES_TOTAL.labels(_outcome)  # a series that begins with its first event shows no increase


def setup(version: str, level: str) -> None:
    """Write one line an event to stderr: JSON, unless it is a terminal. To be called once, before anything logs."""
    is_terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # kopf tells of every event that it sees: twice an object, and nothing that the canonical line does not.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    BUILD_INFO.labels(version).set(1)
