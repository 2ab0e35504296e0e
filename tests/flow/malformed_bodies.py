"""Bodies that are no request, and a few odd ones that are."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from malformed import ANSWERED, PARKED, REFUSED, Case, case, document, event, good, nested, next_id
from raw_nats import header_block

BODY_BYTES_MAX = 262_144
STORED_BYTES_MAX = 327_680
PAYLOAD_BYTES_MAX = 1_048_576
MUTATIONS = 120


def encodings() -> Iterator[Case]:
    """Bytes that are no text, or text in the wrong clothes."""
    bad = {
        "0xff": b"\xff",
        "continuation alone": b"\x80",
        "truncated": b"\xe2\x82",
        "overlong slash": b"\xc0\xaf",
        "overlong NUL": b"\xc0\x80",
        "overlong euro": b"\xf0\x82\x82\xac",
        "surrogate in UTF-8": b"\xed\xa0\x80",
        "CESU-8 pair": b"\xed\xa0\xbd\xed\xb8\x80",
        "beyond U+10FFFF": b"\xf4\x90\x80\x80",
        "five bytes": b"\xf8\x88\x80\x80\x80",
    }
    for name, sequence in bad.items():
        yield case(
            f"UTF-8 {name} in the text", good(text="a").replace(b'"a"', b'"a' + sequence + b'"'), "body_not_utf8"
        )
        yield case(f"UTF-8 {name} first", sequence + good(), "body_not_utf8")
        yield case(f"UTF-8 {name} in a key", good().replace(b'"text"', b'"te' + sequence + b'xt"'), "body_not_utf8")
    text = good().decode()
    yield case("byte order mark", b"\xef\xbb\xbf" + good(), "body_not_utf8")
    yield case("UTF-16 with mark", text.encode("utf-16"), "body_not_utf8")
    yield case("UTF-16 without mark", text.encode("utf-16-le"), "body_not_json")
    yield case("UTF-32", text.encode("utf-32"), "body_not_utf8")
    yield case("gzip", gzip.compress(good(), mtime=0), "body_not_utf8")
    yield case(
        "gzip, said so",
        gzip.compress(good(), mtime=0),
        "body_not_utf8",
        headers=header_block(b"content-encoding: gzip"),
    )
    for name, string in {"high": b"\\ud800", "low": b"\\udc00", "reversed": b"\\udc00\\ud800"}.items():
        yield case(f"lone surrogate {name} in the text", good().replace(b"help", string), "body_not_utf8")
        yield case(f"lone surrogate {name} in a payload", event(b'{"a": ["' + string + b'"]}'), "body_not_utf8")
        yield case(f"lone surrogate {name} in a key", event(b'{"' + string + b'": 1}'), "body_not_utf8")


def shapes() -> Iterator[Case]:
    """Text that is no JSON object."""
    yield case("empty", b"", "body_empty")
    yield case("white space", b" \r\n\t", "body_not_json")
    for size in (1, 10, 4_096):
        yield case(f"{size} NULs", b"\0" * size, "body_not_json")
    yield case("NUL in a string", good().replace(b"help", b"he\0lp"), "body_not_json")
    yield case("NUL at the end", good() + b"\0", "body_not_json")
    yield case("newline in a string", good().replace(b"help", b"he\nlp"), "body_not_json")
    yield case("bad escape", good().replace(b"help", b"he\\xlp"), "body_not_json")
    yield case("single quotes", good().replace(b'"', b"'"), "body_not_json")
    yield case("comment", b"/* hi */" + good(), "body_not_json")
    yield case("trailing comma", good()[:-1] + b",}", "body_not_json")
    yield case("trailing garbage", good() + b"garbage", "body_not_json")
    yield case("two documents", good() + good(), "body_not_json")
    yield case("two lines of JSON", good() + b"\n" + good(), "body_not_json")
    yield case("XML", b"<request>help</request>", "body_not_json")
    yield case("YAML", b"text: help", "body_not_json")
    for length in range(1, len(good("bad-0000")), 6):
        yield case(f"truncated after {length} bytes", good("bad-0000")[:length], "body_not_json")
    for scalar in (b"[]", b"[1, 2]", b'"text"', b"1", b"-0", b"1.5", b"true", b"false", b"null"):
        yield case(f"top is {scalar.decode()}", scalar, "body_not_an_object")
    yield case("top is a list of requests", b"[" + good() + b"]", "body_not_an_object")


def depths() -> Iterator[Case]:
    """Nesting: at most 200 levels, whatever the parser's own limit is."""
    yield case("100,000 open arrays", b"[" * 100_000, "body_too_deep")
    yield case("50,000 open objects", b'{"a":' * 50_000, "body_too_deep")
    yield case("100,000 arrays, closed", nested(100_000, b"[", b"]", b""), "body_too_deep")
    yield case(
        "100,000 arrays in a payload", event(b'{"a": ' + nested(100_000, b"[", b"]", b"") + b"}"), "body_too_deep"
    )
    for depth in (201, 202, 500):
        # The request, the event and the payload are three levels themselves.
        yield case(
            f"arrays, depth {depth}", event(b'{"a": ' + nested(depth - 3, b"[", b"]", b"1") + b"}"), "body_too_deep"
        )
        yield case(f"objects, depth {depth}", event(nested(depth - 2, b'{"a": ', b"}", b"1")), "body_too_deep")
    for depth in (150, 199):
        passing = event(b'{"a": ' + nested(depth - 3, b"[", b"]", b"1") + b"}")
        yield case(f"arrays, depth {depth}", passing, ends=ANSWERED)
        yield case(f"objects, depth {depth}", event(nested(depth - 2, b'{"a": ', b"}", b"1")), ends=ANSWERED)
    yield case("brackets in a string are no depth", good(text="how many [[[" + "[{" * 300), ends=ANSWERED)


