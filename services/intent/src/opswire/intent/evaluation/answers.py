"""One request as it was read: what was expected, what was found, what it took."""

from __future__ import annotations

from dataclasses import dataclass, field

from opswire.chassis.inference.call import Usage
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import Risk
from opswire.intent.evaluation.expectations import Expectation

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Spent:
    """What one request took of a model: nothing where it was read locally.

    `cost_usd` is None where a call has no known price; `unmeasured` counts calls that failed and told no usage.
    """

    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = 0.0
    unmeasured: int = 0

    def __add__(self, other: Spent) -> Spent:
        """Both together."""
        cost = None if self.cost_usd is None or other.cost_usd is None else self.cost_usd + other.cost_usd
        calls, unmeasured = self.calls + other.calls, self.unmeasured + other.unmeasured
        return Spent(calls, self.usage + other.usage, cost, unmeasured)


@dataclass(frozen=True, slots=True)
class Answer:
    """One request, what was expected of it and what was read. `confidence` is of the intent that was read, 0 to 1.

    A request that failed has no intent and no risk and counts as wrong; `failure` is the code of its error, `detail`
    its sentence.
    """

    expected: Expectation
    intent: IntentName | None
    confidence: float
    entities: frozenset[tuple[str, str]]
    risk: Risk | None
    latency_ms: float
    source: str = LOCAL
    spent: Spent = field(default_factory=Spent)
    failure: str = ""
    detail: str = ""

    @property
    def strict(self) -> bool:
        """The expected intent."""
        return self.intent is self.expected.expected_intent

    @property
    def lenient(self) -> bool:
        """The expected intent, or one that is accepted too."""
        return self.intent in self.expected.intents

    @property
    def risk_right(self) -> bool:
        """The expected risk, or one that is accepted too."""
        return self.risk in self.expected.risks

    @property
    def under_risk(self) -> bool:
        """A risk below every accepted one: such a mistake would pass by an approval. A failure passes by nothing."""
        return self.risk is not None and self.risk.rank < min(risk.rank for risk in self.expected.risks)

    @property
    def wanted(self) -> frozenset[tuple[str, str]]:
        """The expected entities as they are compared."""
        return frozenset(entity.key for entity in self.expected.expected_entities)
