"""Jaeger and Tempo over their HTTP interfaces: a real local server gives bytes in their forms; neither program runs."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from opswire.ledger.readers.errors import InputError, MissingError, UnreachableError
from opswire.ledger.readers.http_api import read_jaeger_api, read_tempo_api
from opswire.ledger.testing import RecordedServer

TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER = "00000000000000008448eb211c80319c"
RECORDED = json.loads((Path(__file__).parent / "data" / "jaeger-ui" / "out1.json").read_text())["trace"]
NOT_FOUND = (404, b'{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}')


def jaeger(trace_id: str) -> bytes:
    trace: dict[str, Any] = {**RECORDED, "traceID": trace_id}
    return json.dumps({"data": [trace], "total": 0, "limit": 0, "offset": 0, "errors": None}).encode()


def otlp(trace_id: str, wrapper: str) -> bytes:
    span = {"traceId": trace_id, "spanId": "1" * 16, "name": "x", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    content = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    return json.dumps({wrapper: content} if wrapper else {"batches": content["resourceSpans"]}).encode()


@pytest.mark.parametrize("shape", ["{url}", "{url}/", "{url}/trace/{trace}", "{url}/api/traces/{trace}?raw=true"])
def test_a_jaeger_gives_the_trace_that_was_named_in_any_way(shape: str) -> None:
    with RecordedServer({f"/api/traces/{TRACE}": jaeger(TRACE)}) as server:
        wanted = None if "{trace}" in shape else TRACE
        spans = list(read_jaeger_api(shape.format(url=server.url, trace=TRACE), wanted))
    assert [span.name for span in spans] == ["operation E", "operation C", "operation D"]
    assert server.asked == [f"/api/traces/{TRACE}"]


def test_a_jaeger_that_only_has_its_newer_interface_is_asked_there() -> None:
    with RecordedServer({f"/api/v3/traces/{TRACE}": otlp(TRACE, "result"), "/api/traces/": NOT_FOUND}) as server:
        assert [span.trace_id for span in read_jaeger_api(server.url, TRACE)] == [TRACE]
    assert server.asked == [f"/api/traces/{TRACE}", f"/api/v3/traces/{TRACE}"]


def test_a_jaeger_under_a_path_and_a_search_are_taken_as_they_are() -> None:
    with RecordedServer({"/jaeger/api/traces": jaeger(TRACE)}) as server:
        found = list(read_jaeger_api(f"{server.url}/jaeger/api/traces?service=shop&limit=1"))
        assert list(read_jaeger_api(f"{server.url}/jaeger", TRACE)) == found
    assert server.asked == ["/jaeger/api/traces?service=shop&limit=1", f"/jaeger/api/traces/{TRACE}"]


def test_without_a_trace_the_newest_of_every_service_are_read_once() -> None:
    services = b'{"data": ["stock", "shop"], "errors": null}'
    answers: dict[str, bytes | tuple[int, bytes]] = {"/api/services": services, "/api/traces?service=": jaeger(TRACE)}
    with RecordedServer(answers) as server:
        assert len(list(read_jaeger_api(server.url))) == 3
    assert [target.partition("&")[0] for target in server.asked[1:]] == [
        "/api/traces?service=shop",
        "/api/traces?service=stock",
    ]


def test_a_request_is_found_by_its_tag() -> None:
    answers: dict[str, bytes | tuple[int, bytes]] = {
        "/api/services": b'{"data": ["shop"]}',
        "/api/traces?": b'{"data": [], "errors": null}',
        '/api/traces?service=shop&limit=20&lookback=2d&tags={"opswire.request_id": "r1"}': jaeger(TRACE),
    }
    with RecordedServer(answers) as server:
        assert len(list(read_jaeger_api(server.url, "cli/r1"))) == 3
        with pytest.raises(MissingError, match="no trace of the request cli/r2"):
            list(read_jaeger_api(server.url, "cli/r2"))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/api/v2/traces/{TRACE}", otlp(TRACE, "trace")),
        (f"/api/traces/{TRACE}", otlp(TRACE, "")),
    ],
)
def test_a_tempo_of_either_version_gives_a_trace(path: str, body: bytes) -> None:
    with RecordedServer({path: body}) as server:
        assert [span.trace_id for span in read_tempo_api(server.url, TRACE)] == [TRACE]


def test_a_tempo_is_searched_for_a_request_and_for_the_newest() -> None:
    search = json.dumps({"traces": [{"traceID": OTHER.lstrip("0")}]}).encode()
    answers: dict[str, bytes | tuple[int, bytes]] = {
        "/api/search": search,
        f"/api/v2/traces/{OTHER}": otlp(OTHER, "trace"),
    }
    with RecordedServer(answers) as server:
        for wanted in ("cli/r1", None):
            assert [span.trace_id for span in read_tempo_api(server.url, wanted)] == [OTHER]
    assert '{ span.opswire.request_key = "cli/r1" || span.opswire.request_id = "r1" }' in server.asked[0]


def test_what_is_wrong_is_said_with_the_address() -> None:
    answers: dict[str, bytes | tuple[int, bytes]] = {
        "/html/api/traces/": b"<!doctype html>",
        "/busy/api/traces/": (503, b"try later"),
        "/odd/api/services": b'{"data": 7}',
        "/other/api/traces/": b'{"something": "else"}',
        "/empty/api/search": b'{"traces": []}',
    }
    with RecordedServer(answers) as server:
        for path, wanted, read, kind, said in (
            ("/html", TRACE, read_jaeger_api, InputError, "expected JSON, found '<!doctype html>'"),
            ("/busy", TRACE, read_jaeger_api, InputError, "answers 503: 'try later'"),
            ("/odd", None, read_jaeger_api, InputError, "names of services"),
            ("/other", TRACE, read_jaeger_api, InputError, "expected a JSON object"),
            ("/none", TRACE, read_jaeger_api, MissingError, f"has no trace {TRACE}"),
            ("/none", TRACE, read_tempo_api, MissingError, f"has no trace {TRACE}"),
            ("/empty", None, read_tempo_api, MissingError, "has no trace"),
        ):
            with pytest.raises(kind, match=said) as refused:
                list(read(server.url + path, wanted))
            assert server.url in str(refused.value)


def test_nothing_there_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UnreachableError, match=f"nothing answers at {address}"):
            list(read_jaeger_api(address, TRACE))


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://", "ftp://127.0.0.1/x"])
def test_what_is_no_http_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="is no address"):
        list(read_jaeger_api(address, TRACE))
