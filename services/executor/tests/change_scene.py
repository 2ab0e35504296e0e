"""One executor's way through changes on a real broker: contexts and words go in as facts, tools count what they do."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from opswire.chassis.high_water import HighWater
from opswire.chassis.nkey import new_seed, public_of, sign
from opswire.chassis.service import Service
from opswire.chassis.stream_guard import StreamGuard
from opswire.contracts.approval_given import ApprovalGiven
from opswire.contracts.approval_requested import ApprovalRequested
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.cancellation_requested import CancellationRequested
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset, Mark
from opswire.contracts.plan_made import Call, PlanMade, Step
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.routes import (
    APPROVAL_GIVEN,
    ASSET_CHANGED,
    CANCELLATION_REQUESTED,
    CONTEXT_RESOLVED,
    REQUEST_FINISHED,
)
from opswire.contracts.taxonomy import Effect
from opswire.contracts.types import Risk
from opswire.executor.adapters.modes import Modes
from opswire.executor.adapters.progress import Progress
from opswire.executor.adapters.rule_files import RuleFiles
from opswire.executor.rules.approval import statement_of
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.tools import Judgement, Tool, ToolCall, ToolResult, Verdict
from opswire.executor.usecases.plan import digest_of
from opswire.executor.usecases.story import Key, Story
from opswire.executor.wiring import Wiring

CHANGE, PROBE, LOOK = "test.change", "test.probe", "test.look"
POLICY = """
roles: [operator, lead]
approval_window_s: {window_s}
grants:
  - name: development
    when: {{effects: [none, read, write], environments: [development]}}
    because: It is development
otherwise: {{verdict: approve, people: {people}, role: operator, because: It changes something}}
"""


class Invalidated:
    """Notes what was put out of date, and when it was in force."""

    def __init__(self) -> None:
        self.tags: list[list[str]] = []

    async def invalidate(self, tags: list[str], cause: str) -> None:
        """As the chassis' invalidator."""
        del cause
        self.tags.append(tags)


