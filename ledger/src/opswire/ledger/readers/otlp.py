"""OTLP's JSON as spans: a line of the collector's file exporter, a request body, a trace as Tempo and Jaeger give it.

Both spellings are read: hex ids and numbers (the standard) and base64 ids and names (protobuf's own JSON, in Tempo).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opswire.ledger.model import Span, SpanLink
from opswire.ledger.readers.attributes import KINDS, STATUSES, identifier, note_sampling, request_key

_DOMAINS = ("host.id", "host.name")
TRACE_DIGITS, SPAN_DIGITS = 32, 16


def read_otlp(document: Mapping[str, Any]) -> Iterator[Span]:
    """The spans of `{"resourceSpans": [...]}` or, as Tempo says it, `{"batches": [...]}`.

    Raises ValueError, which names the part, when it is not of this form.
    """
    try:
        resources = document.get("resourceSpans", document.get("batches"))
        for resource_spans in _list(resources, "resourceSpans"):
            resource = resource_spans.get("resource") or {}
            about = _attributes(resource.get("attributes") or [])
            service, domain = str(about.get("service.name", "")), clock_domain(about)
            scopes = resource_spans.get("scopeSpans")
            if scopes is None:
                scopes = resource_spans.get("instrumentationLibrarySpans")
            for scope in _list(scopes, "scopeSpans"):
                for span in _list(scope.get("spans"), "spans"):
                    yield _span(span, service, domain)
    except KeyError as error:
        raise ValueError(f"a span without {error}") from error
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"a span that is not of OTLP's form: {error}") from error


def clock_domain(resource: Mapping[str, object]) -> str:
    """Whose clock the resource's spans were timed by: the host, not the process. Empty where it is not said."""
    for name in _DOMAINS:
        value = resource.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _span(span: dict[str, Any], service: str, domain: str) -> Span:
    attributes = _attributes(span.get("attributes") or [])
    status = span.get("status") or {}
    links = span.get("links")
    parent_id = span.get("parentSpanId")
    state = span.get("traceState")
    if state:
        note_sampling(attributes, state)
    return Span(
        identifier(span["traceId"], TRACE_DIGITS),
        identifier(span["spanId"], SPAN_DIGITS),
        identifier(parent_id, SPAN_DIGITS) if parent_id else None,
        service,
        span.get("name", ""),
        _named(span.get("kind", 0), KINDS, "SPAN_KIND_"),
        int(span["startTimeUnixNano"]),
        int(span["endTimeUnixNano"]),
        _named(status.get("code", 0), STATUSES, "STATUS_CODE_"),
        attributes,
        _links(links) if links else (),
        domain,
        request_key(attributes),
    )


def _links(links: list[dict[str, Any]]) -> tuple[SpanLink, ...]:
    return tuple(
        SpanLink(identifier(link.get("traceId"), TRACE_DIGITS), identifier(link.get("spanId"), SPAN_DIGITS))
        for link in links
    )


def _attributes(pairs: list[dict[str, Any]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for pair in pairs:
        value = pair.get("value")
        if not value:
            continue
        for kind, content in value.items():
            found[pair["key"]] = content if kind == "stringValue" else _value(kind, content)
    return found


def _value(kind: str, content: Any) -> object:
    if kind == "intValue":
        return int(content)
    if kind == "doubleValue":
        return float(content)
    if kind == "arrayValue":
        return [_value(*next(iter(one.items()))) for one in content.get("values", ()) if one]
    if kind == "kvlistValue":
        return _attributes(content.get("values", ()))
    return content


def _named(value: Any, names: tuple[str, ...], prefix: str) -> str:
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else names[0]
    return value.removeprefix(prefix) if isinstance(value, str) else names[0]


def _list(value: Any, name: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{name!r} is not a list of objects")
    return value