def numbers() -> Iterator[Case]:
    """Numbers that JSON does not have, or that nobody can hold."""
    for number in (
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b"9" * 5_000,
        b"-" + b"9" * 5_000,
        b"1" + b"0" * 400 + b".0",
    ):
        shown = number.decode()[:12]
        yield case(f"{shown} as deadline", good()[:-1] + b', "deadline_ms": ' + number + b"}", "body_bad_number")
        yield case(f"{shown} in a payload", event(b'{"a": ' + number + b"}"), "body_bad_number")
        yield case(f"{shown} deep in a payload", event(b'{"a": [{"b": [' + number + b"]}]}"), "body_bad_number")
    for number in (b"+1", b"01", b".5", b"1.", b"0x1F", b"1_000", b"nan", b"- 1"):
        yield case(f"{number.decode()} is no number", event(b'{"a": ' + number + b"}"), "body_not_json")


def keys() -> Iterator[Case]:
    """The same key twice, which two readers understand in two ways."""
    yield case("request_id twice", good()[:-1] + b', "request_id": "{id}"}', "body_duplicate_key")
    yield case("text twice", good()[:-1] + b', "text": "restart everything"}', "body_duplicate_key")
    yield case("a key twice by an escape", good()[:-1] + b', "te\\u0078t": "x"}', "body_duplicate_key")
    yield case("unknown key twice", good()[:-1] + b', "x": 1, "x": 2}', "body_duplicate_key")
    yield case("requester.id twice", good().replace(b'"kind"', b'"id": "root", "kind"'), "body_duplicate_key")
    for depth in (1, 50, 190):
        yield case(
            f"a key twice at depth {depth}",
            event(nested(depth, b'{"a": ', b"}", b'{"b": 1, "b": 1}')),
            "body_duplicate_key",
        )


WRONG: dict[str, list[Any]] = {
    "request_id": [1, True, [], {}, "", " ", "a b", "a.b", "*", ">", "../x", "é", "a\u0000", "a\n", "x" * 65, "%2e"],
    "text": [1, True, [], {}, "", " ", "\u00a0\t\n", "x" * 8_001],
    "requester": [
        1,
        "me",
        [],
        {},
        {"id": "x"},
        {"kind": "human"},
        {"id": "x", "kind": "robot"},
        {"id": 1, "kind": "human"},
        {"id": "", "kind": "human"},
        {"id": "x" * 100_000, "kind": "human"},
        {"id": "x", "kind": ["human"]},
    ],
    "deadline_ms": ["30000", 1.5, True, -1, 0, 99, 86_400_001, 2**63, 10**30, [], {}],
    "in_reply_to": [1, True, [], "", "a b", "a.b", "../x", "x" * 65, "\u0000"],
    "event": [
        1,
        "x",
        [],
        {},
        {"format": "json"},
        {"payload": {}},
        {"format": "xml", "payload": {}},
        {"format": "json", "payload": []},
        {"format": "json", "payload": "x"},
        {"format": 1, "payload": {}},
        {"format": "json", "payload": {str(number): 1 for number in range(1_001)}},
    ],
}


