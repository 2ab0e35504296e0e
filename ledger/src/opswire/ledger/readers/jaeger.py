"""Jaeger's JSON (its HTTP interface and its download button) as spans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opswire.ledger.model import SAMPLED_SHARE, Span, SpanLink
from opswire.ledger.readers.attributes import request_key

_MICROSECOND_NS = 1_000
_HOSTS = ("hostname", "host.name")


def read_jaeger(document: Mapping[str, object]) -> list[Span]:
    """The spans of a document `{"data": [trace, ...]}` or of one trace. Raises ValueError when it is neither.

    CHILD_OF becomes the parent, FOLLOWS_FROM a link; the host of a process, where recorded, the clock domain.
    """
    traces = document.get("data", [document])
    if not isinstance(traces, list):
        raise ValueError("'data' is not a list of traces")
    return [span for trace in traces for span in _trace(_mapping(trace, "a trace"))]


def _trace(trace: Mapping[str, object]) -> Iterator[Span]:
    spans = trace.get("spans")
    if not isinstance(spans, list):
        raise ValueError("not a Jaeger trace: it has no list 'spans'")
    trace_id = str(trace.get("traceID", ""))
    processes = {
        name: _process(_mapping(process, "a process"))
        for name, process in _mapping(trace.get("processes") or {}, "'processes'").items()
    }
    for span in spans:
        yield _span(_mapping(span, "a span"), trace_id, processes)


def _process(process: Mapping[str, object]) -> tuple[str, str]:
    """The service and the host."""
    tags = _tags(process.get("tags"))
    host = next((value for name in _HOSTS if isinstance(value := tags.get(name), str)), "")
    return str(process.get("serviceName", "")), host


def _span(span: Mapping[str, Any], trace_id: str, processes: Mapping[str, tuple[str, str]]) -> Span:
    own = span.get("process")
    service, host = _process(_mapping(own, "a process")) if own else processes.get(str(span.get("processID")), ("", ""))
    tags = _tags(span.get("tags"))
    if tags.get("sampler.type") == "probabilistic" and "sampler.param" in tags:
        tags.setdefault(SAMPLED_SHARE, tags["sampler.param"])
    own_trace_id = str(span.get("traceID") or trace_id)
    parent_id, links = _references(span.get("references"), own_trace_id)
    if parent_id is None and span.get("parentSpanID"):
        parent_id = str(span["parentSpanID"])
    start = _microseconds(span, "startTime")
    return Span(
        own_trace_id,
        _text(span, "spanID"),
        parent_id,
        service,
        str(span.get("operationName", "")),
        str(tags.get("span.kind", "internal")).upper(),
        start,
        start + _microseconds(span, "duration"),
        "ERROR" if tags.get("error") in (True, "true") else "UNSET",
        tags,
        links,
        host,
        request_key(tags),
    )


def _references(value: object, trace_id: str) -> tuple[str | None, tuple[SpanLink, ...]]:
    if not isinstance(value, list) or not value:
        return None, ()
    parent_id: str | None = None
    links = []
    for item in value:
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


def _text(span: Mapping[str, Any], name: str) -> str:
    if name not in span:
        raise ValueError(f"a span without {name!r}")
    return str(span[name])


def _microseconds(span: Mapping[str, Any], name: str) -> int:
    value = span.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"a span's {name!r} is not a whole number of microseconds")
    return value * _MICROSECOND_NS


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} is not an object")
    return value
