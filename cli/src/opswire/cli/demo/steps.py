"""The demo's steps: each does one thing a user would do and raises DemoError when the system did something else."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from opswire.cli import building, inventory
from opswire.cli.bus import Bus, connected
from opswire.cli.console import terminal
from opswire.cli.errors import CommandError
from opswire.cli.state import RunRecord, StateDir
from opswire.cli.submission import Outcome, Submission, see_through
from opswire.cli.tracing import settled_spans
from opswire.cli.views.outcome import print_outcome
from opswire.cli.views.trace import render_stages
from opswire.contracts.routes import FACTS, PLAN_MADE
from opswire.ledger.account import account
from opswire.ledger.stages import Stage
from rich.text import Text

DEADLINE_MS = 30_000
UNATTRIBUTED_SHARE_MAX = 0.05
KILL_ATTEMPTS = 5
PLAN_TIMEOUT_S = 20.0
SUPERVISOR_TIMEOUT_S = 30.0
ALERT = "alertmanager-v4-two-alerts.json"


class DemoError(CommandError):
    """The system did something else than the demo promises."""

    code = "demo_failed"


@dataclass(frozen=True, slots=True)
class Question:
    """One request of the demo and how it must end."""

    text: str
    status: str = "completed"
    intent_source: str | None = None
    mentions: Sequence[str] = ()


class Demo:
    """Asks a running system, shows what it answers and where the time went, and checks both."""

    def __init__(self, state: StateDir) -> None:
        self.state = state
        self.console = terminal()
        self.asked = 0

    def say(self, text: str) -> None:
        """A heading before a step."""
        self.console.print(Text(f"\n{text}", style="bold cyan"))

    def command(self, text: str) -> None:
        """The command that does what comes next."""
        self.console.print(Text(f"\n$ {text}", style="bold"), soft_wrap=True)

    @property
    def broker_url(self) -> str:
        """Where the running system's broker answers. Raises NotRunningError."""
        return self._record().urls["nats"]

    async def ask(self, question: Question) -> Outcome:
        """Ask, show, check."""
        self.command(f'opswire ask "{question.text}"')
        submission = building.of_text(question.text, "demo", DEADLINE_MS, "cli", None)
        return await self._see_through(submission, question)

    async def _see_through(self, submission: Submission, question: Question) -> Outcome:
        async with connected(self.broker_url) as bus:
            outcome = await see_through(bus, submission, self.state.trace_store)
        self.show(outcome, question)
        return outcome

    def show(self, outcome: Outcome, question: Question) -> None:
        """Print the outcome and where its time went; raise DemoError where either is not as it must be."""
        self.asked += 1
        print_outcome(self.console, outcome)
        self._check(outcome.finished, question)
        key = f"{outcome.source}/{outcome.request_id}"
        spans = settled_spans(self.state.trace_store, key, has_ended=True)
        request, segments = account(key, spans)
        self.console.print(render_stages(request, spans, segments))
        total_ns = sum(segment.end_ns - segment.start_ns for segment in segments)
        if request.e2e_ns <= 0 or total_ns != request.e2e_ns:
            raise DemoError(f"the stages of {key} add up to {total_ns} ns of {request.e2e_ns} ns", "opswire trace")
        lost_ns = sum(s.end_ns - s.start_ns for s in segments if s.stage is Stage.UNATTRIBUTED)
        if lost_ns > UNATTRIBUTED_SHARE_MAX * request.e2e_ns:
            raise DemoError(f"{lost_ns / request.e2e_ns:.1%} of {key} is unattributed", f"opswire trace {key}")

    def _check(self, finished: dict[str, Any], question: Question) -> None:
        if finished["status"] != question.status:
            raise DemoError(f"{question.text!r} ended as {finished['status']}, wanted {question.status}", "the log")
        source = (finished.get("intent") or {}).get("source")
        if question.intent_source is not None and source != question.intent_source:
            raise DemoError(f"{question.text!r} was understood by {source}, wanted {question.intent_source}", "the log")
        for word in question.mentions:
            if word not in str(finished["answer"]):
                raise DemoError(f"the answer to {question.text!r} does not mention {word!r}", "the log")

    async def change_owner(self, name: str, owner: str) -> None:
        """Change an asset and return once no cache serves what was true before."""
        self.command(f"opswire assets set {name} owner={owner}")
        asset, settled = await inventory.set_asset(self.state, name, {"owner": owner})
        if not settled:
            raise DemoError("the caches did not let go in time", "opswire doctor")
        self.console.print(f"{asset['name']} belongs to {owner} now; no cache serves anything older.")

    async def publish_alert(self) -> Outcome:
        """Send a real Alertmanager payload, as an upstream would."""
        self.command(f"opswire publish {ALERT} --format alertmanager.v4")
        body = files("opswire.cli.demo").joinpath(ALERT).read_bytes()
        submission = building.of_event(body, "alertmanager.v4", "alertmanager", DEADLINE_MS, "cli", None)
        return await self._see_through(submission, Question("the alert", mentions=["grafana@mon-01"]))

    async def ask_and_kill(self, question: Question) -> None:
        """Ask, SIGKILL the executor once its plan is stored, and see the one outcome arrive all the same."""
        for _ in range(KILL_ATTEMPTS):
            outcome, pid = await self._ask_killing(question)
            await self._wait_replaced(pid)
            spans = settled_spans(self.state.trace_store, f"{outcome.source}/{outcome.request_id}", has_ended=True)
            attempts = [span.attributes.get("messaging.nats.message.delivery_attempt", 1) for span in spans]
            if max(int(str(attempt)) for attempt in attempts) > 1:
                self.console.print(f"The executor (pid {pid}) was killed in the middle and started anew:")
                self.show(outcome, question)
                return
        raise DemoError(f"{KILL_ATTEMPTS} requests were over before the kill", "try again on a quieter machine")

    async def _ask_killing(self, question: Question) -> tuple[Outcome, int]:
        submission = building.of_text(question.text, "demo", DEADLINE_MS, "cli", None)
        async with connected(self.broker_url) as bus:
            pid = self._executor_pid()
            killing = asyncio.create_task(self._kill_at_plan(bus, submission, pid))
            self.command(f'opswire ask "{question.text}" & kill -9 {pid}')
            outcome = await see_through(bus, submission, self.state.trace_store)
            await killing
        return outcome, pid

    async def _kill_at_plan(self, bus: Bus, submission: Submission, pid: int) -> None:
        subject = PLAN_MADE.subject(source=submission.source, request_id=submission.request_id)
        async with bus.following(FACTS, subject) as feed:
            await feed.next_msg(timeout=PLAN_TIMEOUT_S)
            os.kill(pid, signal.SIGKILL)

    async def _wait_replaced(self, pid: int) -> None:
        async with asyncio.timeout(SUPERVISOR_TIMEOUT_S):
            while self._executor_pid() in (pid, 0):  # noqa: ASYNC110  run.json is all that another process can see
                await asyncio.sleep(0.05)

    def _executor_pid(self) -> int:
        return next(child.pid for child in self._record().children if child.name == "executor")

    def _record(self) -> RunRecord:
        return self.state.running()
