"""Our span as the OpenTelemetry SDK's ReadableSpan, for its exporters."""

from __future__ import annotations

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opswire.chassis.telemetry import Span


def _context(trace_id: str, span_id: str, remote: bool) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=remote, trace_flags=TraceFlags(1))


def readable_span(span: Span, resource: Resource) -> ReadableSpan:
    """The same span for OpenTelemetry's exporters: ids, kind, times, attributes, links and status kept."""
    remote = span.kind == "CONSUMER"
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id, remote=False),
        parent=_context(span.trace_id, span.parent_id, remote) if span.parent_id else None,
        resource=resource,
        attributes=span.attributes,
        links=[Link(_context(trace_id, span_id, remote=True)) for trace_id, span_id in span.links],
        kind=SpanKind[span.kind],
        start_time=span.start_ns,
        end_time=span.end_ns,
        status=Status(StatusCode[span.status]),
    )
