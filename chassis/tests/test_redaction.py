"""Secrets in text: what is taken out, what is left alone, and that no encoding of a known value gets through."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opswire.chassis.redaction import (
    REDACTED,
    SHAPES,
    VALUES_MAX,
    Redactor,
    SecretTooShortError,
    is_secret_name,
)

CANARY = 'k7"q\\x ü/+&=canary'
KEY_BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"
# Put together here, so that no scanner takes this file for a leak.
FOUND = [
    ("AKIA" + "IOSFODNN7EXAMPLE", ""),
    ("ghp_" + "a1B2" * 9, ""),
    ("github_pat_" + "a1B2_" * 12, ""),
    ("glpat-" + "x1Y2" * 5, ""),
    ("xoxb-" + "123456789012-abcdefghij", ""),
    ("https://hooks.slack.com/services/" + "T000/B000/abcdefghijkl", "https://hooks.slack.com/services/"),
    ("sk_live_" + "a1B2" * 6, ""),
    ("sk-ant-api03-" + "a1B2" * 8, ""),
    ("AIza" + "a1B2c" * 7, ""),
    ("SG." + "a" * 22 + "." + "b" * 43, ""),
    ("hvs." + "a1B2" * 8, ""),
    ("npm_" + "a1B2" * 9, ""),
    ("eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0." + "c2lnbmF0dXJl", ""),
    ("$6$" + "salt$" + "a1B2" * 10, ""),
    ("postgres://app:hunter2@db-01/orders", "postgres://app:"),
    ("amqps://:p%40ss@mq:5671", "amqps://:"),
    ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer "),
    ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic "),
    ("Authorization: Digest username=x, response=y", "Authorization: "),
    ('{"Authorization": "Bearer abcdefgh"}', '{"Authorization": "Bearer '),
    ('{\\"authorization\\": \\"Token abcdefgh\\"}', "authorization"),
    ("curl -H 'bearer abcdefghijklmnopqrst'", "bearer "),
    ("Set-Cookie: session=abcdef0123; Path=/", "Set-Cookie: "),
    ("https://x.blob/y?se=1&sig=a1B2c3D4e5F6g7H8i9J0%3D", "https://x.blob/y?se=1&sig="),
    ("mysql --password hunter2 -h db", "--password "),
    ("tool --api-key=abcd1234", "--api-key="),
    ("DB_PASSWORD=hunter2x", "DB_PASSWORD="),
    ("export AWS_SECRET_ACCESS_KEY='wJalrXUtnFEMI/K7MDENG'", "export AWS_SECRET_ACCESS_KEY="),
    ("AccountName=x;AccountKey=abcdefgh1234==;", "AccountName=x;AccountKey="),
    ("Server=db;Password=hunter2x;Port=1", "Server=db;Password="),
    ('"client_secret": "a-b-c-d-e-f"', '"client_secret": "'),
    ("password: hunter2x", "password: "),
    (f"-----BEGIN RSA PRIVATE KEY-----\n{KEY_BODY}\n-----END RSA PRIVATE KEY-----", ""),
    (f"-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY_BODY}", ""),
]
LEFT = [
    "credential file:lab/id_ed25519",
    '{"credential": "file:lab/id_ed25519", "password": "env:OPSWIRE_SECRET_DB", "token": "vault:kv/db#password"}',
    '{"max_tokens": 256000, "input_tokens":123456, "tokens":[{"asset_id":"a-1","token":1234567}]}',
    "password=$DB_PASSWORD token=${TOKEN} secret=<hidden> api_key=********",
    "the secret is out, a token of thanks, keys and passwords are rotated",
    "nginx.service is running, pid 4711, http://10.0.0.1:8080/health?x=a",
    "opswire.v1.cli.019a-7f3.step.1.claimed traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "sha256 " + "ab" * 32,
    "disk-usage task-list risk-level",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJustAPublicKeyThatAnyoneMaySee web-01",
    "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----",
    "user@host.example and ops@team.example",
    "U" + "A" * 55,
]


@pytest.mark.parametrize(("text", "kept"), FOUND, ids=[text[:24] for text, _ in FOUND])
def test_a_secret_of_a_known_shape_is_taken_out(text: str, kept: str) -> None:
    found = Redactor().text(f"before {text} after")
    assert REDACTED in found
    assert kept in found
    assert found.startswith("before ")
    for secret in (
        "hunter2",
        "abcdef",
        "a1B2",
        KEY_BODY,
        "IOSFODNN7",
        "wJalr",
        "p%40ss",
        "dXNl",
        "c2lnbmF0",
        "response=y",
    ):
        assert secret not in found.removeprefix(f"before {kept}")


@pytest.mark.parametrize("text", LEFT, ids=[text[:24] for text in LEFT])
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert Redactor().text(text) == text


def test_every_shape_has_a_sample_and_hints_that_its_sample_contains() -> None:
    for shape in SHAPES:
        samples = [text for text, _ in FOUND if shape.pattern.search(text)]
        assert samples, shape.name
        assert all(any(hint in sample.lower() for hint in shape.hints) for sample in samples), shape.name


ENCODINGS: list[tuple[str, Callable[[str], str]]] = [
    ("raw", str),
    ("in a sentence", lambda value: f"login as root/{value}!"),
    ("JSON", json.dumps),
    ("JSON in UTF-8", lambda value: json.dumps(value, ensure_ascii=False)),
    ("JSON inside JSON", lambda value: json.dumps(json.dumps({"a": value}))),
    ("URL path", quote),
    ("URL query", quote_plus),
    ("URL, everything", lambda value: quote(value, safe="")),
    ("hex", lambda value: value.encode().hex()),
    *(
        (
            f"base64 after {count}",
            lambda value, count=count: base64.b64encode(b"u" * count + f"{value}:x".encode()).decode(),
        )
        for count in range(5)
    ),
    ("base64 for URLs", lambda value: base64.urlsafe_b64encode(value.encode()).decode()),
]


@pytest.mark.parametrize("encode", [encode for _, encode in ENCODINGS], ids=[name for name, _ in ENCODINGS])
def test_a_registered_value_is_found_however_it_is_written(encode: Callable[[str], str]) -> None:
    own = Redactor()
    own.register(CANARY)
    written = encode(CANARY)
    found = own.text(f"<{written}>")
    assert REDACTED in found
    pieces = {written[at : at + 8] for at in range(4, len(written) - 12)} - {written[at : at + 8] for at in range(16)}
    assert not [piece for piece in pieces if piece in found]


def test_lines_of_a_long_secret_are_found_one_by_one() -> None:
    own = Redactor()
    own.register(f"-----HEAD-----\n{KEY_BODY}\n{KEY_BODY[::-1]}\nab\n")
    assert own.text(f"  {KEY_BODY}\n> {KEY_BODY[::-1]}\nab") == f"  {REDACTED}\n> {REDACTED}\nab"


def test_values_that_are_too_short_are_refused_and_the_oldest_of_too_many_forgotten() -> None:
    own = Redactor()
    for short in ("", "#", "1234567", "   1234567   "):
        with pytest.raises(SecretTooShortError, match="at least 8 characters") as caught:
            own.register(short)
        assert "1234567" not in str(caught.value)
    for number in range(VALUES_MAX + 1):
        own.register(f"value-{number:06d}")
        own.register("value-000001")
    assert own.text("value-000000 value-000001 value-000512") == f"value-000000 {REDACTED} {REDACTED}"


def test_values_of_json_are_cleaned_under_secret_names_too() -> None:
    own = Redactor()
    own.register("canary-value")
    value = {
        "password": "x",
        "rows": [["canary-value", 1, None]],
        "canary-value": True,
        "db": {"api_key": "k", "port": 1},
    }
    assert own.value(value) == {
        "password": REDACTED,
        "rows": [[REDACTED, 1, None]],
        REDACTED: True,
        "db": {"api_key": REDACTED, "port": 1},
    }
    assert [
        name for name in ("token", "http.token", "API_KEY", "tokens_in", "tokenizer", "key") if is_secret_name(name)
    ] == [
        "token",
        "http.token",
        "API_KEY",
    ]


def test_text_that_cannot_be_encoded_and_bytes_that_are_no_text_are_cleaned_all_the_same() -> None:
    own = Redactor()
    assert own.known_in(b"\xffcanary-value") == b"\xffcanary-value"
    own.register("canary-value")
    assert own.text("\ud800 canary-value \ud83d") == f"\ud800 {REDACTED} \ud83d"
    assert b"canary" not in own.known_in(b"\xffcanary-value")
    clean = b'{"a": 1}'
    assert own.known_in(clean) is clean


def test_registering_while_others_read_loses_nothing() -> None:
    own = Redactor()
    values = [f"value-{number:04d}" for number in range(200)]
    threads = [
        threading.Thread(target=lambda part=part: [own.register(one) for one in values[part::4]]) for part in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert own.text("nothing here") == "nothing here"
    assert own.text(" ".join(values)) == " ".join([REDACTED] * 200)


def texts_in(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts_in(one)]
    return [text for one in value for text in texts_in(one)] if isinstance(value, list) else []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    ),
    st.text(min_size=8, max_size=20).filter(lambda value: len(value.strip()) >= 8),
)
def test_a_document_stays_one_whatever_it_says(document: object, secret: str) -> None:
    own = Redactor()
    own.register(secret)
    body = json.dumps({"text": f"a {secret} b", "more": document, "note": "password=hunter2x, next"})
    cleaned = own.value(json.loads(body))
    assert all(secret not in text.replace(REDACTED, "") for text in texts_in(cleaned))
    assert "hunter2x" not in json.dumps(cleaned)
