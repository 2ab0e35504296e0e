"""OTLP's protobuf as spans: the body of a request, and the files that the collector and others write.

A file is one message, or several, each behind its length: four bytes, big-endian (the collector's file exporter), or a
varint (protobuf's own way). Messages are taken one after the other; a single message one resource at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opswire.ledger.model import Span, SpanLink
from opswire.ledger.readers.attributes import KINDS, STATUSES, note_sampling, request_key
from opswire.ledger.readers.otlp import clock_domain

_RESOURCE_SPANS_TAG = 0x0A
_LENGTH_BYTES = 4
_VARINT_BYTES_MAX = 5


def read_otlp_protobuf(body: bytes) -> Iterator[Span]:
    """The spans of one ExportTraceServiceRequest, which reads the same as a TracesData. Raises ValueError."""
    try:
        data = TracesData.FromString(body)
    except DecodeError as error:
        raise ValueError(f"not an ExportTraceServiceRequest in protobuf: {error}") from error
    for resource_spans in data.resource_spans:
        about = _attributes(resource_spans.resource.attributes)
        service, domain = str(about.get("service.name", "")), clock_domain(about)
        for scope in resource_spans.scope_spans:
            for span in scope.spans:
                yield _span(span, service, domain)


def messages(content: memoryview) -> Iterator[bytes]:
    """The messages of a file, each whole. Raises ValueError when it is none of the three forms."""
    for split in (_fields, _fixed, _delimited):
        places = split(content)
        if places is not None:
            for start, end in places:
                yield bytes(content[start:end])
            return
    raise ValueError("neither one ExportTraceServiceRequest nor several of them behind their lengths")


def _fields(content: memoryview) -> list[tuple[int, int]] | None:
    """One message: every top-level field is a ResourceSpans; each is a message of its own with its tag."""
    places, at = [], 0
    while at < len(content):
        if content[at] != _RESOURCE_SPANS_TAG:
            return None
        length = _varint(content, at + 1)
        if length is None or length[1] + length[0] > len(content):
            return None
        end = length[1] + length[0]
        places.append((at, end))
        at = end
    return places


def _fixed(content: memoryview) -> list[tuple[int, int]] | None:
    places, at = [], 0
    while at < len(content):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(content[at:start], "big")
        if at > len(content) or not _is_message(content, start, at):
            return None
        places.append((start, at))
    return places


def _delimited(content: memoryview) -> list[tuple[int, int]] | None:
    places, at = [], 0
    while at < len(content):
        length = _varint(content, at)
        if length is None or length[1] + length[0] > len(content):
            return None
        start, at = length[1], length[1] + length[0]
        if not _is_message(content, start, at):
            return None
        places.append((start, at))
    return places


def _is_message(content: memoryview, start: int, end: int) -> bool:
    return start == end or content[start] == _RESOURCE_SPANS_TAG


def _varint(content: memoryview, at: int) -> tuple[int, int] | None:
    """The number that begins there and the place behind it."""
    value = 0
    for number, byte in enumerate(content[at : at + _VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << 7 * number
        if not byte & 0x80:
            return value, at + number + 1
    return None


def _span(span: Message, service: str, domain: str) -> Span:
    attributes = _attributes(span.attributes)
    if span.trace_state:
        note_sampling(attributes, span.trace_state)
    kind, code = span.kind, span.status.code
    return Span(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex() or None,
        service,
        span.name,
        KINDS[kind] if kind < len(KINDS) else KINDS[0],
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        STATUSES[code] if code < len(STATUSES) else STATUSES[0],
        attributes,
        tuple(SpanLink(link.trace_id.hex(), link.span_id.hex()) for link in span.links) if span.links else (),
        domain,
        request_key(attributes),
    )


def _attributes(pairs: Any) -> dict[str, object]:
    found: dict[str, object] = {}
    for pair in pairs:
        value = pair.value
        kind = value.WhichOneof("value")
        if kind == "string_value":
            found[pair.key] = value.string_value
        elif kind is not None:
            found[pair.key] = _value(value, kind)
    return found


def _value(value: AnyValue, kind: str) -> object:
    if kind == "array_value":
        return [_value(one, inner) for one in value.array_value.values if (inner := one.WhichOneof("value"))]
    if kind == "kvlist_value":
        pairs: Any = value.kvlist_value.values
        return _attributes(pairs)
    content: object = getattr(value, kind)
    return content.hex() if isinstance(content, bytes) else content
