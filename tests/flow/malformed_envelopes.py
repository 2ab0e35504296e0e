"""Envelopes, headers, subjects and reply addresses that are wrong, or odd and harmless."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from malformed import ANSWERED, PARKED, REFUSED, SOURCE, UNSEEN, Case, case, document, good, next_id
from raw_nats import header_block

STRUCTURED = header_block(b"content-type: application/cloudevents+json; charset=utf-8")


def told(**changes: Any) -> bytes:
    """A good request as an event in structured mode; "absent" as a change leaves the attribute out."""
    whole = {"specversion": "1.0", "id": "1", "source": "/me", "type": "com.example.asked", "data": document()}
    return json.dumps({key: value for key, value in (whole | changes).items() if value != "absent"}).encode()


BAD_ATTRIBUTES: tuple[Any, ...] = ("absent", "", 5, None, "x" * 1_025, [])


def structured() -> Iterator[Case]:
    """CloudEvents as one JSON object, good and bad."""
    yield case("structured", told(), ends=ANSWERED, headers=STRUCTURED)
    yield case(
        "structured with extensions", told(sequence="7", traceparent="00-bad"), ends=ANSWERED, headers=STRUCTURED
    )
    request_id = next_id()
    encoded = base64.b64encode(good(request_id)).decode()
    yield case(
        "structured base64",
        told(data="absent", data_base64=encoded),
        ends=ANSWERED,
        headers=STRUCTURED,
        request_id=request_id,
    )
    for value in ("0.3", "2.0", 1.0, None, "absent"):
        yield case(
            f"specversion {value}", told(specversion=value), "envelope_specversion_unsupported", headers=STRUCTURED
        )
    for name in ("id", "source", "type"):
        for bad in BAD_ATTRIBUTES:
            yield case(
                f"structured {name} {str(bad)[:8]!r}",
                told(**{name: bad}),
                "envelope_attribute_invalid",
                headers=STRUCTURED,
            )


def structured_data() -> Iterator[Case]:
    """Events in structured mode whose data are missing, twice there, or no request."""
    yield case("structured without data", told(data="absent"), "envelope_data_invalid", headers=STRUCTURED)
    yield case(
        "structured data twice",
        told(data_base64=base64.b64encode(good("x")).decode()),
        "envelope_data_invalid",
        headers=STRUCTURED,
    )
    yield case(
        "structured bad base64", told(data="absent", data_base64="%%%"), "envelope_data_invalid", headers=STRUCTURED
    )
    inner = {
        b"\xff": "body_not_utf8",
        b"{": "body_not_json",
        b"[]": "body_not_an_object",
        b'{"a":1,"a":1}': "body_duplicate_key",
    }
    for raw, code in inner.items():
        body = told(data="absent", data_base64=base64.b64encode(raw).decode())
        yield case(f"structured base64 of {raw!r}", body, code, headers=STRUCTURED)
    data: tuple[Any, ...] = ("text", 5, [], True)
    for value in data:
        yield case(f"structured data {value!r}", told(data=value), "body_not_an_object", headers=STRUCTURED)
    yield case("structured list", b"[]", "body_not_an_object", headers=STRUCTURED)
    yield case(
        "structured unknown version", told(type="opswire.request_submitted.v9"), "unknown_version", headers=STRUCTURED
    )
    yield case("structured said, plain sent", good(), "envelope_specversion_unsupported", headers=STRUCTURED)


def types() -> Iterator[Case]:
    """A message that says it is something else."""
    for name in ("opswire.request_submitted.v2", "opswire.request_submitted.v9999"):
        yield case(f"type {name}", codes=("unknown_version",), headers=header_block(b"ce-type: " + name.encode()))
    for name in (
        "opswire.intent_resolved.v1",
        "opswire.nothing.v1",
        "opswire.request_submitted.v0",
        "opswire.request_submitted.vx",
        "opswire.request_submitted",
        "opswire.request_submitted.v01",
        "opswire.request_submitted.v99999",
        "opswire..v1",
    ):
        yield case(f"type {name}", codes=("unknown_type",), headers=header_block(b"ce-type: " + name.encode()))


def broker_orders() -> Iterator[Case]:
    """Headers and reply addresses that are orders to the broker: an upstream gives none."""
    refused = {
        b"Nats-Rollup: sub": "10111",
        b"Nats-Rollup: all": "10111",
        b"Nats-Expected-Stream: OTHER": "10060",
        b"Nats-Expected-Last-Sequence: 999999": "10071",
        b"Nats-Expected-Last-Subject-Sequence: 7": "10071",
        b"Nats-Expected-Last-Msg-Id: another": "10070",
        b"Nats-Schedule: @at 2040-01-01T00:00:00Z": "10188",
        b"Nats-Schedule: garbage": "10188",
        b"Nats-TTL: 1s": "10166",
        b"Nats-TTL: never mind": "10165",
        b"Nats-Incr: 1": "10168",
    }
    for line, code in refused.items():
        yield case(line.decode(), None, code, ends=REFUSED, headers=header_block(line))
    for reply in (
        b"$JS.API.STREAM.PURGE.OPSWIRE_PARKED",
        b"$JS.API.STREAM.DELETE.OPSWIRE_FACTS",
        b"$JS.API.CONSUMER.DELETE.OPSWIRE_FACTS.intent-request-submitted",
    ):
        yield case(f"reply to {reply.decode()}", ends=ANSWERED, reply=reply)
    violation = 'Permissions Violation for Publish with Reply of "$JS.ACK.OPSWIRE_FACTS.x.1.1.1.1.1"'
    yield case("reply to $JS.ACK", None, violation, ends=REFUSED, reply=b"$JS.ACK.OPSWIRE_FACTS.x.1.1.1.1.1")


def odd_headers() -> Iterator[Case]:
    """Headers that mean nothing here, well-formed or not."""
    harmless = {
        "expected subject sequence 0": header_block(b"Nats-Expected-Last-Subject-Sequence: 0"),
        "schedule target alone": header_block(b"Nats-Schedule-Target: opswire.v1.victim.x.finished"),
        "status line": b"NATS/1.0 503\r\n\r\n",
        "status header": header_block(b"Status: 404"),
        "forged sequence": header_block(b"Nats-Sequence: x", b"Nats-Time-Stamp: x"),
        "no colon": header_block(b"nocolon"),
        "foreign first line": b"HTTP/1.1 200\r\n\r\n",
        "header bytes no UTF-8": header_block(b"x: \xff\xfe"),
        "open end": b"NATS/1.0\r\nx: y",
        "header without name": header_block(b": x"),
        "bad trace": header_block(b"traceparent: zz"),
        "forged deadline": header_block(b"Opswire-Deadline: 1"),
        "long deadline": header_block(b"Opswire-Deadline: " + b"9" * 5_000),
        "type of the upstream": header_block(b"ce-type: com.example.asked", b"ce-specversion: 0.3"),
        "type not decodable": header_block(b"ce-id: %ff%"),
    }
    for name, block in harmless.items():
        yield case(name, ends=ANSWERED, headers=block)


def identities() -> Iterator[Case]:
    """Ids and sources that are none, in the subject."""
    refused = (b"a.b", b"..", b"../../etc/passwd", b"", b".")
    for token in refused:
        subject = b"opswire.v1." + SOURCE.encode() + b"." + token + b".submitted"
        yield case(f"id {token!r} in the subject", None, "503", ends=REFUSED, subject=subject)
    yield case(
        "longest subject", None, "maximum control line exceeded", ends=REFUSED, subject=b"opswire.v1." + b"x" * 5_000
    )
    for token in (
        b"*",
        b">",
        "é".encode(),
        b"a\0b",
        b"%2e",
        b"x" * 65,
        b"x" * 3_000,
        b"$SYS",
        "\u202eevil".encode(),
        b"\xc3",
    ):
        subject = b"opswire.v1." + SOURCE.encode() + b"." + token + b".submitted"
        same = json.dumps(document(token.decode("utf-8", "backslashreplace"))).encode()
        told = case(
            f"id {token[:10]!r} of {len(token)} in subject and body",
            same,
            "bad_subject",
            subject=subject,
            has_finish=False,
        )
        yield replace(told, ends=frozenset({PARKED, UNSEEN})) if token in (b"*", b">") else told
        other = subject.replace(b".submitted", b"2.submitted")
        yield case(
            f"id {token[:10]!r} of {len(token)} in the subject alone",
            good("fine"),
            "bad_subject",
            subject=other,
            has_finish=False,
        )


def inner_subjects() -> Iterator[Case]:
    """Garbage where services write: whoever forges it must not hurt its reader."""
    bodies = {
        "empty": (b"", "body_empty"),
        "garbage": (b"\xff", "body_not_utf8"),
        "no object": (b"[]", "body_not_an_object"),
        "empty object": (b"{}", "schema_mismatch"),
        "a request": (good(), "schema_mismatch"),
    }
    for kind, reader in (("intent", "assets"), ("context", "executor")):
        for name, (body, code) in bodies.items():
            request_id = next_id()
            subject = f"opswire.v1.{SOURCE}.{request_id}.{kind}".encode()
            yield case(f"{kind}: {name}", body, code, request_id=request_id, subject=subject, reader=reader)
    for name, (body, code) in bodies.items():
        request_id = next_id()
        subject = f"opswire.changes.v1.asset.{request_id}".encode()
        yield case(
            f"asset change: {name}",
            body,
            code,
            request_id=request_id,
            subject=subject,
            reader="cache",
            has_finish=False,
        )
