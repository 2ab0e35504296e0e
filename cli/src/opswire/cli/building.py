"""Requests out of what a person typed or a file holds."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import Any

from opswire.cli.errors import UsageError
from opswire.cli.submission import Submission
from opswire.cli.values import new_request_id, request_key
from opswire.contracts.findings import Requester
from opswire.contracts.request_submitted import Event, RequestSubmitted
from opswire.contracts.types import RequesterKind
from pydantic import ValidationError

FORMATS = ("alertmanager.v4", "json")
BYTES_MAX = 1_048_576


def who(name: str | None) -> str:
    """The requester's name: as given, or the user of this terminal."""
    if name:
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def read_bytes(file: str) -> bytes:
    """The bytes of a file, or of standard input for `-`. Raises UsageError when it cannot be read or is above 1 MB."""
    try:
        body = sys.stdin.buffer.read(BYTES_MAX + 1) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", "the path of a file, or - for standard input"
        ) from error
    if len(body) > BYTES_MAX:
        raise UsageError(f"{file} is larger than {BYTES_MAX} bytes, the broker's limit", "a smaller event")
    return body


def of_text(text: str, requester: str, deadline_ms: int, source: str, request_id: str | None) -> Submission:
    """A request in words by a person."""
    key = _key(source, request_id)
    return _submission(key, deadline_ms, text=text, requester=_requester(requester, RequesterKind.HUMAN))


def of_event(
    body: bytes, event_format: str, requester: str, deadline_ms: int, source: str, request_id: str | None
) -> Submission:
    """A request that wraps a webhook's bare payload."""
    if event_format not in FORMATS:
        raise UsageError(f"there is no format {event_format!r}", f"--format {' or '.join(FORMATS)}")
    payload = _object(body)
    key = _key(source, request_id)
    try:
        event = Event(format=event_format, payload=payload)
    except ValidationError as error:
        raise _refused(error) from error
    return _submission(key, deadline_ms, event=event, requester=_requester(requester, RequesterKind.SERVICE))


def of_request(body: bytes, source: str, request_id: str | None) -> Submission:
    """The request that the bytes are, published as they are. Raises UsageError when they are none, or another's id."""
    try:
        request = RequestSubmitted.from_bytes(body)
    except ValidationError as error:
        advice = "--format alertmanager.v4 or json for a bare payload, --raw to publish the bytes unread"
        raise _refused(error, advice) from error
    if request_id not in (None, request.request_id):
        raise UsageError(f"the file holds request {request.request_id}, not {request_id}", "leave --id out")
    key = _key(source, request.request_id)
    return Submission(*key, body, request.deadline_ms)


def of_raw(body: bytes, deadline_ms: int, source: str, request_id: str | None) -> Submission:
    """The bytes as they are. Under the id they name where they name one, so that they are not refused for that."""
    return Submission(*_key(source, request_id or _id_in(body)), body, deadline_ms)


def _id_in(body: bytes) -> str | None:
    try:
        value = json.loads(body)
        found = value["request_id"]
        request_key(found)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, UsageError):
        return None
    return str(found)


def _key(source: str, request_id: str | None) -> tuple[str, str]:
    return request_key(f"{source}/{request_id or new_request_id()}")


def _requester(name: str, kind: RequesterKind) -> Requester:
    try:
        return Requester(id=name, kind=kind)
    except ValidationError as error:
        raise _refused(error) from error


def _submission(key: tuple[str, str], deadline_ms: int, **parts: Any) -> Submission:
    try:
        request = RequestSubmitted(request_id=key[1], deadline_ms=deadline_ms, **parts)
    except ValidationError as error:
        raise _refused(error) from error
    return Submission(*key, request.to_bytes(), deadline_ms)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the payload is no JSON: {error}", "--raw publishes bytes as they are") from error
    if not isinstance(value, dict):
        raise UsageError("the payload is no JSON object", "--raw publishes bytes as they are")
    return value


def _refused(error: ValidationError, advice: str = "see the message's schema in contracts/schemas") -> UsageError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if place == "deadline_ms":
        advice = "from 100ms to 24h: --deadline 30s, or deadline_ms in the file"
    elif place == "text":
        advice = "opswire ask 'what can you do?'"
    return UsageError(f"this is no request: {f'{place}: ' if place else ''}{first['msg']}", advice)
