"""Reads the streams after a run and says what does not hold, without help from the services.

What the upstream noted down for itself (accepted, attempted, seen) is compared with what the broker holds. The checker
knows the contract of the outcome and nothing else of ours; `check` is pure, so that it can be fed lies.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.errors import TimeoutError as NoMoreMessages
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.types import FinishStatus
from pydantic import ValidationError

FACTS = "OPSWIRE_FACTS"
PARKED = "OPSWIRE_PARKED"
DEADLINE_MS_DEFAULT = 30_000
LATE_AFTER_S = 60.0
READ_BATCH = 500
FINDINGS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Stored:
    """One message as the stream holds it; `stored_ns` is the broker's clock."""

    sequence: int
    subject: str
    body: bytes
    stored_ns: int


@dataclass(frozen=True, slots=True)
class LogRule:
    """An error line that a run may bring about: its `event` and a part of the whole line."""

    event: str
    part: str = ""


@dataclass(slots=True)
class Evidence:
    """All that is known after a run. Keys are `<source>/<request_id>`."""

    accepted: Mapping[str, bytes]
    """What the broker acknowledged to the upstream."""
    attempted: Mapping[str, bytes]
    """What the upstream published at all; an unacknowledged one may be stored."""
    seen: Mapping[str, bytes]
    """Outcomes as they were read while processes died."""
    facts: Sequence[Stored]
    parked: Sequence[Stored]
    facts_last_sequence: int
    now_ns: int
    log_lines: Iterable[tuple[str, str]] = ()
    log_rules: Sequence[LogRule] = ()


@dataclass(slots=True)
class Verdict:
    """What was counted, and every sentence about what does not hold. `submitted = finished + parked + open_`."""

    submitted: int = 0
    finished: int = 0
    parked: int = 0
    open_: int = 0
    findings: list[str] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = f"submitted {self.submitted} = finished {self.finished} + parked {self.parked} + open {self.open_}"
        more = f"\n(and {len(self.findings) - FINDINGS_SHOWN} more)" if len(self.findings) > FINDINGS_SHOWN else ""
        return "\n".join([counts, *self.findings[:FINDINGS_SHOWN]]) + more


def check(evidence: Evidence) -> Verdict:
    """The verdict on a run."""
    verdict = Verdict()
    facts = _by_key_and_kind(evidence.facts)
    _check_stream(evidence, verdict)
    _check_accepted(evidence, facts, verdict)
    _check_outcomes(facts, verdict)
    _check_seen(evidence, facts, verdict)
    _count(evidence, facts, verdict)
    verdict.findings += error_lines(evidence.log_lines, evidence.log_rules)
    return verdict


def error_lines(lines: Iterable[tuple[str, str]], rules: Sequence[LogRule]) -> list[str]:
    """Lines of level error and lines that are no log lines at all (a traceback), save those that a rule allows."""
    found: list[str] = []
    for service, line in lines:
        try:
            entry = json.loads(line)
            level, event = entry["level"], str(entry["event"])
        except (ValueError, KeyError, TypeError):
            found.append(f"no log line in the log of {service}: {line[:300]}")
            continue
        allowed = any(rule.event == event and rule.part in line for rule in rules)
        if level in ("error", "critical") and not allowed:
            found.append(f"error line of {service}: {line[:600]}")
    return found


Facts = Mapping[str, Mapping[str, Sequence[Stored]]]


def _by_key_and_kind(messages: Iterable[Stored]) -> Facts:
    """`{"upstream/id": {"submitted": [...], "finished": [...]}}`, from `opswire.v1.<source>.<id>.<kind>`."""
    found: dict[str, dict[str, list[Stored]]] = defaultdict(lambda: defaultdict(list))
    for message in messages:
        _, _, source, request_id, kind = message.subject.split(".", 4)
        found[f"{source}/{request_id}"][kind].append(message)
    return found


def _check_stream(evidence: Evidence, verdict: Verdict) -> None:
    """Nothing may be deleted from the stream of facts, so its sequences have no gap."""
    if len(evidence.facts) != evidence.facts_last_sequence:
        held, given = len(evidence.facts), evidence.facts_last_sequence
        verdict.findings.append(f"the stream holds {held} messages and has given out {given} sequences")


