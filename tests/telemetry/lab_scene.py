"""The whole system with real hosts, a scripted model and people who sign: requests of every kind, for real."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opswire.chassis.nkey import new_seed, public_of, sign
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import until
from opswire.contracts.approval_given import ApprovalGiven
from opswire.contracts.approval_requested import ApprovalRequested
from opswire.contracts.cancellation_requested import CancellationRequested
from opswire.contracts.routes import CANCELLATION_REQUESTED
from opswire.executor.rules.approval import statement_of
from opswire.lab import Lab, start
from opswire.ledger.model import Span
from opswire.ledger.store import create, read_request
from opswire.ledger.testing import is_whole

SPANS_TIMEOUT_S = 60.0
SOURCE = "test"
OPINION = {"intent": "status.check", "entities": [], "confidence": 90, "risk": "LOW", "reason": "clear"}
TIMING = {"queue_time_ms": 0.02, "time_to_first_token_ms": 0.03, "generation_time_ms": 0.05}
"""Less than any call takes: what a server says is refused where it is longer than the call was."""
POLICY = """
roles: [operator]
approval_window_s: {window_s}
grants:
  - {{name: reads, when: {{effects: [none, read]}}, because: It only reads}}
  - {{name: staging, when: {{effects: [write], environments: [staging]}}, because: It is staging}}
otherwise: {{verdict: approve, people: 1, role: operator, because: It changes something}}
"""
ALLOWED = "restart checkout on web-02"
TO_APPROVE = "restart checkout on web-01"


@dataclass(frozen=True, slots=True)
class Scene:
    """What runs, and a person who may approve."""

    system: System
    lab: Lab
    model: ScriptedModel
    seed: str

    @property
    def store(self) -> Path:
        """The span store."""
        return self.system.directory / "traces.sqlite3"

    def let_people_wait(self, window_s: int) -> None:
        """How long people have to approve from the next asking on."""
        (self.system.directory / "policy.yaml").write_text(POLICY.format(window_s=window_s))

    async def asked(self, upstream: Upstream, request_id: str) -> ApprovalRequested:
        """What people are asked about a request, once they are."""
        subject = f"opswire.v1.{SOURCE}.{request_id}.approval.1.requested"
        return ApprovalRequested.from_bytes((await upstream.read(subject, 1, 30))[0])

    async def say(self, upstream: Upstream, asked: ApprovalRequested, word: Any = "approve") -> None:
        """The person's signed word on it."""
        public = public_of(self.seed)
        given = ApprovalGiven(
            request_id=asked.request_id,
            round=asked.round,
            approver=public,
            decision=word,
            plan_digest=asked.plan.digest,
            nonce=asked.nonce,
            signature=sign(self.seed, statement_of(asked, SOURCE, public, word)),
            given_ns=time.time_ns(),
        )
        subject = f"opswire.v1.{SOURCE}.{asked.request_id}.approval.{asked.round}.given.{public}"
        await upstream.client.jetstream().publish(subject, given.to_bytes())

    async def approved(self, upstream: Upstream, text: str = TO_APPROVE) -> str:
        """Ask for a change, approve it, and wait for its end; the request's id."""
        request_id = await upstream.submit(text)
        await self.say(upstream, await self.asked(upstream, request_id))
        await upstream.outcome(request_id)
        return request_id

    async def cancel(self, upstream: Upstream, request_id: str) -> None:
        """What an upstream publishes that does not want it any more."""
        word = CancellationRequested(request_id=request_id, asked_ns=time.time_ns())
        subject = CANCELLATION_REQUESTED.subject(source=SOURCE, request_id=request_id)
        await upstream.client.jetstream().publish(subject, word.to_bytes())

    async def spans(self, request_id: str) -> list[Span]:
        """The spans of a request once all processes have handed theirs over."""
        return await whole_spans(self.store, request_id)


async def whole_spans(store: Path, request_id: str) -> list[Span]:
    """The spans of a request once all are in the store. Raises TimeoutError."""
    found: list[Span] = []

    def are_whole() -> bool:
        found[:] = read_request(store, f"{SOURCE}/{request_id}")
        return is_whole(found)

    await until(are_whole, SPANS_TIMEOUT_S)
    return found


@contextmanager
def running_scene(directory: Path, settings: dict[str, str] | None = None) -> Iterator[Scene]:
    """All of it, ended at the end. `settings` are the services'."""
    state = directory / "system"
    state.mkdir(parents=True)
    with ExitStack() as stack:
        model = stack.enter_context(ScriptedModel(Answer(json.dumps(OPINION), timing=TIMING)))
        lab = start(state)
        stack.callback(lab.down)
        seed = new_seed()
        entry = f"people:\n  - {{name: sam, roles: [operator], keys: [{{public: {public_of(seed)}}}]}}\n"
        (state / "people.yaml").write_text(entry)
        given = {
            "OPSWIRE_ALLOW_LOOPBACK": "true",
            "LLM_PROVIDER": "vllm",
            "LLM_BASE_URL": model.url,
            "LLM_MODEL": "scripted",
            "LLM_API_KEY": "none",
        }
        (state / "policy.yaml").write_text(POLICY.format(window_s=600))
        system = stack.enter_context(System(state, given | (settings or {})))
        create(state / "traces.sqlite3")
        system.import_inventory(lab.inventory_path.read_text())
        yield Scene(system, lab, model, seed)