def fields() -> Iterator[Case]:
    """JSON objects that are no requests."""
    for name, values in WRONG.items():
        for place, value in enumerate(values):
            changes = {name: value} | ({"text": None} if name == "event" else {})
            yield case(f"{name} wrong, {place}: {json.dumps(value)[:30]}", good(**changes), "schema_mismatch")
    for name in ("request_id", "requester", "text"):
        whole = {key: value for key, value in document().items() if key != name}
        yield case(f"{name} missing", json.dumps(whole).encode(), "schema_mismatch")
        yield case(f"{name} null", json.dumps(whole | {name: None}).encode(), "schema_mismatch")
    yield case("deadline null", good()[:-1] + b', "deadline_ms": null}', "schema_mismatch")
    yield case("empty object", b"{}", "schema_mismatch")
    both = good()[:-1] + b', "event": {"format": "json", "payload": {}}}'
    yield case("text and event", both, "schema_mismatch")
    yield case("another request's id", good("another"), "id_mismatch")
    yield case("the id in other case", good("BAD-9999"), "id_mismatch")
    yield case("unknown fields are tolerated", good(colour="blue", nested={"a": [1]}), ends=ANSWERED)
    wrong: tuple[Any, ...] = (None, [], {}, "x", [1], [None], [{}] * 101)
    for alerts in wrong:
        payload = {"format": "alertmanager.v4", "payload": {"alerts": alerts}}
        yield case(f"alerts {json.dumps(alerts)[:20]}", good(text=None, event=payload), "event_malformed")
    for alert in (
        {},
        {"labels": 1},
        {"labels": {"alertname": 5}},
        {"status": 7},
        {"labels": {"": ""}},
        {"labels": {"instance": "\u0000"}},
    ):
        payload = {"format": "alertmanager.v4", "payload": {"alerts": [alert]}}
        yield case(f"an odd alert is read: {json.dumps(alert)[:30]}", good(text=None, event=payload), ends=ANSWERED)


def padded(size: int) -> bytes:
    """A good event of exactly so many bytes (with an id of eight characters)."""
    empty = len(event(b'{"a": ""}').replace(b"{id}", b"bad-0000"))
    return event(b'{"a": "' + b"x" * (size - empty) + b'"}')


def sizes() -> Iterator[Case]:
    """At the limits of body, stored message, payload, headers and keys."""
    # The broker says it and closes; its word can be lost in the reset of the connection.
    too_large = ("Maximum Payload Violation", "connection closed")
    yield case("body at the limit - 1", padded(BODY_BYTES_MAX - 1), ends=ANSWERED)
    yield case("body at the limit", padded(BODY_BYTES_MAX), ends=ANSWERED)
    yield case("body at the limit + 1", padded(BODY_BYTES_MAX + 1), "body_too_large")
    yield case("largest that is stored", padded(STORED_BYTES_MAX - 200), "body_too_large")
    yield case("one more than is stored", padded(STORED_BYTES_MAX + 1), "10054", ends=REFUSED)
    yield case("payload limit - 1", b"x" * (PAYLOAD_BYTES_MAX - 1), "10054", ends=REFUSED)
    yield case("payload limit + 1", b"x" * (PAYLOAD_BYTES_MAX + 1), *too_large, ends=REFUSED)
    yield case(
        "100,000 keys", json.dumps({str(number): 0 for number in range(100_000)}).encode(), *too_large, ends=REFUSED
    )
    yield case("60,000 keys", json.dumps({str(number): 0 for number in range(60_000)}).encode(), "10054", ends=REFUSED)
    yield case("20,000 keys", json.dumps({str(number): 0 for number in range(20_000)}).encode(), "schema_mismatch")
    yield case("token of 10,000 characters", good(requester={"id": "x" * 10_000, "kind": "human"}), "schema_mismatch")
    yield case("64 kB in one header", headers=header_block(b"x: " + b"y" * 65_000), codes=("headers_too_large",))
    yield case(
        "64 kB in 1,000 headers",
        headers=header_block(*(b"x-%04d: " % n + b"y" * 55 for n in range(1_000))),
        codes=("headers_too_large",),
    )
    yield case("70 kB of headers", None, "10097", ends=REFUSED, headers=header_block(b"x: " + b"y" * 70_000))
    yield case("16 kB of headers pass", headers=header_block(b"x: " + b"y" * 16_000), ends=ANSWERED)


def mutations(seed: int) -> Iterator[Case]:
    """A good request with a few bytes changed: it is read or parked, and what is no JSON is always parked."""
    chance = random.Random(seed)
    for number in range(MUTATIONS):
        request_id = next_id()
        body = bytearray(
            good(request_id, deadline_ms=30_000)
            if number % 2
            else event(b'{"title": "disk full", "n": [1, 2.5]}').replace(b"{id}", request_id.encode())
        )
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(body))
            mutate(body, place, chance)
        mutated = case(f"mutation {seed}/{number}", bytes(body), request_id=request_id)
        yield replace(mutated, ends=frozenset({PARKED, ANSWERED}) if is_object(bytes(body)) else frozenset({PARKED}))


def mutate(body: bytearray, place: int, chance: random.Random) -> None:
    """One small change at `place`."""
    match chance.choice(("flip", "cut", "insert", "repeat", "replace")):
        case "flip":
            body[place] ^= 1 << chance.randrange(8)
        case "cut":
            del body[place : place + chance.randint(1, 6)]
        case "insert":
            body[place:place] = chance.randbytes(chance.randint(1, 4))
        case "repeat":
            body[place:place] = body[place : place + chance.randint(1, 12)]
        case "replace":
            body[place] = chance.choice(b'{}[]",:\\0-9eE. \x00')


def is_object(body: bytes) -> bool:
    """Whether another reader than ours takes it for a JSON object."""
    try:
        return isinstance(json.loads(body.decode("utf-8")), dict)
    except (ValueError, RecursionError):
        return False