def _check_accepted(evidence: Evidence, facts: Facts, verdict: Verdict) -> None:
    for key, body in evidence.accepted.items():
        stored = facts.get(key, {}).get("submitted", [])
        if not stored:
            verdict.findings.append(f"lost: {key} was accepted and is not stored")
        elif stored[0].body != body:
            verdict.findings.append(f"changed: {key} is stored with other bytes than were accepted")
    for key, kinds in facts.items():
        if "submitted" in kinds and key not in evidence.attempted:
            verdict.findings.append(f"invented: {key} is stored and nobody submitted it")
        if "submitted" not in kinds:
            verdict.findings.append(f"from nothing: {key} has {', '.join(sorted(kinds))} and was not submitted")
        for kind, messages in kinds.items():
            if len(messages) > 1:
                verdict.findings.append(f"twice: {key} has {len(messages)} facts of kind {kind}")


def _check_outcomes(facts: Facts, verdict: Verdict) -> None:
    for key, kinds in facts.items():
        for finish in kinds.get("finished", []):
            try:
                outcome = RequestFinished.from_bytes(finish.body)
            except ValidationError as error:
                verdict.findings.append(f"invalid: the outcome of {key} is no RequestFinished: {error.errors()[0]}")
                continue
            verdict.statuses[key] = outcome.status.value
            if outcome.request_id != key.partition("/")[2]:
                verdict.findings.append(f"mixed up: the outcome of {key} is for {outcome.request_id}")
            for submitted in kinds.get("submitted", []):
                late_s = (finish.stored_ns - deadline_ns(submitted)) / 1e9
                if late_s > LATE_AFTER_S:
                    verdict.findings.append(f"late: {key} was finished {late_s:.1f} s after its deadline")
                if late_s < 0 and outcome.status is FinishStatus.EXPIRED:
                    verdict.findings.append(f"early: {key} expired {-late_s:.1f} s before its deadline")


def _check_seen(evidence: Evidence, facts: Facts, verdict: Verdict) -> None:
    for key, body in evidence.seen.items():
        stored = facts.get(key, {}).get("finished", [])
        if not any(finish.body == body for finish in stored):
            verdict.findings.append(f"taken back: the outcome of {key} that was seen is not the one that is stored")


def _count(evidence: Evidence, facts: Facts, verdict: Verdict) -> None:
    parked = {json.loads(record.body)["subject"] for record in evidence.parked}
    for key, kinds in facts.items():
        if not kinds.get("submitted"):
            continue
        verdict.submitted += 1
        submitted = kinds["submitted"][0]
        if kinds.get("finished"):
            verdict.finished += 1
        elif submitted.subject in parked:
            verdict.parked += 1
        elif evidence.now_ns < deadline_ns(submitted):
            verdict.open_ += 1
        else:
            overdue_s = (evidence.now_ns - deadline_ns(submitted)) / 1e9
            has = ", ".join(sorted(kinds))
            verdict.findings.append(f"unfinished: {key} is {overdue_s:.1f} s past its deadline and has only {has}")
    if verdict.submitted != verdict.finished + verdict.parked + verdict.open_:
        verdict.findings.append("the account does not add up")


def deadline_ns(submitted: Stored) -> int:
    """When a request's time is up, in nanoseconds since 1970; the default where its body cannot tell."""
    try:
        deadline_ms = json.loads(submitted.body)["deadline_ms"]
    except (ValueError, KeyError, TypeError):
        deadline_ms = DEADLINE_MS_DEFAULT
    return submitted.stored_ns + int(deadline_ms) * 1_000_000


async def read_stream(client: Client, stream: str, first_sequence: int = 1) -> tuple[list[Stored], int]:
    """Every message of a stream from `first_sequence` on, in order, and the last sequence it gave out."""
    jetstream = client.jetstream()
    last_sequence = (await jetstream.stream_info(stream)).state.last_seq
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=first_sequence,
        ack_policy=AckPolicy.NONE,
        mem_storage=True,
        inactive_threshold=30,
    )
    found: list[Stored] = []
    if last_sequence < first_sequence:
        return found, last_sequence
    subscription = await jetstream.pull_subscribe("", stream=stream, config=config)
    try:
        while not found or found[-1].sequence < last_sequence:
            for message in await subscription.fetch(READ_BATCH, timeout=3):
                data = message.metadata
                stored_ns = int(message.reply.split(".")[-2])
                found.append(Stored(data.sequence.stream, message.subject, message.data, stored_ns))
    except NoMoreMessages:
        pass  # fewer than there should be: for the checker to say
    finally:
        await subscription.unsubscribe()
    return found, last_sequence
