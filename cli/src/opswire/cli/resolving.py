"""Settling a step of which nobody knew whether it had done its work: a person looked, and signs what was found.

And whose signature each signed fact of a request bears.
"""

from __future__ import annotations

import time
from typing import Any, Literal

from opswire.chassis.nkey import public_of, sign
from opswire.chassis.statements import resolution_statement
from opswire.cli.bus import Bus, ConflictError, Stored
from opswire.cli.errors import CommandError, UsageError
from opswire.cli.facts import body_of, fact_name
from opswire.cli.policy import ask_policy
from opswire.cli.sending import send
from opswire.cli.values import shown_key, unknown_request
from opswire.contracts.resolution_recorded import ResolutionRecorded
from opswire.contracts.routes import FACTS, RESOLUTION_RECORDED
from opswire.contracts.step_finished import StepFinished
from pydantic import ValidationError

Found = Literal["done", "not_done", "repaired"]


def unknown_steps(facts: list[Stored]) -> list[StepFinished]:
    """The steps of a request whose outcome is unknown, in their order."""
    found = []
    for fact in facts:
        if fact_name(fact).startswith("step.") and fact_name(fact).endswith(".outcome"):
            try:
                found.append(StepFinished.from_bytes(fact.body))
            except ValidationError:
                continue  # of a release that we do not know: --step names it all the same
    return sorted((step for step in found if step.status == "unknown"), key=lambda step: step.number)


async def resolve(
    bus: Bus, source: str, request_id: str, number: int | None, found: Found, note: str, seed: str
) -> ResolutionRecorded:
    """Sign and store what was found about one step; the only unknown one where none is named.

    Raises NotFoundError, UsageError where it is not clear which step is meant, CommandError where it is settled.
    """
    key = shown_key(source, request_id)
    facts = await bus.facts(source, request_id)
    if not facts:
        raise unknown_request(source, request_id)
    unknown = [step.number for step in unknown_steps(facts)]
    if number is None and len(unknown) != 1:
        if not unknown:
            raise UsageError(f"{key}: no outcome of its steps is unknown", f"opswire show {key}")
        told = f"the outcome of {len(unknown)} of its steps is unknown"
        raise UsageError(f"{key}: {told}", f"--step {'|'.join(map(str, unknown))}; opswire show {key}")
    chosen = number if number is not None else unknown[0]
    if chosen not in unknown:
        raise UsageError(f"{key}: the outcome of step {chosen} is not unknown", f"opswire show {key}")
    person, now_ns = public_of(seed), time.time_ns()
    statement = resolution_statement(source, request_id, chosen, found, person, note, now_ns)
    record = ResolutionRecorded(
        request_id=request_id,
        number=chosen,
        found=found,
        person=person,
        note=note,
        found_ns=now_ns,
        signature=sign(seed, statement),
    )
    subject = RESOLUTION_RECORDED.subject(source=source, request_id=request_id, number=str(chosen), approver=person)
    try:
        await send(bus, subject, record, person)
    except ConflictError as error:
        raise CommandError(
            f"{key} is settled already by this key: {await _settled(bus, subject)}", f"opswire show {key}"
        ) from error
    return record


async def _settled(bus: Bus, subject: str) -> str:
    stored = await bus.last(FACTS, subject)
    if stored is None:
        return "by somebody"
    before = ResolutionRecorded.from_bytes(stored.body)
    return f"step {before.number} {before.found}, says {before.person[:8]}…"


def signatures_of(facts: list[Stored], source: str, environment: dict[str, str]) -> dict[int, dict[str, Any]]:
    """Whose signature each approval and resolution bears, or why it does not count, by its place in the stream.

    As executors saw it: by the people of the files that are read here, at the moment in which it was stored.
    """
    found: dict[int, dict[str, Any]] = {}
    questions = _about_approvals(facts, source)
    for fact in facts:
        if not _is_resolution(fact):
            continue
        try:
            record = ResolutionRecorded.from_bytes(fact.body)
        except ValidationError:
            found[fact.sequence] = _refused("unreadable", "it cannot be read")
            continue
        place = RESOLUTION_RECORDED.subject(
            source=source, request_id=record.request_id, number=str(record.number), approver=record.person
        )
        if place != fact.subject:
            found[fact.sequence] = _refused("not_its_place", "it speaks of another request, step or person")
        else:
            resolution = record.model_dump(mode="json", exclude_none=True)
            questions[fact.sequence] = {"source": source, "resolution": resolution, "at_ns": fact.at_ns}
    return found | _asked(questions, environment)


def _about_approvals(facts: list[Stored], source: str) -> dict[int, dict[str, Any]]:
    """What to ask about each approval: the round it speaks of, what it says, and when it was stored."""
    rounds: dict[str, object] = {}
    questions: dict[int, dict[str, Any]] = {}
    for fact in facts:
        parts = fact_name(fact).split(".")
        if parts[0] == "approval" and parts[2:] == ["requested"]:
            rounds[parts[1]] = body_of(fact)
        elif parts[0] == "approval" and parts[2:3] == ["given"] and parts[1] in rounds:
            questions[fact.sequence] = {
                "source": source, "asked": rounds[parts[1]], "given": body_of(fact), "at_ns": fact.at_ns
            }  # fmt: skip
    return questions


def _is_resolution(fact: Stored) -> bool:
    """Whether somebody says there what became of a step."""
    return fact_name(fact).startswith("step.") and fact_name(fact).split(".")[2:3] == ["resolved"]


def _asked(questions: dict[int, dict[str, Any]], environment: dict[str, str]) -> dict[int, dict[str, Any]]:
    if not questions:
        return {}
    try:
        answers = ask_policy("signatures", environment, list(questions.values()))["found"]
    except CommandError:  # what is shown must not depend on whether the rules can be asked
        answers = [_refused("not_verified", "it could not be verified here")] * len(questions)
    return dict(zip(questions, answers, strict=True))


def _refused(code: str, sentence: str) -> dict[str, Any]:
    return {"person": None, "code": code, "sentence": sentence}


def as_json(record: ResolutionRecorded, source: str, counts: dict[str, Any]) -> dict[str, Any]:
    """The record with its upstream, and whether the signature counts by the people file that is read here."""
    return {"source": source, **record.model_dump(mode="json", exclude_none=True), "signature_of": counts}
