"""From a request's words to its intent: cache, then the local classifier, then one model call, else a question back.

Without a model the classifier's answer is the last one. A model's answer can raise the risk and never lower it. What a
template of the words may answer before all that, and when, is decided in shadow.py.
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
from opswire.contracts.types import IntentSource, Risk
from opswire.intent.classifier.features import masked
from opswire.intent.classifier.model import Guess
from opswire.intent.errors import UnclearRequestError
from opswire.intent.language.entities import extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.normalise import normalise
from opswire.intent.language.orders import least_risk_ordered
from opswire.intent.language.risk import risk_of
from opswire.intent.language.template import template_of
from opswire.intent.prompts.outputs import Reason
from opswire.intent.usecases.ask_model import AskModel
from opswire.intent.usecases.shadow import INTENT_TAG, Shadow, TemplateKey, Verdict

CANDIDATES_SHOWN = 3
REMEMBERED_TEXTS_MAX = 4_096
REMEMBERED_CHARACTERS_MAX = 500
KNOWN_SHARE_MIN = 0.5
"""Of our evaluation requests none falls below it; "lösche checkout auf web-01" does, and was read as a question."""
WRITES_ALONE_MIN = 0.8
"""The least confidence of a model in a change that the classifier does not see among its three likeliest readings."""
NEVER_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Reading:
    """What the words of a request were taken for: the likeliest intents, best first. It holds no entity and no risk."""

    guesses: tuple[Guess, ...]


@dataclass(frozen=True, slots=True)
class _Understood:
    """The entities of one text and the words of its cache keys, true at one version of the names.

    `seen` is all that the classifier sees of the text: texts with the same one have the same reading by construction.
    `template` is None where no slot is in it, or where none may be.
    """

    version: int
    entities: tuple[Entity, ...]
    template: str | None
    words: str
    seen: str
    reading_words: str
    order: Risk
    is_foreign: bool


@dataclass(frozen=True, slots=True)
class _InFull:
    """What the full path answered, and what that says of the text's template.

    `verdict` is None where the answer fits this text only. Texts of the same `evidence` prove the same; None proves
    nothing.
    """

    finding: IntentFinding
    verdict: Verdict | None
    evidence: str | None


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
        shadow: Shadow | None = None,
    ) -> None:
        """`local_suffices_threshold`: below it the model is asked, where there is one; None takes `threshold`.

        Without `shadow` no template ever serves.
        """
        self._names = names
        self._classifier = classifier
        self._cache = cache
        self._threshold = threshold
        self._ask_model = ask_model
        self._suffices = threshold if local_suffices_threshold is None else max(threshold, local_suffices_threshold)
        self._shadow = shadow
        self._understood: LRUCache[str, _Understood] = LRUCache(REMEMBERED_TEXTS_MAX)

    async def __call__(self, text: str, deadline_ns: int = NEVER_NS) -> IntentFinding:
        """The intent of `text`. Raises UnclearRequestError with the candidates below the confidence threshold.

        `deadline_ns` (nanoseconds since 1970) is the request's; a model that is away raises InferenceUnavailableError.
        """
        understood = self._understand(text)
        if self._shadow is None or understood.template is None:
            return (await self._read_in_full(text, understood, deadline_ns)).finding
        key = TemplateKey(self._versions, understood.template)
        verdict = await self._shadow.find(key)
        if verdict is not None:
            best = Guess(verdict.name, verdict.confidence)
            return self._finding(best, understood.entities, text, IntentSource.CACHE)
        is_order = understood.order is not Risk.LOW
        try:
            full = await self._read_in_full(text, understood, deadline_ns)
        except UnclearRequestError:
            self._shadow.compare(key, None, understood.words, is_order=is_order)
            raise
        if full.evidence is not None:
            self._shadow.compare(key, full.verdict, full.evidence, is_order=is_order)
        return full.finding

    @property
    def _versions(self) -> str:
        """Everything beside the words that the answer of the full path depends on."""
        model = self._ask_model.versions if self._ask_model is not None else ""
        return f"{self._classifier.digest[:16]}:{self._threshold:g}:{self._suffices:g}:{model}"

    async def _read_in_full(self, text: str, understood: _Understood, deadline_ns: int) -> _InFull:
        """The answer of classifier and model, without templates. Raises UnclearRequestError."""

        async def classify() -> tuple[Reading, list[str]]:
            return Reading(tuple(self._classifier.classify(text)[:CANDIDATES_SHOWN])), [INTENT_TAG]

        key = f"{self._classifier.digest[:16]}:{understood.reading_words}"
        reading, outcome = await self._cache.read(key, classify)
        best = reading.guesses[0]
        asks = self._ask_model is not None and self._ask_model.is_there
        if not understood.is_foreign and best.probability >= (self._suffices if asks else self._threshold):
            source = IntentSource.CACHE if outcome in ("memory", "shared", "coalesced") else IntentSource.LOCAL
            finding = self._finding(best, understood.entities, text, source)
            return _InFull(finding, Verdict(best.name, finding.confidence), understood.seen)
        if self._ask_model is None or not asks:
            raise _unclear(reading.guesses)
        return await self._find_by_model(self._ask_model, text, understood, reading.guesses, deadline_ns)

    async def _find_by_model(
        self, ask_model: AskModel, text: str, understood: _Understood, guesses: Sequence[Guess], deadline_ns: int
    ) -> _InFull:
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
        is_of_the_words = not answer.added and risk is finding.risk
        finding = finding.model_copy(update={"risk": risk, "entities": [*understood.entities, *answer.added]})
        verdict = Verdict(opinion.name, opinion.confidence) if is_of_the_words else None
        return _InFull(finding, verdict, understood.words if answer.is_first_choice else None)

    def _understand(self, text: str) -> _Understood:
        """What the words themselves say. The same words at the same inventory say the same: remembered, in memory."""
        found = self._understood.get(text)
        if found is not None and found.version == self._names.version:
            return found
        entities = extract_entities(text, self._names)
        template = template_of(text, entities, self._names)
        words, seen, order = _bounded(normalise(text)), _bounded(masked(text)), least_risk_ordered(text)
        found = _Understood(
            self._names.version,
            tuple(entities),
            _bounded(template) if template is not None and "{" in template else None,
            words,
            seen,
            words if template is None else f"{order.value}:{seen}",
            order,
            self._is_foreign(text, entities),
        )
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
