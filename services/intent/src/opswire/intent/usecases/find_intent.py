"""From a request's words to its intent: cache, then the local classifier, then one model call, else a question back.

Without a model the classifier's answer is the last one. A model's answer can raise the risk and never lower it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cachebox import LRUCache
from opswire.chassis.inference.errors import ReplyInvalidError
from opswire.contracts.findings import Candidate, Entity, IntentFinding
from opswire.contracts.taxonomy import INTENTS, Effect, IntentName
from opswire.contracts.types import IntentSource
from opswire.intent.classifier.model import Guess
from opswire.intent.errors import UnclearRequestError
from opswire.intent.language.entities import extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.normalise import normalise
from opswire.intent.language.risk import risk_of
from opswire.intent.language.template import template_of
from opswire.intent.prompts.outputs import Reason
from opswire.intent.usecases.ask_model import AskModel

CANDIDATES_SHOWN = 3
REMEMBERED_TEXTS_MAX = 4_096
REMEMBERED_CHARACTERS_MAX = 500
KNOWN_SHARE_MIN = 0.5
"""Of our evaluation requests none falls below it; "lösche checkout auf web-01" does, and was read as a question."""
INTENT_TAG = "intent"
WRITES_ALONE_MIN = 0.8
"""The least confidence of a model in a change that the classifier does not see among its three likeliest readings."""
NEVER_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Reading:
    """What the words of a request were taken for: the likeliest intents, best first. It holds no entity and no risk."""

    guesses: tuple[Guess, ...]


@dataclass(frozen=True, slots=True)
class _Understood:
    """The entities of one text and the words of its cache keys, true at one version of the names."""

    version: int
    entities: tuple[Entity, ...]
    words: str
    is_foreign: bool


class Classifier(Protocol):
    """Tells how likely each intent is."""

    @property
    def digest(self) -> str:
        """Changes whenever the answers could."""

    def known_share(self, text: str) -> float:
        """The share of the text's words that it was taught."""

    def classify(self, text: str) -> list[Guess]:
        """Intents with their probabilities, likeliest first."""


class ReadingCache(Protocol):
    """Remembers readings; answers where one came from."""

    async def read(self, key: str, load: Callable[[], Awaitable[tuple[Reading, list[str]]]]) -> tuple[Reading, str]:
        """The reading under `key`, loaded when it is not there, and where it came from: `memory`, `miss` and so on."""


