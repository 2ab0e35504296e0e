"""Our span as the OpenTelemetry SDK's ReadableSpan, for its exporters, and who sends it."""

from __future__ import annotations

import platform
import uuid

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opswire.chassis.telemetry import AttributeValue, Span

REQUEST_KEY = "opswire.request_key"
"""The attribute by which the ledger finds the spans of a request in what a collector kept."""


def resource_of(service: str, version: str) -> Resource:
    """Who sends: the service, this process of it, and the host, whose clock its spans were timed by."""
    return Resource.create(
        {
            "service.name": service,
            "service.version": version,
            "service.instance.id": str(uuid.uuid4()),
            "host.name": platform.node() or "localhost",
        }
    )


def _context(trace_id: str, span_id: str, remote: bool) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=remote, trace_flags=TraceFlags(1))


def readable_span(span: Span, resource: Resource) -> ReadableSpan:
    """The same span for OpenTelemetry's exporters: ids, kind, times, attributes, links, status and request kept."""
    keyed: dict[str, AttributeValue] = {} if span.request_key is None else {REQUEST_KEY: span.request_key}
    remote = span.kind == "CONSUMER"
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id, remote=False),
        parent=_context(span.trace_id, span.parent_id, remote) if span.parent_id else None,
        resource=resource,
        attributes=span.attributes | keyed,
        links=[Link(_context(trace_id, span_id, remote=True)) for trace_id, span_id in span.links],
        kind=SpanKind[span.kind],
        start_time=span.start_ns,
        end_time=span.end_ns,
        status=Status(StatusCode[span.status]),
    )