class Scene:
    """One executor process, as far as changes go. Several on one broker are several processes."""

    def __init__(
        self,
        service: Service,
        directory: Path,
        people: int = 1,
        window_s: int = 600,
        keys: dict[str, str] | None = None,
        catalogue: Callable[[], Catalogue] | None = None,
    ) -> None:
        """`keys` are seeds by person; new ones where none are given."""
        self.service = service
        self.effects: list[str] = []
        self.seeds = keys or {name: new_seed() for name in ("sam", "kim", "dana")}
        directory.mkdir(parents=True, exist_ok=True)
        self.policy_file, self.people_file = directory / "policy.yaml", directory / "people.yaml"
        self.policy_file.write_text(POLICY.format(people=people, window_s=window_s))
        entries = [
            f"  - name: {name}\n    roles: [operator, lead]\n    keys: [{{public: {public_of(seed)}}}]\n"
            for name, seed in self.seeds.items()
        ]
        self.people_file.write_text("people:\n" + "".join(entries))
        self.tools: dict[str, Tool] = {CHANGE: self._change, PROBE: self._probe, LOOK: self._look}
        self.invalidated = Invalidated()
        rules = RuleFiles(self.policy_file, self.people_file)
        self.modes = Modes(rules.people)
        self.high_water = HighWater(directory)
        guard = StreamGuard(service.bus.request_json, self.high_water)
        progress = Progress(lambda: service.sender)
        guards = self.modes, guard, self.invalidated
        wiring = Wiring(service, self.tools, self.tools, progress, rules, *guards, catalogue)
        self.plans: dict[str, list[Step]] = {}
        self.proceed = wiring.proceed(self._plan)

    def _plan(self, context: ContextResolved) -> PlanMade:
        generations = {asset.id: asset.generation for asset in context.assets}
        steps = [
            step.model_copy(update={"asset_generation": generations.get(step.asset_id or "")})
            for step in self.plans[context.request_id]
        ]
        return PlanMade(request_id=context.request_id, intent=context.intent.name, steps=steps, digest=digest_of(steps))

    async def _change(self, call: ToolCall) -> ToolResult:
        self.effects.append(str(call.step.arguments["name"]))
        return ToolResult(({"asset": call.needed_asset().name, "done": True},))

    async def _probe(self, call: ToolCall) -> ToolResult:
        done = str(call.step.arguments["name"]) in self.effects
        verdict = Verdict(Judgement.PASS if done else Judgement.FAIL, "seen" if done else "not seen")
        return ToolResult(({"result": verdict.status.value},), verdict=verdict)

    async def _look(self, call: ToolCall) -> ToolResult:
        self.effects.append(f"looked at {call.needed_asset().name}")
        return ToolResult(({"asset": call.needed_asset().name, "state": "fine"},))

    def holding(self, name: str = CHANGE) -> tuple[asyncio.Event, asyncio.Event]:
        """From now on the tool waits after its effect: events for `it has begun` and `let it go on`."""
        begun, go_on = asyncio.Event(), asyncio.Event()
        inner = self.tools[name]

        async def held(call: ToolCall) -> ToolResult:
            found = await inner(call)
            begun.set()
            await go_on.wait()
            return found

        self.tools[name] = held
        return begun, go_on

    async def request(self, context: ContextResolved, *steps: Step, deadline_s: float = 60.0) -> Key:
        """A request whose context is stored, and whose plan will be these steps."""
        key = Key("test", f"r-{uuid.uuid4()}")
        now_ns = time.time_ns()
        context = context.model_copy(
            update={
                "request_id": key.request_id,
                "accepted_ns": now_ns,
                "deadline_ns": now_ns + int(deadline_s * 1e9),
                "marks": [],
            }
        )
        self.plans[key.request_id] = list(steps)
        subject = CONTEXT_RESOLVED.subject(source=key.source, request_id=key.request_id)
        await self.service.sender.send(CONTEXT_RESOLVED, subject, context)
        return key

    async def go_on(self, key: Key) -> RequestFinished | None:
        """What a handler does: proceed, and publish the outcome where there is one."""
        outcome = await self.proceed(key, mark_now)
        return None if outcome is None else await self.publish(key, outcome)

    async def publish(self, key: Key, outcome: RequestFinished) -> RequestFinished:
        """The finish that stands after this one was published."""
        subject = REQUEST_FINISHED.subject(source=key.source, request_id=key.request_id)
        await self.service.sender.send(REQUEST_FINISHED, subject, outcome)
        finish = (await self.story(key)).finish
        assert finish is not None
        return finish

    async def story(self, key: Key) -> Story:
        """The request's facts."""
        return await self.proceed.journal.read(key)

    async def asked(self, key: Key) -> ApprovalRequested:
        """What people were asked last."""
        found = (await self.story(key)).round
        assert found is not None, "nobody was asked"
        return found.asked

    async def say(self, key: Key, who: str, signed: Any = "approve", **changed: Any) -> None:
        """One person's signed word on the last round; `changed` fields are changed after it was signed."""
        asked = await self.asked(key)
        public = public_of(self.seeds[who])
        statement = statement_of(asked, key.source, public, signed)
        word = ApprovalGiven(
            request_id=key.request_id,
            round=asked.round,
            approver=public,
            decision=signed,
            plan_digest=asked.plan.digest,
            nonce=asked.nonce,
            signature=sign(self.seeds[who], statement),
            given_ns=time.time_ns(),
        ).model_copy(update=changed)
        subject = APPROVAL_GIVEN.subject(
            source=key.source, request_id=key.request_id, round=str(asked.round), approver=public
        )
        await self.service.sender.send(APPROVAL_GIVEN, subject, word)

    async def cancel(self, key: Key) -> None:
        """What an upstream publishes that does not want it any more."""
        subject = CANCELLATION_REQUESTED.subject(source=key.source, request_id=key.request_id)
        word = CancellationRequested(request_id=key.request_id, asked_ns=time.time_ns())
        await self.service.sender.send(CANCELLATION_REQUESTED, subject, word)

    async def change_asset(self, asset: Asset, **fields: Any) -> Asset:
        """The inventory's word on an asset, a generation later."""
        later = asset.model_copy(update={"generation": asset.generation + 1} | fields)
        message = AssetChanged(
            asset_id=asset.id,
            kind="updated",
            generation=later.generation,
            asset=later,
            changed_ns=time.time_ns(),
        )
        subject = ASSET_CHANGED.subject(asset_id=asset.id)
        await self.service.sender.send(ASSET_CHANGED, subject, message, message_id=f"{asset.id}-{later.generation}")
        return later


def mark_now() -> Mark:
    """Taken and sent in this moment."""
    now_ns = time.time_ns()
    return Mark(service="executor", received_ns=now_ns, sent_ns=now_ns)


def change(number: int, asset: Asset, name: str, **fields: Any) -> Step:
    """A step that changes something."""
    usual: dict[str, Any] = {"effect": Effect.WRITE, "risk": Risk.MEDIUM, "timeout_ms": 10_000}
    return Step(
        number=number,
        tool=CHANGE,
        asset_id=asset.id,
        asset_generation=asset.generation,
        arguments={"name": name},
        **usual | fields,
    )


def look(number: int, asset: Asset, after: Sequence[int] = ()) -> Step:
    """A step that only reads."""
    return Step(
        number=number,
        tool=LOOK,
        effect=Effect.READ,
        asset_id=asset.id,
        asset_generation=asset.generation,
        timeout_ms=5_000,
        after=list(after),
    )


def raising(error: Exception) -> Callable[[ToolCall], Awaitable[ToolResult]]:
    """A tool that ends so."""

    async def tool(_: ToolCall) -> ToolResult:
        raise error

    return tool


def rows_of(outcome: RequestFinished) -> list[dict[str, Any]]:
    """The answer's rows by column."""
    return [dict(zip(outcome.answer.columns or [], row, strict=True)) for row in outcome.answer.rows or []]


def with_probe(step: Step, timeout_ms: int = 5_000) -> Step:
    """The step with the probe that finds out whether it was done."""
    return step.model_copy(
        update={"verification": Call(tool=PROBE, arguments=dict(step.arguments), timeout_ms=timeout_ms)}
    )
