"""Parked messages: what could not be handled, and how it is driven again."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from opswire.cli.bus import Bus, submitted_subject
from opswire.cli.errors import CommandError, NotFoundError, UsageError
from opswire.cli.submission import Submission
from opswire.contracts.envelope import HEADER_MESSAGE_ID, without_broker_headers
from opswire.contracts.message_parked import MessageParked
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import CHANGES, FACTS, MESSAGE_PARKED, PARKED
from pydantic import ValidationError

REQUEST_ID_CHARACTERS_MAX = 64
REDRIVES_MAX = 100
ADVICE_FIXED = "opswire parked redrive ID --file FIXED.json, a request without what was wrong"


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked record and its place in the stream."""

    sequence: int
    message: MessageParked

    @property
    def key(self) -> tuple[str, str] | None:
        """Source and request id, where the parked message belongs to a request."""
        tokens = self.message.subject.split(".")
        if tokens[:2] == ["opswire", "v1"] and len(tokens) >= 5:
            return tokens[2], tokens[3]
        return None

    @property
    def body(self) -> bytes:
        """The original bytes. Raises CommandError when the record itself is broken."""
        try:
            return base64.b64decode(self.message.body_base64, validate=True)
        except binascii.Error as error:
            raise CommandError(f"parked {self.message.parked_id} holds no readable bytes") from error

    def as_json(self) -> dict[str, Any]:
        """The record as stored, with its sequence."""
        return {"sequence": self.sequence, **self.message.model_dump(mode="json")}


async def read_parked(bus: Bus) -> AsyncIterator[Parked]:
    """Every parked record that can be read, oldest first."""
    async for stored in bus.everything(PARKED, MESSAGE_PARKED.wildcard):
        try:
            yield Parked(stored.sequence, MessageParked.from_bytes(stored.body))
        except ValidationError:
            continue  # a record of a newer release: not ours to judge


async def find_parked(bus: Bus, parked_id: str) -> Parked:
    """One record by its id or the first characters of it. Raises NotFoundError, or UsageError when several match."""
    found = [record async for record in read_parked(bus) if record.message.parked_id.startswith(parked_id)]
    exact = [record for record in found if record.message.parked_id == parked_id]
    if exact:
        return exact[-1]
    if not found:
        raise NotFoundError(f"nothing is parked as {parked_id}", "opswire parked list")
    if len(found) > 1:
        raise UsageError(f"{len(found)} parked messages begin with {parked_id}", "more of the id")
    return found[0]


async def redriven_as(bus: Bus, record: Parked) -> str | None:
    """The id of the request's first redrive, or None."""
    if record.key is None:
        return None
    source, request_id = record.key
    again = redrive_id(request_id, 1)
    return again if await bus.last(FACTS, submitted_subject(source, again)) is not None else None


def redrive_id(request_id: str, number: int) -> str:
    """The id of a request's n-th redrive: its own with `-r<n>`, shortened where that would be too long."""
    suffix = f"-r{number}"
    return request_id[: REQUEST_ID_CHARACTERS_MAX - len(suffix)] + suffix


async def redriven_request(bus: Bus, record: Parked, fixed: bytes | None) -> Submission:
    """The submission that asks again: the original bytes, or `fixed`, under the next free id, in reply to the old one.

    Raises UsageError when the bytes are no request.
    """
    if record.key is None:
        raise UsageError(f"{record.message.subject} belongs to no request")
    source, request_id = record.key
    number = 1
    while await bus.last(FACTS, submitted_subject(source, redrive_id(request_id, number))) is not None:
        number += 1
        if number > REDRIVES_MAX:
            raise CommandError(f"{source}/{request_id} was driven again {REDRIVES_MAX} times", "look into it instead")
    original = fixed if fixed is not None else await _submitted_bytes(bus, record, source, request_id)
    return _again(original, source, redrive_id(request_id, number), request_id)


async def _submitted_bytes(bus: Bus, record: Parked, source: str, request_id: str) -> bytes:
    """The request as it was submitted: what was parked may be a later message of it."""
    subject = submitted_subject(source, request_id)
    if record.message.subject == subject:
        return record.body
    stored = await bus.last(FACTS, subject)
    if stored is None:
        raise NotFoundError(f"the broker holds no {subject}", ADVICE_FIXED)
    return stored.body


def _again(original: bytes, source: str, new_id: str, old_id: str) -> Submission:
    try:
        value = json.loads(original)
        if not isinstance(value, dict):
            raise UsageError("the parked bytes are no JSON object", ADVICE_FIXED)
        body = json.dumps(value | {"request_id": new_id, "in_reply_to": old_id}, ensure_ascii=False).encode()
        request = RequestSubmitted.from_bytes(body)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the parked bytes are no request: {str(error).splitlines()[0]}", ADVICE_FIXED) from error
    return Submission(source, new_id, body, request.deadline_ms)


async def redrive_change(bus: Bus, record: Parked, fixed: bytes | None) -> dict[str, Any]:
    """Publish a parked change on its own subject again. Raises UsageError for a message of another kind."""
    if record.message.stream != CHANGES:
        raise UsageError(f"{record.message.subject} can not be driven again", "look into it: opswire parked show ID")
    headers = without_broker_headers(record.message.headers)
    headers[HEADER_MESSAGE_ID] = f"redrive.{record.message.parked_id}.{secrets.token_hex(8)}"
    body = fixed if fixed is not None else record.body
    accepted = await bus.store(record.message.subject, body, headers, time.monotonic() + 30)
    return {"subject": record.message.subject, "sequence": accepted.sequence}
