"""The arithmetic of the audit trail, for those who write it and those who check it. Pure; standard library alone.

An entry's hash is the SHA-256 of a compact JSON array of ASCII characters: the hash before it, then its fields in the
order of `hashed`. A program in any language can recompute it from `opswire audit export`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache

from opswire.contracts.audit_recorded.v1 import AuditEntry

BEGINNING = hashlib.sha256(b"opswire audit trail v1").hexdigest()
"""What stands for the hash before the first entry."""
LOSS_ACCEPTED_SUBJECT = "opswire.audit.v1.loss_accepted"
"""The subject of an entry for no message: a person accepted that the end of a stream is gone."""
_encode = json.JSONEncoder(separators=(",", ":")).encode
_ENVELOPE = frozenset({"content-type", "traceparent", "nats-msg-id"})
_ENVELOPE_PREFIXES = ("ce-", "opswire-")


def hashed(
    previous_hash: str,
    number: int,
    stream: str,
    sequence: int,
    subject: str,
    type_name: str,
    body_digest: str,
    headers_digest: str,
    actor: str,
    at_ns: int,
) -> str:
    """The hash of an entry: 64 hexadecimal digits."""
    fields = [previous_hash, number, stream, sequence, subject, type_name, body_digest, headers_digest, actor, at_ns]
    return hashlib.sha256(_encode(fields).encode()).hexdigest()


def hash_of(previous_hash: str, entry: AuditEntry) -> str:
    """The hash that `entry` must have after one with `previous_hash`."""
    return hashed(
        previous_hash,
        entry.number,
        entry.stream,
        entry.sequence,
        entry.subject,
        entry.type,
        entry.body_digest,
        entry.headers_digest,
        entry.actor,
        entry.at_ns,
    )


def digest_of(data: bytes) -> str:
    """SHA-256 of bytes as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def headers_digest_of(headers: Mapping[str, str] | None) -> str:
    """The digest of a message's envelope: what says who sent it, what it is and when, and nothing the broker adds.

    Over lines `name: value` in order, joined by a line feed; names in lower case, values without blanks around them.
    """
    lines = [f"{kept}: {value.strip()}" for name, value in (headers or {}).items() if (kept := _kept_name(name))]
    lines.sort()
    return digest_of("\n".join(lines).encode("utf-8", "replace"))


@lru_cache(maxsize=1_024)
def _kept_name(name: str) -> str:
    """A header's name in lower case, or nothing where it is none of the envelope's."""
    lower = name.lower()
    return lower if lower in _ENVELOPE or lower.startswith(_ENVELOPE_PREFIXES) else ""
