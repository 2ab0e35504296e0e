"""The audit trail's next record: entries with their numbers and hashes after a head. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opswire.contracts.audit_recorded import AuditRecorded
from opswire.contracts.audit_recorded.chain import (
    BEGINNING,
    LOSS_ACCEPTED_SUBJECT,
    digest_of,
    hashed,
    headers_digest_of,
)
from opswire.contracts.audit_recorded.sources import Observed
from opswire.contracts.audit_recorded.v1 import ENTRIES_MAX

# What an entry takes beside its subject, type and actor, and what a record may take: well below the broker's limit.
ENTRY_BYTES = 512
RECORD_BYTES_MAX = 240_000
LOSS_TYPE = "opswire.audit.loss_accepted"


@dataclass(frozen=True, slots=True)
class Head:
    """The trail's end: the record that holds it, the last entry's number and hash, how far each stream is recorded."""

    sequence: int = 0
    number: int = 0
    hash: str = BEGINNING
    positions: Mapping[str, int] = field(default_factory=dict)


def head_of(record: AuditRecorded, sequence: int) -> Head:
    """The end of the trail after a record that the stream holds at `sequence`."""
    last = record.entries[-1]
    return Head(sequence, last.number, last.hash, {one.stream: one.sequence for one in record.positions})


def loss_accepted(stream: str, agreed: int, person: str, at_ns: int, told: Mapping[str, object]) -> Observed:
    """The entry for a person's word that the end of a stream is gone; recording goes on after `agreed`."""
    body = json.dumps(dict(told), sort_keys=True).encode()
    actor = person[:256] or "person"
    return Observed(
        stream, agreed, LOSS_ACCEPTED_SUBJECT, LOSS_TYPE, digest_of(body), headers_digest_of({}), actor, at_ns
    )


def is_new(head: Head, one: Observed) -> bool:
    """Whether the trail does not hold this yet."""
    return one.type == LOSS_TYPE or one.sequence > head.positions.get(one.stream, 0)


def next_record(head: Head, observed: Iterable[Observed], recorder: str, now_ns: int) -> AuditRecorded | None:
    """As many of `observed` as one record takes, in their order, without what is recorded; None when nothing is left.

    Within a stream they are in rising order.
    """
    entries: list[dict[str, Any]] = []
    positions = dict(head.positions)
    number, last_hash, size = head.number, head.hash, 0
    for one in observed:
        if one.type != LOSS_TYPE and one.sequence <= positions.get(one.stream, 0):
            continue
        size += ENTRY_BYTES + 4 * (len(one.subject) + len(one.type) + len(one.actor))
        if len(entries) == ENTRIES_MAX or (entries and size > RECORD_BYTES_MAX):
            break
        number += 1
        entry = _entry(last_hash, number, one)
        entries.append(entry)
        last_hash = entry["hash"]
        # A loss takes a position back, never forward: what lies between is still to be recorded.
        is_loss = one.type == LOSS_TYPE
        positions[one.stream] = min(positions.get(one.stream, 0), one.sequence) if is_loss else one.sequence
    if not entries:
        return None
    # Read as one document: a model made for each entry costs four times more.
    return AuditRecorded.model_validate(
        {
            "recorder": recorder,
            "previous_hash": head.hash,
            "entries": entries,
            "positions": [{"stream": name, "sequence": sequence} for name, sequence in positions.items()],
            "recorded_ns": now_ns,
        }
    )


def _entry(previous_hash: str, number: int, one: Observed) -> dict[str, Any]:
    return {
        "number": number,
        "stream": one.stream,
        "sequence": one.sequence,
        "subject": one.subject,
        "type": one.type,
        "body_digest": one.body_digest,
        "headers_digest": one.headers_digest,
        "actor": one.actor,
        "at_ns": one.at_ns,
        "hash": hashed(
            previous_hash,
            number,
            one.stream,
            one.sequence,
            one.subject,
            one.type,
            one.body_digest,
            one.headers_digest,
            one.actor,
            one.at_ns,
        ),
    }
