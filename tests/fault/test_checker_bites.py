"""The checker is fed lies, one at a time, and must name each of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from checker import Evidence, LogRule, Stored, Verdict, check

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS


def request(number: int) -> bytes:
    """A request as an upstream publishes it."""
    return json.dumps({"request_id": f"r{number}", "text": "help", "deadline_ms": 5_000}).encode()


def outcome(number: int, status: str = "completed") -> bytes:
    """A valid outcome."""
    body = {"request_id": f"r{number}", "status": status, "answer": {"summary": "Done."}, "timings": {"total": 1.0}}
    return json.dumps(body).encode()


def fact(sequence: int, number: int, kind: str, body: bytes) -> Stored:
    """One stored message; the clock goes on by a second with each."""
    return Stored(sequence, f"opswire.v1.test.r{number}.{kind}", body, START_NS + sequence * SECOND_NS)


def honest() -> Evidence:
    """Three requests, three outcomes, nothing to complain about."""
    facts = [fact(number, number, "submitted", request(number)) for number in (1, 2, 3)]
    facts += [fact(3 + number, number, "finished", outcome(number)) for number in (1, 2, 3)]
    noted = {f"test/r{number}": request(number) for number in (1, 2, 3)}
    seen = {f"test/r{number}": outcome(number) for number in (1, 2, 3)}
    return Evidence(noted, noted, seen, facts, [], len(facts), START_NS + 600 * SECOND_NS)


def renumbered(facts: list[Stored]) -> list[Stored]:
    """The same facts without gaps, so that only the lie itself is left to be found."""
    return [replace(message, sequence=place) for place, message in enumerate(facts, 1)]


def with_facts(facts: list[Stored]) -> Evidence:
    """The honest evidence over other facts."""
    return replace(honest(), facts=renumbered(facts), facts_last_sequence=len(facts))


def lost_request() -> Evidence:
    """An accepted request is nowhere, nor is anything of it."""
    evidence = with_facts([message for message in honest().facts if ".r2." not in message.subject])
    return replace(evidence, seen={key: body for key, body in evidence.seen.items() if key != "test/r2"})


def two_finishes() -> Evidence:
    """One request ended twice, the second time otherwise."""
    return with_facts([*honest().facts, fact(7, 1, "finished", outcome(1, "failed"))])


def finish_without_submit() -> Evidence:
    """An outcome for which nobody asked."""
    return with_facts([*honest().facts, fact(7, 9, "finished", outcome(9))])


def unfinished() -> Evidence:
    """A request past its deadline without an outcome."""
    evidence = with_facts([message for message in honest().facts if not message.subject.endswith("r3.finished")])
    return replace(evidence, seen={})


def changed_bytes() -> Evidence:
    """The stream holds another request than the accepted one."""
    return with_facts([replace(message, body=message.body.replace(b"help", b"halt")) for message in honest().facts])


def invented() -> Evidence:
    """A request that no upstream sent."""
    return with_facts([*honest().facts, fact(7, 8, "submitted", request(8)), fact(8, 8, "finished", outcome(8))])


def taken_back() -> Evidence:
    """The outcome that was read is not the one that stands."""
    return replace(honest(), seen={"test/r1": outcome(1, "failed")})


def late_finish() -> Evidence:
    """An outcome 94 s after the deadline."""
    facts = honest().facts
    return with_facts([*facts[:5], replace(facts[5], stored_ns=facts[2].stored_ns + 99 * SECOND_NS)])


def early_expiry() -> Evidence:
    """A request given up before its time."""
    evidence = with_facts([*honest().facts[:5], fact(6, 3, "finished", outcome(3, "expired"))])
    return replace(evidence, seen={})


def invalid_finish() -> Evidence:
    """An outcome with a status that does not exist."""
    evidence = with_facts([*honest().facts[:5], fact(6, 3, "finished", outcome(3, "perhaps"))])
    return replace(evidence, seen={})


def mixed_up() -> Evidence:
    """An outcome on the subject of another request."""
    return replace(with_facts([*honest().facts[:5], fact(6, 3, "finished", outcome(2))]), seen={})


def gap() -> Evidence:
    """The broker gave out a sequence that it no longer holds."""
    return replace(honest(), facts_last_sequence=7)


def error_line() -> Evidence:
    """A service logged an error that nobody expected."""
    return replace(honest(), log_lines=[("intent", '{"level": "error", "event": "handler failed"}')])


def traceback() -> Evidence:
    """A service wrote something that is no log line."""
    return replace(honest(), log_lines=[("cache", "Traceback (most recent call last):")])


LIES: list[tuple[Callable[[], Evidence], str]] = [
    (lost_request, "lost: test/r2"),
    (two_finishes, "twice: test/r1 has 2 facts of kind finished"),
    (finish_without_submit, "from nothing: test/r9"),
    (unfinished, "unfinished: test/r3"),
    (changed_bytes, "changed: test/r1"),
    (invented, "invented: test/r8"),
    (taken_back, "taken back: the outcome of test/r1"),
    (late_finish, "late: test/r3 was finished 94.0 s"),
    (early_expiry, "early: test/r3 expired 2.0 s"),
    (invalid_finish, "invalid: the outcome of test/r3"),
    (mixed_up, "mixed up: the outcome of test/r3 is for r2"),
    (gap, "has given out 7 sequences"),
    (error_line, "error line of intent"),
    (traceback, "no log line in the log of cache"),
]


def test_an_honest_run_passes() -> None:
    verdict = check(honest())
    assert verdict.findings == []
    assert (verdict.submitted, verdict.finished, verdict.parked, verdict.open_) == (3, 3, 0, 0)


@pytest.mark.parametrize(("lie", "named"), LIES, ids=[lie.__name__ for lie, _ in LIES])
def test_the_checker_names_the_lie(lie: Callable[[], Evidence], named: str) -> None:
    verdict: Verdict = check(lie())
    assert any(named in finding for finding in verdict.findings), str(verdict)


def test_a_request_before_its_deadline_is_open_and_no_fault() -> None:
    evidence = with_facts([message for message in honest().facts if not message.subject.endswith("r3.finished")])
    verdict = check(replace(evidence, seen={}, now_ns=START_NS + 4 * SECOND_NS))
    assert (verdict.findings, verdict.open_, verdict.finished) == ([], 1, 2)


def test_a_parked_request_without_an_outcome_is_accounted_for() -> None:
    evidence = with_facts([message for message in honest().facts if not message.subject.endswith("r3.finished")])
    record = Stored(1, "opswire.parked.v1.intent.x", b'{"subject": "opswire.v1.test.r3.submitted"}', START_NS)
    verdict = check(replace(evidence, seen={}, parked=[record]))
    assert (verdict.findings, verdict.parked, verdict.finished) == ([], 1, 2)


def test_an_allowed_error_line_is_no_finding() -> None:
    lines = [("intent", '{"level": "error", "event": "cannot start", "reason": "no broker answers at x"}')]
    allowed = check(replace(honest(), log_lines=lines, log_rules=[LogRule("cannot start", "no broker answers")]))
    assert allowed.findings == []
    other = check(replace(honest(), log_lines=lines, log_rules=[LogRule("cannot start", "disk full")]))
    assert len(other.findings) == 1
