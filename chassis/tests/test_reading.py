"""The door: envelope, version, size and schema of a message, and what the sender is told when one is wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from opswire.chassis.errors import PoisonError
from opswire.chassis.reading import HEADERS_CHARACTERS_MAX, read_message
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.envelope import Envelope
from opswire.contracts.intent_resolved import IntentResolved
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.route import Route
from opswire.contracts.routes import CACHES_INVALIDATED, INTENT_RESOLVED, REQUEST_SUBMITTED

SECRET = "hunter2-very-secret"
REQUEST: dict[str, Any] = {"request_id": "r1", "requester": {"id": "dana", "kind": "human"}, "text": "list hosts"}
INVALIDATED: dict[str, Any] = {"tags": ["all"], "cause": "test", "nonce": "0" * 32, "at_ns": 1}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
TRACEPARENT = f"00-{'1' * 32}-{'2' * 16}-01"


def body(**fields: Any) -> bytes:
    return json.dumps({key: value for key, value in (REQUEST | fields).items() if value is not None}).encode()


def event(**fields: Any) -> bytes:
    document = {"specversion": "1.0", "id": "1", "source": "/up", "type": "com.example.ask", "data": REQUEST} | fields
    return json.dumps({key: value for key, value in document.items() if value is not None}).encode()


def code_of(route: Route, raw: bytes, headers: dict[str, str] | None) -> str:
    with pytest.raises(PoisonError) as caught:
        read_message(route, raw, headers)
    return caught.value.code


def test_a_plain_client_needs_no_header_at_all() -> None:
    message, envelope = read_message(REQUEST_SUBMITTED, body(), None)
    assert isinstance(message, RequestSubmitted)
    assert (message.request_id, message.text, envelope.type) == ("r1", "list hosts", None)


def test_unknown_fields_of_an_envelope_are_ignored() -> None:
    message, _ = read_message(REQUEST_SUBMITTED, body(priority="high"), {"x-team": "shop"})
    assert not hasattr(message, "priority")


@pytest.mark.parametrize(
    ("type_name", "code"),
    [
        ("opswire.request_submitted.v1", None),
        ("com.example.alert", None),
        ("com.example.alert.v7", None),
        ("opswire.request_submitted.v2", "unknown_version"),
        ("opswire.request_submitted.v9999", "unknown_version"),
        ("opswire.intent_resolved.v1", "unknown_type"),
        ("opswire.nothing_known.v1", "unknown_type"),
        ("opswire.request_submitted", "unknown_type"),
        ("opswire.request_submitted.v0", "unknown_type"),
        ("opswire.request_submitted.v01", "unknown_type"),
    ],
)
def test_an_upstreams_type_is_its_own_affair_unless_it_is_one_of_ours(type_name: str, code: str | None) -> None:
    headers = {"ce-type": type_name}
    if code is None:
        assert read_message(REQUEST_SUBMITTED, body(), headers)[1].type == type_name
    else:
        assert code_of(REQUEST_SUBMITTED, body(), headers) == code


@pytest.mark.parametrize(
    ("type_name", "code"),
    [
        ("com.example.alert", "unknown_type"),
        ("opswire.asset_changed.v1", "unknown_type"),
        ("opswire.caches_invalidated.v2", "unknown_version"),
    ],
)
def test_a_service_message_must_be_what_its_subject_carries(type_name: str, code: str) -> None:
    assert code_of(CACHES_INVALIDATED, json.dumps(INVALIDATED).encode(), {"ce-type": type_name}) == code


def test_a_structured_event_of_an_upstream_is_unwrapped() -> None:
    message, envelope = read_message(REQUEST_SUBMITTED, event(traceparent=TRACEPARENT), STRUCTURED)
    assert isinstance(message, RequestSubmitted)
    assert (envelope.id, envelope.type, envelope.traceparent) == ("1", "com.example.ask", TRACEPARENT)


def test_a_structured_event_may_carry_its_data_as_base64_and_its_trace_in_a_header() -> None:
    raw = event(data=None, data_base64=base64.b64encode(body()).decode())
    message, envelope = read_message(REQUEST_SUBMITTED, raw, STRUCTURED | {"traceparent": TRACEPARENT})
    assert isinstance(message, RequestSubmitted)
    assert envelope.traceparent == TRACEPARENT


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (event(specversion="0.3"), "envelope_specversion_unsupported"),
        (event(id=None), "envelope_attribute_invalid"),
        (event(data=None), "envelope_data_invalid"),
        (event(data_base64="e30="), "envelope_data_invalid"),
        (event(data=None, data_base64="%%%"), "envelope_data_invalid"),
        (event(data=[1]), "body_not_an_object"),
        (event(data=None, data_base64=base64.b64encode(b'{"a":1,"a":2}').decode()), "body_duplicate_key"),
        (event(data=None, data_base64=base64.b64encode(b"\xff").decode()), "body_not_utf8"),
        (event(type="opswire.request_submitted.v2"), "unknown_version"),
        (event(data={}), "schema_mismatch"),
        (event(data={"request_id": "r", "text": "x", "deadline_ms": 10**30}), "schema_mismatch"),
        (b"[]", "body_not_an_object"),
    ],
)
def test_a_bad_structured_event_is_refused_by_its_code(raw: bytes, code: str) -> None:
    assert code_of(REQUEST_SUBMITTED, raw, STRUCTURED) == code


def test_services_send_no_structured_events() -> None:
    raw = event(type="opswire.caches_invalidated.v1", data=INVALIDATED)
    assert code_of(CACHES_INVALIDATED, raw, STRUCTURED) == "schema_mismatch"
    message, _ = read_message(CACHES_INVALIDATED, json.dumps(INVALIDATED).encode(), STRUCTURED)
    assert isinstance(message, CachesInvalidated)


def test_headers_are_bounded_by_all_their_characters() -> None:
    name = "x-note"
    fits = {name: "v" * (HEADERS_CHARACTERS_MAX - len(name))}
    assert read_message(REQUEST_SUBMITTED, body(), fits)
    assert code_of(REQUEST_SUBMITTED, body(), {name: fits[name] + "v"}) == "headers_too_large"
    many = {f"x-{n}": "" for n in range(5_000)}
    assert code_of(REQUEST_SUBMITTED, body(), many) == "headers_too_large"


def test_headers_are_looked_at_before_the_body() -> None:
    assert code_of(REQUEST_SUBMITTED, b"", {"x": "v" * HEADERS_CHARACTERS_MAX}) == "headers_too_large"


@pytest.mark.parametrize(
    "raw",
    [
        body(request_id=SECRET + " with a blank"),
        body(request_id=f"{SECRET}\u0000"),
        body(deadline_ms=SECRET),
        body(deadline_ms="30000"),
        body(deadline_ms=1.5),
        body(deadline_ms=True),
        body(requester={"id": "dana", "kind": SECRET}),
        body(requester=SECRET),
        body(text=7),
        body(text=None),
        body(event={"format": SECRET, "payload": {}}, text=None),
        body(event={"format": "json", "payload": SECRET}, text=None),
        body(text=SECRET + "x" * 8_000),
        body(in_reply_to=SECRET + "!"),
    ],
)
def test_a_schema_fault_names_its_place_and_never_the_value(raw: bytes) -> None:
    with pytest.raises(PoisonError) as caught:
        read_message(REQUEST_SUBMITTED, raw, None)
    assert caught.value.code == "schema_mismatch"
    assert SECRET not in str(caught.value)
    assert ":" in str(caught.value)


def test_many_schema_faults_are_told_by_the_first_three_and_a_count() -> None:
    with pytest.raises(PoisonError) as caught:
        read_message(INTENT_RESOLVED, b"{}", None)
    assert str(caught.value).count("Field required") == 3
    assert "more)" in str(caught.value)
    assert "request_id" in str(caught.value)


def test_our_own_envelope_is_read_back_as_it_was_written() -> None:
    sent = Envelope(source="/opswire/cache", type="opswire.caches_invalidated.v1", id="1", deadline_ms=5)
    _, found = read_message(CACHES_INVALIDATED, json.dumps(INVALIDATED).encode(), sent.to_headers())
    assert found == sent


def test_a_message_of_another_route_does_not_pass_for_this_one() -> None:
    assert code_of(INTENT_RESOLVED, body(), None) == "schema_mismatch"
    assert INTENT_RESOLVED.message is IntentResolved