class FindIntent:
    """Finds what a text asks. Entities and risk are always of this text and this inventory, never from the cache."""

    def __init__(
        self,
        names: NameIndex,
        classifier: Classifier,
        cache: ReadingCache,
        threshold: float,
        ask_model: AskModel | None = None,
        local_suffices_threshold: float | None = None,
    ) -> None:
        """`local_suffices_threshold`: below it the model is asked, where there is one; None takes `threshold`."""
        self._names = names
        self._classifier = classifier
        self._cache = cache
        self._threshold = threshold
        self._ask_model = ask_model
        self._suffices = threshold if local_suffices_threshold is None else max(threshold, local_suffices_threshold)
        self._understood: LRUCache[str, _Understood] = LRUCache(REMEMBERED_TEXTS_MAX)

    async def __call__(self, text: str, deadline_ns: int = NEVER_NS) -> IntentFinding:
        """The intent of `text`. Raises UnclearRequestError with the candidates below the confidence threshold.

        `deadline_ns` (nanoseconds since 1970) is the request's; a model that is away raises InferenceUnavailableError.
        """
        understood = self._understand(text)

        async def classify() -> tuple[Reading, list[str]]:
            return Reading(tuple(self._classifier.classify(text)[:CANDIDATES_SHOWN])), [INTENT_TAG]

        reading, outcome = await self._cache.read(f"{self._classifier.digest[:16]}:{understood.words}", classify)
        best = reading.guesses[0]
        asks = self._ask_model is not None and self._ask_model.is_there
        if not understood.is_foreign and best.probability >= (self._suffices if asks else self._threshold):
            source = IntentSource.CACHE if outcome in ("memory", "shared", "coalesced") else IntentSource.LOCAL
            return self._finding(best, understood.entities, text, source)
        if self._ask_model is None or not asks:
            raise _unclear(reading.guesses)
        return await self._find_by_model(self._ask_model, text, understood, reading.guesses, deadline_ns)

    async def _find_by_model(
        self, ask_model: AskModel, text: str, understood: _Understood, guesses: Sequence[Guess], deadline_ns: int
    ) -> IntentFinding:
        """The model's answer, or the question where it is not sure, or where its reply could not be read."""
        try:
            answer = await ask_model(text, understood.words, understood.entities, deadline_ns)
        except ReplyInvalidError as error:
            raise _unclear(guesses) from error
        opinion = answer.opinion
        least = self._threshold
        if INTENTS[opinion.name].effect in _CHANGES and all(guess.name is not opinion.name for guess in guesses):
            least = max(least, WRITES_ALONE_MIN)
        best = Guess(opinion.name, opinion.confidence)
        if opinion.confidence < least:
            others = (guess for guess in guesses if guess.name is not opinion.name)
            raise _unclear((best, *others), _WHY.get(opinion.reason, ""))
        finding = self._finding(best, understood.entities, text, answer.source)
        floor = risk_of(opinion.name, [*understood.entities, *answer.added], self._names, text)
        risk = finding.risk.at_least(floor).at_least(answer.risk)
        return finding.model_copy(update={"risk": risk, "entities": [*understood.entities, *answer.added]})

    def _understand(self, text: str) -> _Understood:
        """What the words themselves say. The same words at the same inventory say the same: remembered, in memory."""
        found = self._understood.get(text)
        if found is not None and found.version == self._names.version:
            return found
        entities = extract_entities(text, self._names)
        template = template_of(text, entities, self._names)
        words = _bounded(template or normalise(text))
        found = _Understood(self._names.version, tuple(entities), words, self._is_foreign(text, entities))
        if len(text) <= REMEMBERED_CHARACTERS_MAX:
            self._understood[text] = found
        return found

    def _is_foreign(self, text: str, entities: Sequence[Entity]) -> bool:
        """Whether most words are ones that nobody taught us: another language, or none. Names do not count."""
        for entity in entities:
            text = text.replace(entity.value, " ")
        return self._classifier.known_share(text) < KNOWN_SHARE_MIN

    def _finding(self, best: Guess, entities: Sequence[Entity], text: str, source: IntentSource) -> IntentFinding:
        return IntentFinding(
            name=best.name,
            confidence=min(1.0, best.probability),
            entities=list(entities),
            risk=risk_of(best.name, list(entities), self._names, text),
            source=source,
        )


_CHANGES = (Effect.WRITE, Effect.DESTROY)


def _bounded(words: str) -> str:
    return words if len(words) <= 200 else hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()


_WHY: dict[Reason | None, str] = {
    Reason.SEVERAL: "It seems to ask for several things at once. ",
    Reason.INCOMPLETE: "Something seems to be missing. ",
}


def _unclear(guesses: Sequence[Guess], why: str = "") -> UnclearRequestError:
    return UnclearRequestError(_question(guesses, why), _candidates(guesses))


def _question(guesses: Sequence[Guess], why: str) -> str:
    meanings = " or ".join(f"{INTENTS[guess.name].means!r}" for guess in guesses[:CANDIDATES_SHOWN])
    return f"I am not sure what is asked. {why}Did you mean {meanings}? Say it again in other words."


def _candidates(guesses: Sequence[Guess]) -> list[Candidate]:
    return [
        Candidate(
            kind="intent", value=guess.name.value, label=INTENTS[guess.name].example, confidence=guess.probability
        )
        for guess in guesses[:CANDIDATES_SHOWN]
        if guess.name is not IntentName.OUT_OF_SCOPE
    ]
