"""Reads a message body: size, encoding, depth, duplicate keys and numbers are checked before any model sees it.

pydantic's parser accepts duplicate keys (the last wins) and, unasked, NaN; a body that two readers understand
differently is an attack or a bug, so it is refused here with a code. Limits are on bytes, levels and digits.
"""

from __future__ import annotations

import json
import math
from typing import Any

from opswire.chassis.errors import PoisonError

BODY_BYTES_MAX = 262_144
DEPTH_MAX = 200


class EmptyBodyError(PoisonError):
    """There are no bytes."""

    code = "body_empty"


class BodyTooLargeError(PoisonError):
    """More bytes than a message may have."""

    code = "body_too_large"


class EncodingError(PoisonError):
    """Not UTF-8, a byte order mark, or a lone surrogate."""

    code = "body_not_utf8"


class JsonError(PoisonError):
    """Not one JSON document."""

    code = "body_not_json"


class NotAnObjectError(PoisonError):
    """JSON, but an array or a scalar at the top."""

    code = "body_not_an_object"


class TooDeepError(PoisonError):
    """Nested deeper than 200 levels."""

    code = "body_too_deep"


class DuplicateKeyError(PoisonError):
    """One object has the same key twice."""

    code = "body_duplicate_key"


class NumberError(PoisonError):
    """NaN, an infinity, or more digits than a number may have."""

    code = "body_bad_number"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DuplicateKeyError("an object has the same key twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NumberError(f"{text[:32]} is not a finite number")
    return value


def _refuse_constant(name: str) -> float:
    raise NumberError(f"{name} is not a number in JSON")


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant).decode


def read_body(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`.

    Raises a PoisonError subclass whose code says what is wrong: empty, over 262,144 bytes, not UTF-8, not exactly one
    JSON document, not an object, deeper than 200 levels, a key twice, or a number that is not finite or too long.
    """
    if not body:
        raise EmptyBodyError("the body is empty")
    if len(body) > BODY_BYTES_MAX:
        raise BodyTooLargeError(f"the body has {len(body)} bytes; at most {BODY_BYTES_MAX} are taken")
    try:
        text = body.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        raise EncodingError(f"byte {error.start} is not UTF-8") from error
    if text.startswith("\ufeff"):
        raise EncodingError("the body begins with a byte order mark")
    # Few bodies have 200 brackets at all; only for those is the depth counted, before the recursive parser sees them.
    if text.count("[") + text.count("{") > DEPTH_MAX and _depth(text) > DEPTH_MAX:
        raise TooDeepError(f"the body is nested deeper than {DEPTH_MAX} levels")
    document = _parse(text)
    if not isinstance(document, dict):
        raise NotAnObjectError(f"the body is a JSON {type(document).__name__}, not an object")
    if "\\u" in text:
        _refuse_lone_surrogates(text)
    return document


def _parse(text: str) -> Any:
    try:
        return _decode(text)
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON at character {error.pos}: {error.msg}") from error
    except RecursionError as error:
        raise TooDeepError("the body is nested too deep") from error
    except ValueError as error:
        # int() refuses more than 4,300 digits; json passes its ValueError on.
        raise NumberError(f"a number has too many digits: {str(error)[:80]}") from error


def _refuse_lone_surrogates(text: str) -> None:
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise EncodingError("a string holds a lone surrogate") from error


def _depth(text: str) -> int:
    """The deepest nesting outside strings, without recursion."""
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > DEPTH_MAX:
                return deepest
        elif character in "]}":
            depth -= 1
    return deepest
