"""Logs of the programs.

Owns how a log line looks. Does not own what is logged where. It lives in core because all programs log alike.
"""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import structlog

from chatcluster.core.environment import Environment


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


def setup(settings: Settings) -> None:
    """Make structlog and the standard library's logging write one line an event to stderr.

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
