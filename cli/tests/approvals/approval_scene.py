"""Rounds of asking on a real broker, as an executor stores them, and people with keys."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.js.errors import NotFoundError
from opswire.chassis.nkey import new_seed, public_of
from opswire.chassis.statements import digest_of_steps
from opswire.contracts.approval_given import ApprovalGiven
from opswire.contracts.approval_requested import ApprovalRequested, ApprovalTarget
from opswire.contracts.approval_requested.v1 import Asker
from opswire.contracts.message import Message
from opswire.contracts.plan_made import Call, PlanMade, Step
from opswire.contracts.routes import APPROVAL_GIVEN, APPROVAL_REQUESTED
from opswire.contracts.taxonomy import Effect, IntentName
from opswire.contracts.types import RequesterKind, Risk
from opswire.executor.rules.approval import Settlement, Standing, Word, settle
from opswire.executor.rules.people import People

MINUTE_NS = 60_000_000_000
TARGET = ApprovalTarget(
    asset_id="a1",
    name="web-01",
    type="host",
    environment="production",
    criticality="high",
    address="192.0.2.7",
    generation=3,
)


@dataclass(frozen=True)
class Signer:
    """A person with a key in a file."""

    name: str
    file: Path
    public: str


def signer(folder: Path, name: str) -> Signer:
    seed = new_seed()
    file = folder / f"{name}.seed"
    file.write_text(seed, encoding="ascii")
    file.chmod(0o600)
    return Signer(name, file, public_of(seed))


def people(*signers: Signer) -> People:
    entries = [f"  - {{name: {one.name}, roles: [operator], keys: [{{public: {one.public}}}]}}\n" for one in signers]
    return People.read(("people:\n" + "".join(entries)).encode())


def step(number: int = 1, **more: Any) -> Step:
    given: dict[str, Any] = {
        "tool": "service.restart",
        "arguments": {"unit": "nginx"},
        "verification": Call(tool="service.status", arguments={"unit": "nginx"}, timeout_ms=5_000),
    }
    return Step(
        number=number,
        effect=Effect.WRITE,
        risk=Risk.MEDIUM,
        asset_id="a1",
        asset_generation=3,
        timeout_ms=30_000,
        **(given | more),
    )


def round_of(request_id: str, steps: list[Step] | None = None, **more: Any) -> ApprovalRequested:
    now_ns = time.time_ns()
    steps = steps or [step()]
    digest = digest_of_steps(one.model_dump(mode="json", exclude_none=True) for one in steps)
    plan = PlanMade(request_id=request_id, intent=IntentName.SERVICE_RESTART, steps=steps, digest=digest)
    given: dict[str, Any] = {
        "round": 1,
        "text": "restart nginx on web-01",
        "plan": plan,
        "targets": [TARGET],
        "requester": Asker(id="sam", kind=RequesterKind.HUMAN),
        "people_needed": 1,
        "role": "operator",
        "reasons": ["It changes production."],
        "policy_version": "b" * 64,
        "asked_ns": now_ns,
        "expires_ns": now_ns + 60 * MINUTE_NS,
        "deadline_ns": now_ns + 70 * MINUTE_NS,
        "nonce": "c" * 32,
    }
    return ApprovalRequested(request_id=request_id, **(given | more))


async def store(client: Client, subject: str, message: Message) -> int:
    return (await client.jetstream().publish(subject, message.to_bytes())).seq


async def ask_people(client: Client, asked: ApprovalRequested, source: str = "cli") -> int:
    subject = APPROVAL_REQUESTED.subject(source=source, request_id=asked.request_id, round=str(asked.round))
    return await store(client, subject, asked)


async def settled(client: Client, asked: ApprovalRequested, sequence: int, known: People) -> Settlement:
    """What an executor makes of the words that are stored on the round."""
    words: list[Word] = []
    for held in known.people:
        for key in held.keys:
            where = {"source": "cli", "request_id": asked.request_id, "round": str(asked.round)}
            subject = APPROVAL_GIVEN.subject(**where, approver=key.public)
            try:
                found = await client.jetstream().get_last_msg("OPSWIRE_FACTS", subject)
            except NotFoundError:
                continue
            given = ApprovalGiven.from_bytes(found.data or b"")
            words.append(Word(given, "cli", asked.request_id, asked.round, key.public, found.seq or 0))
    standing = Standing("cli", asked.plan, asked.targets, known, asked.policy_version, time.time_ns())
    return settle(asked, sequence, words, standing)
