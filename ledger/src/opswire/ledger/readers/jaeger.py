"""Jaeger's JSON (its HTTP interface and its download button) as spans."""

from __future__ import annotations

from collections.abc import Mapping

from opswire.ledger.model import Span, SpanLink

_MICROSECOND_NS = 1_000


def read_jaeger(document: Mapping[str, object]) -> list[Span]:
    """The spans of a document `{"data": [trace, ...]}` or of one trace. Raises ValueError when it is neither.

    CHILD_OF becomes the parent, FOLLOWS_FROM a link; the host of a process, where recorded, the clock domain.
    """
    traces = document.get("data", [document])
    if not isinstance(traces, list):
        raise ValueError("'data' is not a list of traces")
    return [span for trace in traces for span in _trace(_mapping(trace, "a trace"))]


def _trace(trace: Mapping[str, object]) -> list[Span]:
    spans = trace.get("spans")
    if not isinstance(spans, list):
        raise ValueError("not a Jaeger trace: it has no list 'spans'")
    trace_id = str(trace.get("traceID", ""))
    processes = _mapping(trace.get("processes") or {}, "'processes'")
    return [_span(_mapping(span, "a span"), trace_id, processes) for span in spans]


def _span(span: Mapping[str, object], trace_id: str, processes: Mapping[str, object]) -> Span:
    process = _mapping(processes.get(str(span.get("processID"))) or span.get("process") or {}, "a process")
    tags = _tags(span.get("tags"))
    own_trace_id = str(span.get("traceID") or trace_id)
    parent_id, links = _references(span.get("references"), own_trace_id)
    start = _microseconds(span, "startTime")
    return Span(
        trace_id=own_trace_id,
        span_id=str(span["spanID"]),
        parent_id=parent_id,
        service=str(process.get("serviceName", "")),
        name=str(span.get("operationName", "")),
        kind=str(tags.get("span.kind", "internal")).upper(),
        start_ns=start,
        end_ns=start + _microseconds(span, "duration"),
        status="ERROR" if tags.get("error") in (True, "true") else "UNSET",
        attributes=tags,
        links=links,
        clock_domain=str(_tags(process.get("tags")).get("hostname", "")),
    )


def _references(value: object, trace_id: str) -> tuple[str | None, tuple[SpanLink, ...]]:
    parent_id: str | None = None
    links = []
    for item in value if isinstance(value, list) else []:
        reference = _mapping(item, "a reference")
        link = SpanLink(str(reference.get("traceID") or trace_id), str(reference.get("spanID", "")))
        if reference.get("refType") == "CHILD_OF" and parent_id is None and link.trace_id == trace_id:
            parent_id = link.span_id
        else:
            links.append(link)
    return parent_id, tuple(links)


def _tags(value: object) -> dict[str, object]:
    items = [_mapping(item, "a tag") for item in value] if isinstance(value, list) else []
    return {str(item.get("key")): item.get("value") for item in items}


def _microseconds(span: Mapping[str, object], name: str) -> int:
    value = span.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"a span's {name!r} is not a whole number of microseconds")
    return value * _MICROSECOND_NS


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} is not an object")
    return value
