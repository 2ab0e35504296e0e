"""statements.py: two different meanings never have the same bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from opswire.chassis.statements import (
    ApprovalStatement,
    StatedTarget,
    digest_of_steps,
    mode_statement,
    resolution_statement,
)

WEB, DB = StatedTarget("web-01", 3, "192.0.2.7"), StatedTarget("db-01", 9, None)
STATEMENT = ApprovalStatement(
    "U" + "A" * 55, "approve", "cli", "r1", 1, "a" * 64, (WEB, DB), "b" * 64, 1_700_000_000_000_000_000, "c" * 32
)


def test_the_bytes_are_these_for_ever() -> None:
    """A release that made other bytes of the same meaning could not verify what was signed before."""
    assert STATEMENT.to_bytes() == (
        b"opswire.approval.v1\0"
        b'{"approver":"U' + b"A" * 55 + b'","decision":"approve","expires_ns":1700000000000000000,'
        b'"nonce":"' + b"c" * 32 + b'","plan_digest":"' + b"a" * 64 + b'","policy_version":"' + b"b" * 64 + b'",'
        b'"request_id":"r1","round":1,"source":"cli","targets":[["db-01",9,""],["web-01",3,"192.0.2.7"]]}'
    )


@pytest.mark.parametrize(
    "other",
    [
        replace(STATEMENT, approver="U" + "B" * 55),
        replace(STATEMENT, decision="deny"),
        replace(STATEMENT, source="cli2"),
        replace(STATEMENT, source="clir", request_id="1"),
        replace(STATEMENT, round=2),
        replace(STATEMENT, plan_digest="d" * 64),
        replace(STATEMENT, targets=(WEB,)),
        replace(STATEMENT, targets=(WEB, DB, DB)),
        replace(STATEMENT, targets=(WEB, replace(DB, generation=10))),
        replace(STATEMENT, targets=(replace(WEB, address="192.0.2.8"), DB)),
        replace(STATEMENT, policy_version="d" * 64),
        replace(STATEMENT, expires_ns=STATEMENT.expires_ns + 1),
        replace(STATEMENT, nonce="d" * 32),
    ],
)
def test_every_field_counts(other: ApprovalStatement) -> None:
    assert other.to_bytes() != STATEMENT.to_bytes()


def test_the_order_of_targets_does_not_count() -> None:
    assert replace(STATEMENT, targets=(DB, WEB)).to_bytes() == STATEMENT.to_bytes()


def test_statements_of_different_kinds_share_no_bytes() -> None:
    mode = mode_statement("normal", "why", "U", 1)
    resolution = resolution_statement("cli", "r1", 1, "done", "U", "why", 1)
    domains = {statement.split(b"\0")[0] for statement in (mode, resolution, STATEMENT.to_bytes())}
    assert domains == {b"opswire.mode.v1", b"opswire.resolution.v1", b"opswire.approval.v1"}
    assert mode_statement("read_only", "why", "U", 1) != mode
    assert resolution_statement("cli", "r1", 1, "not_done", "U", "why", 1) != resolution


def test_the_digest_of_steps_tells_any_change_and_no_order_of_keys() -> None:
    steps = [{"number": number, "tool": "ssh.command", "arguments": {"path": "a"}} for number in range(1, 201)]
    digest = digest_of_steps(steps)
    assert digest == digest_of_steps([dict(reversed(step.items())) for step in steps])
    for changed in ({"path": "b"}, {"path": "a", "more": ""}, {}):
        assert digest_of_steps([*steps[:149], steps[149] | {"arguments": changed}, *steps[150:]]) != digest
    assert digest_of_steps([*steps[:149], *steps[150:], steps[149]]) != digest
