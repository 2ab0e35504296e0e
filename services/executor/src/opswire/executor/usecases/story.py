"""What is known of one request: the facts that stand, by what they say. Pure; adapters read them from the broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opswire.contracts.approval_decided import ApprovalDecided
from opswire.contracts.approval_given import ApprovalGiven
from opswire.contracts.approval_requested import ApprovalRequested
from opswire.contracts.cancellation_requested import CancellationRequested
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.step_claimed import StepClaimed
from opswire.contracts.step_finished import StepFinished


@dataclass(frozen=True, slots=True)
class Key:
    """A request's key: its source, which the subject proves, and its id."""

    source: str
    request_id: str

    def __str__(self) -> str:
        return f"{self.source}/{self.request_id}"


@dataclass(frozen=True, slots=True)
class Given:
    """One person's word, with the broker's time (nanoseconds since 1970) and place for it."""

    approval: ApprovalGiven
    stored_ns: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Round:
    """One asking for approval: what was asked, who answered, how it was decided."""

    asked: ApprovalRequested
    sequence: int
    given: tuple[Given, ...] = ()
    decided: ApprovalDecided | None = None

    @property
    def is_granted(self) -> bool:
        """Whether exactly this round's plan may run."""
        return self.decided is not None and self.decided.outcome == "granted"


@dataclass(frozen=True, slots=True)
class Story:
    """The facts of one request. Bodies that nobody can read are left out; their readers park them."""

    key: Key
    context: ContextResolved | None = None
    plan: PlanMade | None = None
    rounds: Mapping[int, Round] = field(default_factory=dict)
    claims: Mapping[int, StepClaimed] = field(default_factory=dict)
    outcomes: Mapping[int, StepFinished] = field(default_factory=dict)
    cancelled: CancellationRequested | None = None
    finish: RequestFinished | None = None

    @property
    def round(self) -> Round | None:
        """The round that counts: the last; once something was begun, the last that let it, whoever was asked since."""
        granted = [number for number, each in self.rounds.items() if each.is_granted] if self.claims else []
        return self.rounds[max(granted or self.rounds)] if self.rounds else None

    @property
    def agreed_plan(self) -> PlanMade | None:
        """The plan that may be run: that of the last round, or the first plan where nobody had to be asked."""
        return self.round.asked.plan if self.round is not None else self.plan

    @property
    def has_begun(self) -> bool:
        """Whether any step that changes something was claimed."""
        return bool(self.claims)

    @property
    def unsettled(self) -> list[StepClaimed]:
        """Claims without an outcome."""
        return [claim for number, claim in sorted(self.claims.items()) if number not in self.outcomes]
