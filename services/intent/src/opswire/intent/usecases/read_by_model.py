"""A request read by a model: one call or several, bound to a schema, checked against the text and the inventory.

Whatever a model answers: the intent exists, every entity stands in the text, the risk is at least the floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from opswire.chassis.inference.call import InferenceCall, Lane, OutputSchema, Reply, Usage
from opswire.contracts.findings import Entity
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import Risk
from opswire.intent.language.entities import entity_type_of, extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.risk import risk_of
from opswire.intent.prompts.library import PromptSet, PromptStep, load_search
from opswire.intent.prompts.outputs import Asked, Named, Reason, StepReply, choice_of, output_of
from opswire.intent.prompts.request_text import original, visible
from opswire.intent.usecases.candidates import (
    CANDIDATES_MAX,
    Candidates,
    find_candidates,
    matches,
    search_terms,
    spelled_in,
)

Value = TypeVar("Value")


class Model(Protocol):
    """Answers one question in the shape that is asked for."""

    async def decide(self, call: InferenceCall, schema: OutputSchema[Value]) -> Reply[Value]:
        """The reply. Raises InferenceUnavailableError, InferenceRefusedError or ReplyInvalidError."""


@dataclass(frozen=True, slots=True)
class ModelReading:
    """What a model took a request for. `confidence` is the model's own word, 0 to 1.

    `entities` are the model's, each as the text spells it. `risk` is the higher of the model's and `floor`, which is
    what the policy demands for this intent. `endpoint` answered last; `cost_usd` is None where a price is unknown.
    """

    intent: IntentName
    confidence: float
    entities: tuple[Entity, ...]
    risk: Risk
    floor: Risk
    reason: Reason | None
    usage: Usage
    calls: int
    cost_usd: float | None
    endpoint: str


@dataclass(slots=True)
class _Spent:
    """The sum over the calls of one reading."""

    usage: Usage = field(default_factory=Usage)
    calls: int = 0
    cost_usd: float | None = 0.0
    endpoint: str = ""

    def add(self, reply: Reply[Any]) -> None:
        """Count one reply in."""
        self.usage += reply.usage
        self.calls += reply.calls
        self.endpoint = reply.endpoint
        known = self.cost_usd is not None and reply.cost_usd is not None
        self.cost_usd = (self.cost_usd or 0.0) + (reply.cost_usd or 0.0) if known else None


class ReadByModel:
    """Runs a prompt set. Its base schemas are few and fixed, so that a server compiles them once."""

    def __init__(self, model: Model, prompts: PromptSet, names: NameIndex, lane: Lane = Lane.INTERACTIVE) -> None:
        self._model = model
        self._prompts = prompts
        self._names = names
        self._lane = lane
        self._schemas = {step.asked: output_of(step.asked) for step in prompts.steps}

    @property
    def schemas(self) -> list[OutputSchema[Any]]:
        """The base schemas, for warming a server."""
        return list(self._schemas.values())

    @property
    def prompts_key(self) -> str:
        """Changes whenever the prompts do."""
        return self._prompts.key

    async def read(self, text: str, deadline_ns: int) -> ModelReading:
        """What the text asks. `deadline_ns` is in nanoseconds since 1970. Raises what `Model.decide` raises."""
        spent = _Spent()
        shown = visible(text)
        values = await self._values(text, find_candidates(shown, self._names), deadline_ns, spent)
        found = StepReply()
        for step in self._prompts.steps:
            schema = output_of(step.asked, values) if values and Asked.ENTITIES in step.asked else None
            reply = await self._model.decide(
                self._call(step, text, deadline_ns, found.intent or ""), schema or self._schemas[step.asked]
            )
            spent.add(reply)
            found = _merged(found, reply.value)
        return self._reading(text, shown, found, spent)

    async def _values(self, text: str, candidates: Candidates, deadline_ns: int, spent: _Spent) -> Sequence[str]:
        """What an entity's value may be; empty where the inventory knows nothing of the text and any piece of it may.

        Too many to offer are searched first: the model chooses a word of the text, and its matches are offered.
        """
        if not candidates.is_resolved:
            return ()
        if len(candidates.spans) <= CANDIDATES_MAX:
            return candidates.spans
        prompts = load_search()
        terms = search_terms(candidates)
        reply = await self._model.decide(self._call(prompts.steps[0], text, deadline_ns, ""), choice_of(terms))
        spent.add(reply)
        return matches(reply.value, candidates, visible(text))

    def _call(self, step: PromptStep, text: str, deadline_ns: int, intent: str) -> InferenceCall:
        return InferenceCall(
            operation=f"intent.{step.name}",
            messages=step.messages(text, intent),
            deadline_ns=deadline_ns,
            max_tokens=step.max_tokens,
            lane=self._lane,
            prompt_version=self._prompts.key,
        )

    def _reading(self, text: str, shown: str, found: StepReply, spent: _Spent) -> ModelReading:
        if found.intent is None or found.confidence is None:
            raise LookupError(f"the prompts {self._prompts.key} ask for no intent or no confidence")
        entities = self._literal(found.entities, shown)
        floor = self._floor(found.intent, text, entities)
        return ModelReading(
            intent=found.intent,
            confidence=found.confidence,
            entities=entities,
            risk=(found.risk or floor).at_least(floor),
            floor=floor,
            reason=found.reason,
            usage=spent.usage,
            calls=spent.calls,
            cost_usd=spent.cost_usd,
            endpoint=spent.endpoint,
        )

    def _literal(self, named: Sequence[Named], shown: str) -> tuple[Entity, ...]:
        """What the text spells, as it spells it, once; the inventory's type where it knows the name."""
        found: dict[str, Entity] = {}
        for each in named:
            value = spelled_in(original(each.value), shown) or spelled_in(each.value, shown)
            if value is None:
                continue
            known = self._names.lookup(value)
            kind = each.type if known is None else entity_type_of(known.type)
            found.setdefault(value.lower(), Entity(type=kind, value=value))
        return tuple(found.values())

    def _floor(self, intent: IntentName, text: str, entities: Sequence[Entity]) -> Risk:
        """The highest of the floors with and without the model's entities: one more name can clear an unclear one."""
        own = extract_entities(text, self._names)
        return risk_of(intent, own, self._names, text).at_least(risk_of(intent, [*own, *entities], self._names, text))


def _merged(before: StepReply, after: StepReply) -> StepReply:
    """The later step's answers over the earlier ones'."""
    return replace(
        before,
        intent=after.intent or before.intent,
        entities=after.entities or before.entities,
        confidence=before.confidence if after.confidence is None else after.confidence,
        risk=after.risk or before.risk,
        reason=after.reason or before.reason,
    )
