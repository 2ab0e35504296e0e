"""Plans that wait for people: read from the stream, judged by what their bytes say, answered with a signature."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from nats.errors import TimeoutError as NatsTimeoutError
from opswire.chassis.nkey import public_of, sign
from opswire.chassis.statements import ApprovalStatement, StatedTarget, digest_of_steps
from opswire.cli.bus import Bus, ConflictError, Stored
from opswire.cli.errors import CommandError, NotFoundError, UsageError
from opswire.cli.sending import send
from opswire.cli.values import shown_key
from opswire.cli.views.visible import odd_characters
from opswire.contracts.approval_decided import ApprovalDecided
from opswire.contracts.approval_given import ApprovalGiven
from opswire.contracts.approval_requested import ApprovalRequested
from opswire.contracts.routes import APPROVAL_DECIDED, APPROVAL_GIVEN, APPROVAL_REQUESTED, FACTS, REQUEST_FINISHED
from pydantic import ValidationError

Decision = Literal["approve", "deny"]
LOOK_AGAIN_S = 5.0
DIGEST_CHARACTERS_MIN = 12


class PlanForgedError(CommandError):
    """The steps are not those of the digest that stands beside them."""

    code = "plan_differs"


@dataclass(frozen=True, slots=True)
class Asked:
    """One round of asking and what became of it so far. `finished`: the request has its outcome."""

    source: str
    request: ApprovalRequested
    digest: str
    given: list[ApprovalGiven] = field(default_factory=list)
    decided: ApprovalDecided | None = None
    finished: bool = False

    @property
    def key(self) -> str:
        """What to type to name it."""
        return shown_key(self.source, self.request.request_id)

    @property
    def seen(self) -> str:
        """What names all that was read: the digest of the steps; of a later round, that of all that is signed.

        People are asked again about the same steps where a host of theirs has moved.
        """
        if self.request.round == 1:
            return self.digest
        return hashlib.sha256(statement_of(self, "", "approve")).hexdigest()

    def state(self, now_ns: int) -> str:
        """`waiting`, or the reason why nobody is asked any more."""
        if self.decided is not None:
            return self.decided.outcome
        if self.finished:
            return "finished"
        return "expired" if now_ns >= self.request.expires_ns else "waiting"

    def odd(self) -> dict[str, list[str]]:
        """Characters that hide or look like others, by the place where they stand."""
        request = self.request
        places: dict[str, str] = {"text": request.text, "requester": request.requester.id}
        places |= {f"target {target.asset_id}": f"{target.name}{target.address or ''}" for target in request.targets}
        places |= {f"reason {number}": reason for number, reason in enumerate(request.reasons, 1)}
        for step in request.plan.steps:
            for name, call in (("", step), (" verification", step.verification), (" reverse", step.reverse)):
                if call is not None:
                    places[f"step {step.number}{name}"] = "".join(texts_of(call.arguments))
        return {place: found for place, text in places.items() if (found := odd_characters(text))}

    def as_json(self, now_ns: int) -> dict[str, Any]:
        """Everything of the round, with its state and the digest that says that it was read."""
        return {
            "source": self.source,
            **self.request.model_dump(mode="json", exclude_none=True),
            "digest": self.seen,
            "state": self.state(now_ns),
            "given": [each.model_dump(mode="json", exclude_none=True) for each in self.given],
            "decided": self.decided.model_dump(mode="json", exclude_none=True) if self.decided else None,
            "odd_characters": self.odd(),
        }


def texts_of(arguments: dict[str, Any]) -> list[str]:
    """Every text among arguments, names included."""
    found = list(arguments)
    for value in arguments.values():
        found += [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return found


def _asked(stored: Stored) -> Asked:
    """Raises ValueError where this release cannot read it, PlanForgedError where its digest is not its steps'."""
    source = APPROVAL_REQUESTED.variables(stored.subject)["source"]
    request = ApprovalRequested.from_bytes(stored.body)
    digest = digest_of_steps(step.model_dump(mode="json", exclude_none=True) for step in request.plan.steps)
    if digest != request.plan.digest:
        raise PlanForgedError(
            f"the steps of {shown_key(source, request.request_id)} are not those that its digest names",
            "approve nothing, and tell whoever looks after Opswire",
        )
    return Asked(source, request, digest)


async def read_asked(bus: Bus, source: str, request_id: str) -> Asked:
    """The newest round of a request with what was said to it. Raises NotFoundError where nobody was asked."""
    facts = await bus.facts(source, request_id)
    rounds = [each for each in facts if _is(APPROVAL_REQUESTED.template, each)]
    if not rounds:
        raise NotFoundError(f"nobody is asked about {shown_key(source, request_id)}", "opswire approvals list")
    try:
        return _with_answers(_asked(rounds[-1]), facts)
    except ValidationError as error:
        raise CommandError(
            f"what is asked about {shown_key(source, request_id)} cannot be read by this release: "
            f"{error.errors(include_url=False)[0]['msg']}",
            "an opswire of the executor's release",
        ) from error


def _with_answers(asked: Asked, facts: list[Stored]) -> Asked:
    number = asked.request.round
    given: list[ApprovalGiven] = []
    decided: ApprovalDecided | None = None
    for fact in facts:
        try:
            if _is(APPROVAL_GIVEN.template, fact) and _round(fact) == number:
                given.append(ApprovalGiven.from_bytes(fact.body))
            elif _is(APPROVAL_DECIDED.template, fact) and _round(fact) == number:
                decided = ApprovalDecided.from_bytes(fact.body)
        except ValidationError:
            continue  # it counts for nothing that we show; the executor judges it
    finished = any(_is(REQUEST_FINISHED.template, fact) for fact in facts)
    return Asked(asked.source, asked.request, asked.digest, given, decided, finished)


