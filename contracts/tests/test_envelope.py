"""The headers of a message: written, read, and never trusted."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opswire.contracts.envelope import (
    CONTENT_TYPE_STRUCTURED,
    AttributeInvalidError,
    DataInvalidError,
    Envelope,
    EnvelopeError,
    NotAnObjectError,
    TypeInvalidError,
    UnsupportedSpecversionError,
    parse_type,
    rfc3339,
    unwrap_structured,
    without_broker_headers,
)

FULL = Envelope(
    id="0197f3c2-intent",
    source="opswire/intent",
    type="opswire.intent_resolved.v1",
    time="2026-01-02T03:04:05.000006Z",
    subject="opswire.v1.chat.0197f3c2.intent",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    message_id="chat/0197f3c2/intent",
    deadline_ms=1_767_322_845_000,
    is_fresh=True,
)


def test_writes_the_cloudevents_attributes_in_binary_mode() -> None:
    assert FULL.to_headers() == {
        "ce-specversion": "1.0",
        "ce-id": "0197f3c2-intent",
        "ce-source": "opswire/intent",
        "ce-type": "opswire.intent_resolved.v1",
        "ce-time": "2026-01-02T03:04:05.000006Z",
        "ce-subject": "opswire.v1.chat.0197f3c2.intent",
        "content-type": "application/json",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Nats-Msg-Id": "chat/0197f3c2/intent",
        "Opswire-Deadline": "1767322845000",
        "Opswire-Fresh": "1",
    }


def test_leaves_out_what_is_not_set() -> None:
    assert Envelope().to_headers() == {"ce-specversion": "1.0", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("value", "is_fresh"), [("1", True), ("0", False), ("", False), ("yes", False), ("1" * 99, False)]
)
def test_a_wish_for_fresh_results_is_the_figure_one_and_nothing_else(value: str, is_fresh: bool) -> None:
    assert Envelope.from_headers({"opswire-FRESH": value}).is_fresh is is_fresh


def test_reads_back_what_it_wrote() -> None:
    assert Envelope.from_headers(FULL.to_headers()) == FULL


@pytest.mark.parametrize("change", [str.upper, str.lower, str.title])
def test_reads_header_names_in_any_case(change: Any) -> None:
    headers = {change(name): value for name, value in FULL.to_headers().items()}
    assert Envelope.from_headers(headers) == FULL


@pytest.mark.parametrize("headers", [None, {}, {"x-unknown": "1", "ce-": "", "": "2"}])
def test_reads_a_message_without_attributes(headers: dict[str, str] | None) -> None:
    assert Envelope.from_headers(headers) == Envelope(content_type=None, specversion=None)


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "1e9", "٣", "9" * 17, " 5"])
def test_an_unreadable_deadline_counts_as_none(value: str) -> None:
    assert Envelope.from_headers({"Opswire-Deadline": value}).deadline_ms is None


def test_never_echoes_orders_to_the_broker() -> None:
    orders = {
        "Nats-Rollup": "all",
        "Nats-Expected-Last-Sequence": "7",
        "Nats-Expected-Stream": "OPSWIRE_FACTS",
        "Nats-Schedule": "@at 2030-01-01T00:00:00Z",
        "Nats-Schedule-Target": "opswire.v1.chat.1.finished",
        "Nats-TTL": "1s",
        "NATS-ROLLUP": "sub",
    }
    written = Envelope.from_headers(orders | FULL.to_headers()).to_headers()
    assert written == FULL.to_headers()
    assert without_broker_headers(orders | FULL.to_headers()) == {
        name: value for name, value in FULL.to_headers().items() if name != "Nats-Msg-Id"
    }


@given(st.text(max_size=200))
def test_any_text_travels_as_one_header_line(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    headers = Envelope(id=text, subject=text).to_headers()
    assert headers["ce-id"].isascii()
    assert all(" " < character <= "~" and character != '"' for character in headers["ce-id"])
    read = Envelope.from_headers(headers)
    assert (read.id, read.subject) == (text, text)


@pytest.mark.parametrize(
    ("content_type", "structured"),
    [
        (CONTENT_TYPE_STRUCTURED, True),
        ("Application/CloudEvents+JSON; charset=utf-8", True),
        ("application/cloudevents", True),
        ("application/cloudevents-batch+json", False),
        ("application/json", False),
        (None, False),
    ],
)
def test_tells_structured_mode_by_content_type(content_type: str | None, structured: bool) -> None:
    assert Envelope(content_type=content_type).is_structured is structured


def structured(**changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": "1",
        "source": "/chat",
        "type": "opswire.request_submitted.v1",
        "data": {"request_id": "1"},
    }
    return {name: value for name, value in (event | changes).items() if value is not None}


def test_unwraps_a_structured_event() -> None:
    envelope, data = unwrap_structured(structured(time="2026-01-02T03:04:05Z", traceparent="00-a-b-01", colour="red"))
    assert data == {"request_id": "1"}
    assert envelope == Envelope(
        id="1",
        source="/chat",
        type="opswire.request_submitted.v1",
        time="2026-01-02T03:04:05Z",
        traceparent="00-a-b-01",
    )


def test_unwraps_base64_data_to_bytes() -> None:
    _, data = unwrap_structured(structured(data=None, data_base64=base64.b64encode(b'{"a": 1}').decode()))
    assert data == b'{"a": 1}'


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ([], NotAnObjectError),
        ("text", NotAnObjectError),
        (None, NotAnObjectError),
        (structured(specversion=None), UnsupportedSpecversionError),
        (structured(specversion="0.3"), UnsupportedSpecversionError),
        (structured(specversion=1.0), UnsupportedSpecversionError),
        (structured(id=None), AttributeInvalidError),
        (structured(source=None), AttributeInvalidError),
        (structured(type=None), AttributeInvalidError),
        (structured(id=""), AttributeInvalidError),
        (structured(id=1), AttributeInvalidError),
        (structured(subject={}), AttributeInvalidError),
        (structured(source="x" * 1_025), AttributeInvalidError),
        (structured(data=None), DataInvalidError),
        (structured(data_base64="e30="), DataInvalidError),
        (structured(data=None, data_base64="no base64!"), DataInvalidError),
        (structured(data=None, data_base64="é"), DataInvalidError),
        (structured(data=None, data_base64=5), DataInvalidError),
    ],
)
def test_refuses_a_broken_structured_event_with_its_code(body: object, error: type[EnvelopeError]) -> None:
    with pytest.raises(error) as caught:
        unwrap_structured(body)
    assert type(caught.value) is error
    assert caught.value.code == error.code


def test_error_codes_are_distinct() -> None:
    codes = [error.code for error in EnvelopeError.__subclasses__()]
    assert len(set(codes)) == len(codes) == 5


def test_parses_a_type() -> None:
    assert parse_type("opswire.request_submitted.v1") == ("request_submitted", 1)
    assert parse_type("opswire.request_submitted.v12") == ("request_submitted", 12)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "request_submitted.v1",
        "opswire.request_submitted",
        "opswire.request_submitted.1",
        "opswire.request_submitted.v",
        "opswire.request_submitted.v0",
        "opswire.request_submitted.v01",
        "opswire.request_submitted.v-1",
        "opswire.request_submitted.v٣",
        "opswire.request_submitted.v10000",
        "opswire.Request.v1",
        "opswire.a.b.v1",
        "opswire..v1",
        "opswire.réponse.v1",
    ],
)
def test_refuses_any_other_type(name: str) -> None:
    with pytest.raises(TypeInvalidError):
        parse_type(name)


def test_writes_times_in_utc() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(1_767_322_845_000_006_999) == "2026-01-02T03:00:45.000006Z"
