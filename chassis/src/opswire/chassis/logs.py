"""JSON logs, one object a line, with the trace and request that the line belongs to."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from opswire.chassis.redaction import redactor
from opswire.chassis.telemetry import current_span


def _add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    span = current_span()
    if span is not None:
        event["trace_id"] = span.trace_id
        event["span_id"] = span.span_id
        if span.request_key:
            event["request"] = span.request_key
    return event


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    found: MutableMapping[str, Any] = redactor.value(dict(event))
    return found


def _other(value: object) -> str:
    """What is neither text nor number, as a line shows it: what it says of itself may hold a secret too."""
    return redactor.text(repr(value))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


class _LibraryFormatter(logging.Formatter):
    """Library log records as JSON lines of the same form."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "event": record.getMessage(),
            "service": self._service,
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        line |= _add_trace(None, "", {"timestamp": _time(record.created)})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(redactor.value(line)).decode()


def configure_logs(service: str, level: str) -> None:
    """Write JSON lines to standard output, without secrets (redaction.py)."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)  # the settings refuse an unknown one
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_LibraryFormatter(service))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)

    def add_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    structlog.configure(
        processors=[
            add_service,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace,
            structlog.processors.format_exc_info,
            _redact,
            structlog.processors.JSONRenderer(default=_other),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The process' logger: events are short sentences, details are fields."""
    return structlog.get_logger()  # type: ignore[no-any-return]
