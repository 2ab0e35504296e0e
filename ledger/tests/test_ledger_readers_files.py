"""Files of every form hold the same spans; what is no such file is refused with its place and what was expected."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opswire.ledger.model import SAMPLED_SHARE, Span, SpanLink
from opswire.ledger.readers.documents import read_document
from opswire.ledger.readers.errors import InputError
from opswire.ledger.readers.files import read_file

TRACE, OTHER, PARENT, CHILD = "0af7651916cd43dd8448eb211c80319c", "b" * 32, "00f067aa0ba902b7", "53995c3f42cd8ad8"
EXPECTED = [
    Span(
        TRACE, PARENT, None, "shop", "GET /", "SERVER", 1_000, 9_000, "ERROR",
        {"http.route": "/", "size": 7, "ratio": 0.5, "is.hit": True, "all": ["a", 2], "opswire.request_id": "r1",
         "opswire.source": "cli"},
        (), "web-01", "cli/r1",
    ),
    Span(
        TRACE, CHILD, PARENT, "shop", "send", "PRODUCER", 2_000, 3_000, "UNSET", {SAMPLED_SHARE: 0.25},
        (SpanLink(OTHER, PARENT),), "web-01", None,
    ),
]  # fmt: skip


def request() -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    for name, text in (("service.name", "shop"), ("host.name", "web-01")):
        resource_spans.resource.attributes.add(key=name).value.string_value = text
    spans = resource_spans.scope_spans.add().spans
    parent = spans.add(name="GET /", kind=2, start_time_unix_nano=1_000, end_time_unix_nano=9_000)
    parent.trace_id, parent.span_id, parent.status.code = bytes.fromhex(TRACE), bytes.fromhex(PARENT), 2
    parent.attributes.add(key="http.route").value.string_value = "/"
    parent.attributes.add(key="size").value.int_value = 7
    parent.attributes.add(key="ratio").value.double_value = 0.5
    parent.attributes.add(key="is.hit").value.bool_value = True
    array = parent.attributes.add(key="all").value.array_value.values
    array.add(string_value="a")
    array.add(int_value=2)
    parent.attributes.add(key="opswire.request_id").value.string_value = "r1"
    parent.attributes.add(key="opswire.source").value.string_value = "cli"
    child = spans.add(name="send", kind=4, start_time_unix_nano=2_000, end_time_unix_nano=3_000, trace_state="ot=th:c")
    child.trace_id, child.span_id, child.parent_span_id = (bytes.fromhex(one) for one in (TRACE, CHILD, PARENT))
    child.links.add(trace_id=bytes.fromhex(OTHER), span_id=bytes.fromhex(PARENT))
    return message


def value(content: Any) -> dict[str, Any]:
    if isinstance(content, list):
        return {"arrayValue": {"values": [value(one) for one in content]}}
    kind = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}[type(content)]
    return {kind: str(content) if kind == "intValue" else content}


def otlp(in_base64: bool = False) -> dict[str, Any]:
    """The standard's JSON; or protobuf's own, as Tempo writes it."""

    def identifier(text: str) -> str:
        return base64.b64encode(bytes.fromhex(text)).decode() if in_base64 else text

    def written(span: Span, kind: int) -> dict[str, Any]:
        own = {name: content for name, content in span.attributes.items() if name != SAMPLED_SHARE}
        code = "STATUS_CODE_ERROR" if in_base64 else 2
        return {
            "traceId": identifier(span.trace_id),
            "spanId": identifier(span.span_id),
            "parentSpanId": identifier(span.parent_id) if span.parent_id else "",
            "name": span.name,
            "kind": f"SPAN_KIND_{span.kind}" if in_base64 else kind,
            "startTimeUnixNano": str(span.start_ns),
            "endTimeUnixNano": span.end_ns,
            "attributes": [{"key": name, "value": value(content)} for name, content in own.items()],
            "status": {"code": code} if span.status == "ERROR" else {},
            "traceState": "ot=th:c" if span.kind == "PRODUCER" else "",
            "links": [{"traceId": identifier(one.trace_id), "spanId": identifier(one.span_id)} for one in span.links],
        }

    resource = [{"key": "service.name", "value": value("shop")}, {"key": "host.name", "value": value("web-01")}]
    spans = [written(span, kind) for span, kind in zip(EXPECTED, (2, 4), strict=True)]
    scopes = [{"scope": {"name": "x"}, "spans": spans}]
    return {"batches" if in_base64 else "resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": scopes}]}


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def forms() -> dict[str, bytes]:
    body, lines = request().SerializeToString(), json.dumps(otlp()).encode()
    return {
        "json lines": lines + b"\n\n" + json.dumps({"resourceSpans": []}).encode() + b"\n",
        "json lines with a byte order mark": b"\xef\xbb\xbf" + lines,
        "json over several lines": json.dumps(otlp(), indent=2).encode(),
        "an array of requests": json.dumps([otlp()]).encode(),
        "protobuf": body,
        "protobuf behind four bytes": struct.pack(">I", len(body)) + body,
        "protobuf behind varints": varint(len(body)) + body,
        "tempo": json.dumps(otlp(in_base64=True)).encode(),
        "tempo 2": json.dumps({"trace": otlp()}).encode(),
        "jaeger 3": json.dumps({"result": otlp()}).encode(),
        "gzip": gzip.compress(lines),
        "protobuf in gzip": gzip.compress(body),
    }


@pytest.mark.parametrize("form", forms())
def test_every_form_holds_the_same_spans(form: str, tmp_path: Path) -> None:
    path = tmp_path / "traces"
    path.write_bytes(forms()[form])
    assert list(read_file(path)) == EXPECTED


def test_several_messages_and_several_resources_are_read_one_after_the_other(tmp_path: Path) -> None:
    body = request().SerializeToString()
    for number, content in enumerate(
        (body + body, 2 * (struct.pack(">I", len(body)) + body), 2 * (varint(len(body)) + body))
    ):
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert list(read_file(path)) == EXPECTED * 2


def test_jaegers_answer_and_download_are_read(tmp_path: Path) -> None:
    tags = [{"key": "sampler.type", "value": "probabilistic"}, {"key": "sampler.param", "value": 0.1}]
    follows = [{"refType": "FOLLOWS_FROM", "traceID": "1", "spanID": "9"}]
    span = {"traceID": "1", "spanID": "2", "operationName": "op", "startTime": 5, "duration": 7, "processID": "p"}
    spans = [{**span, "references": follows, "tags": tags}]
    host = [{"key": "hostname", "value": "web-01"}]
    trace = {"traceID": "1", "spans": spans, "processes": {"p": {"serviceName": "shop", "tags": host}}}
    found = []
    for number, document in enumerate(({"data": [trace]}, trace, [trace])):
        path = tmp_path / str(number)
        path.write_text(json.dumps(document, indent=1))
        found.append(list(read_file(path)))
    read = found[0][0]
    assert found[0] == found[1] == found[2]
    assert (read.start_ns, read.end_ns, read.parent_id, read.clock_domain) == (5_000, 12_000, None, "web-01")
    assert read.links == (SpanLink("1", "9"),)
    assert read.attributes[SAMPLED_SHARE] == 0.1


REFUSED = {
    b"": r"empty; expected .*resourceSpans",
    b"  \n": r"empty; expected",
    b"hello": r"neither one ExportTraceServiceRequest nor several",
    b'{"a": 1}': r"line 1: expected .*, found an object with 'a'",
    b'{"resourceSpans": []}\n{"resourceSpans": [\n': r"line 2: not JSON .*expected .*on each line",
    b'{\n"resourceSpans": [],\n]': r"line 3, column \d+: not JSON .*expected",
    b'{"resourceSpans": 7}': r"line 1: 'resourceSpans' is not a list",
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}': r"line 1: a span without 'traceId'",
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "a", "spanId": "b", "startTimeUnixNano": "x"}]}]}]}': (
        r"line 1: invalid literal"
    ),
    b"\n7\n": r"neither one ExportTraceServiceRequest",
    b"[7]": r"line 1: expected .*, found a number",
    b'{"data": [{"spans": [{"startTime": 1, "duration": 1}]}]}': r"line 1: a span without 'spanID'",
    b"\x0a\x03abc": r"not an ExportTraceServiceRequest in protobuf",
    b"\x1f\x8bnot really": r"cannot be read",
}


@pytest.mark.parametrize("content", REFUSED)
def test_what_is_no_file_of_traces_is_refused_with_its_place(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "given.bin"
    path.write_bytes(content)
    with pytest.raises(InputError, match=REFUSED[content]) as refused:
        list(read_file(path))
    assert str(path) in str(refused.value)


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            list(read_file(path))


def test_an_empty_answer_has_no_spans() -> None:
    assert list(read_document({})) == []
