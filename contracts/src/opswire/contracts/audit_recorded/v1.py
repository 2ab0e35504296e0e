"""Entries of the audit trail: which message was stored where, by whom, and the hash that binds it to all before it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.message import Message, Part
from opswire.contracts.types import Digest, Name, Nanoseconds
from pydantic import Field

ENTRIES_MAX = 200
# As long as the broker lets a subject be.
SUBJECT_CHARACTERS_MAX = 4_096
STREAMS_MAX = 16
Sequence = Annotated[int, Field(ge=0, le=2**63 - 1)]


class AuditEntry(Part):
    """One state change. `number` counts from 1 through the whole trail; `at_ns` is when the broker stored the message.

    `hash` covers every other field and the hash of the entry before (chain.py). `type` is the CloudEvents type that the
    message claimed, `actor` who alone may write that subject, or the person whom the message names.
    """

    number: Annotated[int, Field(ge=1, le=2**63 - 1)]
    stream: Name
    sequence: Sequence
    subject: Annotated[str, Field(min_length=1, max_length=SUBJECT_CHARACTERS_MAX)]
    type: Annotated[str, Field(max_length=256)] = ""
    body_digest: Digest
    headers_digest: Digest
    actor: Annotated[str, Field(min_length=1, max_length=256)]
    at_ns: Nanoseconds
    hash: Digest


class StreamPosition(Part):
    """How far one stream is recorded: the last sequence looked at."""

    stream: Name
    sequence: Sequence


class AuditRecorded(Message):
    """Entries that follow each other, and how far every stream is recorded with them.

    `previous_hash` is the hash of the entry before the first one here, or of nothing at the trail's beginning.
    """

    STEM: ClassVar[str] = "audit_recorded"
    VERSION: ClassVar[int] = 1

    recorder: Name
    previous_hash: Digest
    entries: Annotated[list[AuditEntry], Field(min_length=1, max_length=ENTRIES_MAX)]
    positions: Annotated[list[StreamPosition], Field(min_length=1, max_length=STREAMS_MAX)]
    recorded_ns: Nanoseconds
