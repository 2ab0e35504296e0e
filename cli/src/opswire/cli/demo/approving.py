"""The demo's change: asked by one person, read and signed by another, run, verified, and found in the audit trail."""

from __future__ import annotations

import asyncio
import time

from opswire.cli import building
from opswire.cli.approvals import Asked, decide, decided, read_asked
from opswire.cli.audit import audit_directory, trail_at
from opswire.cli.bus import Bus, connected
from opswire.cli.demo.steps import DEADLINE_MS, Demo, DemoError, Question
from opswire.cli.seeds import make_key, people_entry, read_seed
from opswire.cli.state import StateDir
from opswire.cli.submission import Outcome, see_through
from opswire.cli.views.approvals import print_asked, print_said
from opswire.cli.views.audit import print_report
from opswire.contracts.routes import APPROVAL_REQUESTED, FACTS

APPROVER = "sam"
ROLE = "operator"
ASKED_TIMEOUT_S = 20.0
DECIDED_TIMEOUT_S = 20.0


def know_approver(state: StateDir) -> None:
    """Make a key for the one who approves, and name its holder in the people file that executors read."""
    _, public = make_key(state, APPROVER, None)
    (state.path / "people.yaml").write_text("people:\n" + people_entry(APPROVER, public, [ROLE]))


async def ask_and_approve(demo: Demo, question: Question) -> Outcome:
    """Ask for a change, see what the approver sees, sign it, and see the outcome. Raises DemoError."""
    demo.command(f'opswire ask "{question.text}" &')
    submission = building.of_text(question.text, "demo", DEADLINE_MS, "cli", None)
    async with connected(demo.broker_url) as bus:
        where = {"source": submission.source, "request_id": submission.request_id}
        async with bus.following(FACTS, APPROVAL_REQUESTED.subject(**where, round="1")) as feed:
            ending = asyncio.create_task(see_through(bus, submission, demo.state.trace_store))
            await feed.next_msg(timeout=ASKED_TIMEOUT_S)
        asked = await read_asked(bus, **where)
        await _approve(demo, bus, asked)
        outcome = await ending
    demo.show(outcome, question)
    return outcome


async def _approve(demo: Demo, bus: Bus, asked: Asked) -> None:
    demo.command(f"opswire approvals show {asked.key}")
    print_asked(demo.console, asked, time.time_ns())
    seed_file = demo.state.path / "keys" / f"{APPROVER}.seed"
    demo.command(f"opswire approvals approve {asked.key} --key {seed_file}")
    await decide(bus, asked, read_seed(seed_file), "approve", "")
    outcome = await decided(bus, asked, DECIDED_TIMEOUT_S)
    print_said(demo.console, asked, "approve", outcome, None)
    if outcome is None or outcome.outcome != "granted":
        raise DemoError(f"{asked.key} was approved and is not granted", f"opswire show {asked.key}")


async def verify_audit(demo: Demo) -> None:
    """Recompute the audit trail and compare it with what is stored. Raises DemoError where it is not whole."""
    demo.command("opswire audit verify")
    async with trail_at(demo.broker_url) as trail:
        report = await trail.verify(audit_directory(demo.state.path, None))
    print_report(demo.console, report)
    if not report.is_whole or report.entries == 0:
        raise DemoError("the audit trail is not whole", "opswire audit verify")