async def read_waiting(bus: Bus, everything: bool = False) -> list[Asked]:
    """What waits for people, the first to expire first; with `everything` also what waits no longer, oldest first."""
    now_ns = time.time_ns()
    newest: dict[tuple[str, str], Asked] = {}
    found: list[Asked] = []
    async for stored in bus.everything(FACTS, APPROVAL_REQUESTED.wildcard):
        try:
            asked = _asked(stored)
        except (ValidationError, PlanForgedError):
            continue  # it cannot be approved; `show` says why
        if everything or asked.request.expires_ns > now_ns:
            newest[(asked.source, asked.request.request_id)] = asked
    for source, request_id in newest:
        asked = await read_asked(bus, source, request_id)
        if everything or asked.state(now_ns) == "waiting":
            found.append(asked)
    return found if everything else sorted(found, key=lambda one: one.request.expires_ns)


async def watch(bus: Bus) -> AsyncIterator[Asked]:
    """What waits now, then every new round as it is asked, without end."""
    seen: set[tuple[str, str, int]] = set()
    async with bus.following(FACTS, APPROVAL_REQUESTED.wildcard, deliver_policy="new") as feed:
        while True:
            for asked in await read_waiting(bus):
                name = (asked.source, asked.request.request_id, asked.request.round)
                if name not in seen:
                    seen.add(name)
                    yield asked
            try:
                await feed.next_msg(timeout=LOOK_AGAIN_S)
            except NatsTimeoutError:
                continue  # a restart of the broker ends a feed without a word: look again


def check_digest(asked: Asked, digest: str) -> None:
    """Return when the digest, or the first 12 or more characters of it, is the round's. Raises UsageError."""
    if len(digest) < DIGEST_CHARACTERS_MIN or not asked.seen.startswith(digest.lower()):
        raise UsageError(
            f"the plan of {asked.key} is not {digest}: it is {asked.seen}",
            f"read it (opswire approvals show {asked.key}), then give the digest that you read",
        )


def statement_of(asked: Asked, approver: str, decision: Decision) -> bytes:
    """What is signed: made of what was shown, on this side."""
    request = asked.request
    return ApprovalStatement(
        approver=approver,
        decision=decision,
        source=asked.source,
        request_id=request.request_id,
        round=request.round,
        plan_digest=asked.digest,
        targets=tuple(StatedTarget(each.asset_id, each.generation, each.address) for each in request.targets),
        policy_version=request.policy_version,
        expires_ns=request.expires_ns,
        nonce=request.nonce,
    ).to_bytes()


async def decide(bus: Bus, asked: Asked, seed: str, decision: Decision, note: str) -> ApprovalGiven:
    """Sign and store one word on a round. Raises CommandError where it is over, or this key has said another word."""
    state = asked.state(time.time_ns())
    if state != "waiting":
        raise CommandError(f"{asked.key} is {state}: nobody is asked any more", f"opswire show {asked.key}")
    approver = public_of(seed)
    given = ApprovalGiven(
        request_id=asked.request.request_id,
        round=asked.request.round,
        approver=approver,
        decision=decision,
        plan_digest=asked.digest,
        nonce=asked.request.nonce,
        signature=sign(seed, statement_of(asked, approver, decision)),
        note=note,
        given_ns=time.time_ns(),
    )
    where = {"source": asked.source, "request_id": asked.request.request_id, "round": str(asked.request.round)}
    subject = APPROVAL_GIVEN.subject(**where, approver=approver)
    try:
        await send(bus, subject, given, approver)
    except ConflictError as error:
        return await _said_before(bus, subject, decision, asked.key, error)
    return given


async def _said_before(bus: Bus, subject: str, decision: Decision, key: str, error: ConflictError) -> ApprovalGiven:
    """The same word again is no conflict, whatever its note and its time."""
    stored = await bus.last(FACTS, subject)
    if stored is None:
        raise error
    before = ApprovalGiven.from_bytes(stored.body)
    if before.decision != decision:
        said = "approved" if before.decision == "approve" else "denied"
        raise CommandError(f"this key has {said} it already, and a word stands", f"opswire cancel {key}") from error
    return before


async def decided(bus: Bus, asked: Asked, wait_s: float) -> ApprovalDecided | None:
    """How the round was decided; None where it is not within `wait_s` seconds."""
    where = {"source": asked.source, "request_id": asked.request.request_id, "round": str(asked.request.round)}
    subject = APPROVAL_DECIDED.subject(**where)
    async with bus.following(FACTS, subject) as feed:
        try:
            message = await feed.next_msg(timeout=wait_s)
        except NatsTimeoutError:
            return None
    return ApprovalDecided.from_bytes(message.data)


def _is(template: str, stored: Stored) -> bool:
    """Whether the subject is one of the template's: the words at the same places, as many tokens."""
    tokens, parts = stored.subject.split("."), template.split(".")
    pairs = zip(tokens, parts, strict=False)
    return len(tokens) == len(parts) and all(part.startswith("{") or token == part for token, part in pairs)


def _round(stored: Stored) -> int:
    token = stored.subject.split(".")[5]
    return int(token) if token.isascii() and token.isdigit() else 0
