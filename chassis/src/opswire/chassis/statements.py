"""What people sign, as bytes: who signs and who verifies make them from plain values, each on their own. Pure.

A statement is its domain, a zero byte and canonical JSON. The domain keeps a signature from being taken for one over
something else; nothing of a statement is ever read back, it is made anew and compared by the signature alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import orjson

APPROVAL = b"opswire.approval.v1"
MODE = b"opswire.mode.v1"
RESOLUTION = b"opswire.resolution.v1"


@dataclass(frozen=True, slots=True)
class StatedTarget:
    """One asset as it is meant: another address or a later generation is another target."""

    asset_id: str
    generation: int
    address: str | None


@dataclass(frozen=True, slots=True)
class ApprovalStatement:
    """One person's word on one round of one request. `plan_digest` is `digest_of_steps` of what would run.

    `approver` is an nkey, `expires_ns` nanoseconds since 1970, the digests are lower-case hexadecimal.
    """

    approver: str
    decision: Literal["approve", "deny"]
    source: str
    request_id: str
    round: int
    plan_digest: str
    targets: tuple[StatedTarget, ...]
    policy_version: str
    expires_ns: int
    nonce: str

    def to_bytes(self) -> bytes:
        """The bytes that are signed. The order of the targets does not matter."""
        return _stated(
            APPROVAL,
            {
                "approver": self.approver,
                "decision": self.decision,
                "expires_ns": self.expires_ns,
                "nonce": self.nonce,
                "plan_digest": self.plan_digest,
                "policy_version": self.policy_version,
                "request_id": self.request_id,
                "round": self.round,
                "source": self.source,
                "targets": sorted((each.asset_id, each.generation, each.address or "") for each in self.targets),
            },
        )


def mode_statement(mode: str, reason: str, person: str, changed_ns: int) -> bytes:
    """What is signed to change the mode of all executors."""
    return _stated(MODE, {"changed_ns": changed_ns, "mode": mode, "person": person, "reason": reason})


def resolution_statement(
    source: str, request_id: str, number: int, found: str, person: str, note: str, found_ns: int
) -> bytes:
    """What is signed to settle a step whose outcome was unknown."""
    return _stated(
        RESOLUTION,
        {
            "found": found,
            "found_ns": found_ns,
            "note": note,
            "number": number,
            "person": person,
            "request_id": request_id,
            "source": source,
        },
    )


def digest_of_steps(steps: Iterable[Mapping[str, object]]) -> str:
    """SHA-256, in lower-case hexadecimal, of the canonical JSON of a plan's steps: sorted keys, no white space, UTF-8.

    The steps are given as the contract writes them, absent fields left out.
    """
    return hashlib.sha256(orjson.dumps([dict(step) for step in steps], option=orjson.OPT_SORT_KEYS)).hexdigest()


def _stated(domain: bytes, fields: Mapping[str, object]) -> bytes:
    return domain + b"\0" + orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
