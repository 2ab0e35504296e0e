"""What a bad input is: bytes, where they go, and what must become of them; and the good request that all are made from.

Each case has a request id of its own, so that what becomes of it is told apart from everything else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import Any

from raw_nats import INBOX

SOURCE = "malformed"

PARKED, REFUSED, ANSWERED = "parked", "refused", "answered"
UNSEEN = "unseen"
"""Stored by the broker and delivered to nobody: what nats-server 2.15 may do with a literal wildcard in a subject.

No client library publishes such a subject, and no service can park what it is never shown."""


@dataclass(frozen=True, slots=True)
class Case:
    """One input. `ends` are the allowed endings, `codes` the allowed codes of a parked record or of the refusal."""

    name: str
    request_id: str
    body: bytes
    codes: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset({PARKED})
    headers: bytes = b""
    subject: bytes = b""
    reply: bytes = INBOX
    has_finish: bool = True
    """Whether source and id can be known, so that an outcome is owed."""
    reader: str = "intent"
    """The service that reads the subject."""


_numbers = count(1)


def next_id() -> str:
    """An id that no other case has, of eight characters."""
    return f"bad-{next(_numbers):04}"


def case(name: str, body: bytes | None = None, *codes: str, **fields: Any) -> Case:
    """A case with the next free id; without `body` a good request. `{id}` in the bytes becomes the id."""
    codes += fields.pop("codes", ())
    request_id = fields.pop("request_id", None) or next_id()
    whole = good(request_id) if body is None else body.replace(b"{id}", request_id.encode())
    subject = fields.pop("subject", b"") or f"opswire.v1.{SOURCE}.{request_id}.submitted".encode()
    ends = frozenset({fields.pop("ends", PARKED)})
    return Case(name, request_id, whole, frozenset(codes), ends, subject=subject, **fields)


def document(request_id: str = "{id}", **changes: Any) -> dict[str, Any]:
    """A good request as a dictionary; `None` as a change leaves the field out."""
    whole: dict[str, Any] = {"request_id": request_id, "text": "help", "requester": {"id": "tester", "kind": "human"}}
    return {key: value for key, value in (whole | changes).items() if value is not None}


def good(request_id: str = "{id}", **changes: Any) -> bytes:
    """A good request as bytes."""
    return json.dumps(document(request_id, **changes), ensure_ascii=False).encode()


def event(payload: bytes) -> bytes:
    """A request by an event whose payload is given as JSON text."""
    whole = json.dumps(document(text=None)).encode()
    return whole[:-1] + b', "event": {"format": "json", "payload": ' + payload + b"}}"


def nested(depth: int, opening: bytes, closing: bytes, core: bytes) -> bytes:
    """`core` within `depth` brackets."""
    return opening * depth + core + closing * depth
