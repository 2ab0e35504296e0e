"""Bodies at the door: what is refused, by which code, and what must pass."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opswire.chassis.body import BODY_BYTES_MAX, DEPTH_MAX, read_body
from opswire.chassis.errors import Disposition, PoisonError
from opswire.contracts.types import FinishStatus


def nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    """An object whose deepest bracket is at `levels`."""
    return ('{"a":' + opening * (levels - 1) + closing * (levels - 1) + "}").encode()


def nested_objects(levels: int) -> bytes:
    return ('{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)).encode()


def sized(size: int) -> bytes:
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


REFUSED: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "body_empty"),
    ("one byte over the limit", sized(BODY_BYTES_MAX + 1), "body_too_large"),
    ("far over the limit", b"x" * 1_000_000, "body_too_large"),
    ("bad UTF-8", b'{"a":"\xff"}', "body_not_utf8"),
    ("overlong slash", b'{"a":"\xc0\xaf"}', "body_not_utf8"),
    ("surrogate as bytes", b'{"a":"\xed\xa0\x80"}', "body_not_utf8"),
    ("cut inside a character", '{"a":"é'.encode()[:-1], "body_not_utf8"),
    ("byte order mark", b'\xef\xbb\xbf{"a":1}', "body_not_utf8"),
    ("UTF-16", '{"a":1}'.encode("utf-16"), "body_not_utf8"),
    ("gzip", gzip.compress(b'{"a":1}'), "body_not_utf8"),
    ("lone high surrogate", b'{"a":"\\ud800"}', "body_not_utf8"),
    ("lone low surrogate", b'{"a":"\\udc00x"}', "body_not_utf8"),
    ("surrogates in the wrong order", b'{"a":"\\ude00\\ud83d"}', "body_not_utf8"),
    ("lone surrogate in a key", b'{"\\uD800":1}', "body_not_utf8"),
    ("NULs", b"\x00\x00\x00", "body_not_json"),
    ("white space", b" \n\t", "body_not_json"),
    ("words", b"restart web-01", "body_not_json"),
    ("truncated", b'{"a":', "body_not_json"),
    ("trailing garbage", b'{"a":1}x', "body_not_json"),
    ("trailing NUL", b'{"a":1}\x00', "body_not_json"),
    ("two documents", b'{"a":1}{"b":2}', "body_not_json"),
    ("two lines", b'{"a":1}\n{"b":2}', "body_not_json"),
    ("single quotes", b"{'a':1}", "body_not_json"),
    ("trailing comma", b'{"a":1,}', "body_not_json"),
    ("comment", b'{"a":1/*x*/}', "body_not_json"),
    ("raw line break in a string", b'{"a":"\n"}', "body_not_json"),
    ("leading zero", b'{"a":01}', "body_not_json"),
    ("array", b'[{"a":1}]', "body_not_an_object"),
    ("string", b'"a"', "body_not_an_object"),
    ("number", b"1", "body_not_an_object"),
    ("null", b"null", "body_not_an_object"),
    ("true", b"true", "body_not_an_object"),
    ("100,000 open arrays", b"[" * 100_000, "body_too_deep"),
    ("100,000 open objects", b'{"a":' * 50_000, "body_too_deep"),
    ("201 arrays deep", nested(DEPTH_MAX + 1), "body_too_deep"),
    ("201 objects deep", nested_objects(DEPTH_MAX + 1), "body_too_deep"),
    ("deep behind a string with quotes", b'{"s":"\\"[","a":' + b"[" * 200 + b"]" * 200 + b"}", "body_too_deep"),
    ("NaN", b'{"a":NaN}', "body_bad_number"),
    ("infinity", b'{"a":Infinity}', "body_bad_number"),
    ("minus infinity", b'{"a":[-Infinity]}', "body_bad_number"),
    ("1e999", b'{"a":1e999}', "body_bad_number"),
    ("-1e999", b'{"a":{"b":-1E999}}', "body_bad_number"),
    ("5,000 digits", b'{"a":' + b"9" * 5_000 + b"}", "body_bad_number"),
    ("5,000 digits and a fraction", b'{"a":' + b"9" * 5_000 + b".0}", "body_bad_number"),
    ("a key twice", b'{"a":1,"a":2}', "body_duplicate_key"),
    ("a key twice with the same value", b'{"a":1,"a":1}', "body_duplicate_key"),
    ("a key twice, nested", b'{"x":[{"a":1,"b":2,"a":3}]}', "body_duplicate_key"),
    ("a key twice, once escaped", b'{"a":1,"\\u0061":2}', "body_duplicate_key"),
]


@pytest.mark.parametrize(("body", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_bad_body_is_refused_by_its_code(body: bytes, code: str) -> None:
    with pytest.raises(PoisonError) as caught:
        read_body(body)
    assert caught.value.code == code
    assert caught.value.disposition is Disposition.PARK
    assert caught.value.status is FinishStatus.REJECTED
    assert len(str(caught.value)) < 300


PASSED: list[tuple[str, bytes]] = [
    ("199 deep", nested(DEPTH_MAX - 1)),
    ("200 deep", nested(DEPTH_MAX)),
    ("200 objects deep", nested_objects(DEPTH_MAX)),
    ("exactly the size limit", sized(BODY_BYTES_MAX)),
    ("brackets inside a string", b'{"a":"' + b"[{" * 1_000 + b'"}'),
    ("brackets behind an escaped quote", b'{"a":"\\"' + b"[" * 1_000 + b'\\\\"}'),
    ("many brackets side by side", b'{"a":[' + b",".join([b"[]"] * 1_000) + b"]}"),
    ("a surrogate pair", b'{"a":"\\ud83d\\ude00"}'),
    ("an escaped backslash before u", b'{"a":"\\\\ud800"}'),
    ("an escaped NUL", b'{"a":"\\u0000"}'),
    ("4,000 digits", b'{"a":' + b"9" * 4_000 + b"}"),
    ("the empty object", b"{}"),
    ("white space around", b' \r\n{"a":1}\t '),
    ("the same key in two objects", b'{"a":{"b":1},"c":{"b":2}}'),
    ("100,000 keys would not fit, 10,000 do", json.dumps({str(n): n for n in range(10_000)}).encode()),
]


@pytest.mark.parametrize("body", [case[1] for case in PASSED], ids=[case[0] for case in PASSED])
def test_a_good_body_is_read_as_any_json_reader_reads_it(body: bytes) -> None:
    assert read_body(body) == json.loads(body)


def test_two_spellings_of_one_accented_key_are_two_keys() -> None:
    assert len(read_body('{"\u00e9":1,"e\u0301":2}'.encode())) == 2


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))


@given(st.dictionaries(keys, values, max_size=6), st.booleans())
def test_whatever_json_writes_is_read_back_the_same(document: dict[str, object], escaped: bool) -> None:
    assert read_body(json.dumps(document, ensure_ascii=escaped).encode()) == document


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_poison_error(body: bytes) -> None:
    try:
        found: object = read_body(body)
    except PoisonError as error:
        found = error.code
    assert isinstance(found, dict) or str(found).startswith("body_")
