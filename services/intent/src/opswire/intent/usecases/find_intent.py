"""From a request's words to its intent: cache, then the local classifier, else a question back."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cachebox import LRUCache
from opswire.contracts.findings import Candidate, Entity, IntentFinding
from opswire.contracts.taxonomy import INTENTS, IntentName
from opswire.contracts.types import IntentSource
from opswire.intent.classifier.model import Guess
from opswire.intent.errors import UnclearRequestError
from opswire.intent.language.entities import extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.normalise import normalise
from opswire.intent.language.risk import risk_of
from opswire.intent.language.template import template_of

CANDIDATES_SHOWN = 3
REMEMBERED_TEXTS_MAX = 4_096
REMEMBERED_CHARACTERS_MAX = 500
KNOWN_SHARE_MIN = 0.5
"""Of our evaluation requests none falls below it; "lösche checkout auf web-01" does, and was read as a question."""
INTENT_TAG = "intent"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the words of a request were taken for: the likeliest intents, best first. It holds no entity and no risk."""

    guesses: tuple[Guess, ...]


@dataclass(frozen=True, slots=True)
class _Understood:
    """The entities of one text and the key of its reading, true at one version of the names."""

    version: int
    entities: tuple[Entity, ...]
    key: str
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

    def __init__(self, names: NameIndex, classifier: Classifier, cache: ReadingCache, threshold: float) -> None:
        self._names = names
        self._classifier = classifier
        self._cache = cache
        self._threshold = threshold
        self._understood: LRUCache[str, _Understood] = LRUCache(REMEMBERED_TEXTS_MAX)

    async def __call__(self, text: str) -> IntentFinding:
        """The intent of `text`. Raises UnclearRequestError with the candidates below the confidence threshold."""
        understood = self._understand(text)

        async def classify() -> tuple[Reading, list[str]]:
            return Reading(tuple(self._classifier.classify(text)[:CANDIDATES_SHOWN])), [INTENT_TAG]

        reading, outcome = await self._cache.read(understood.key, classify)
        best = reading.guesses[0]
        if best.probability < self._threshold or understood.is_foreign:
            raise UnclearRequestError(_question(reading.guesses), _candidates(reading.guesses))
        source = IntentSource.CACHE if outcome in ("memory", "shared", "coalesced") else IntentSource.LOCAL
        return self._finding(best, understood.entities, text, source)

    def _understand(self, text: str) -> _Understood:
        """What the words themselves say. The same words at the same inventory say the same: remembered, in memory."""
        found = self._understood.get(text)
        if found is not None and found.version == self._names.version:
            return found
        entities = extract_entities(text, self._names)
        template = template_of(text, entities, self._names)
        key = self._key(template or normalise(text))
        found = _Understood(self._names.version, tuple(entities), key, self._is_foreign(text, entities))
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

    def _key(self, words: str) -> str:
        if len(words) > 200:
            words = hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self._classifier.digest[:16]}:{words}"


def _question(guesses: Sequence[Guess]) -> str:
    meanings = " or ".join(f"{INTENTS[guess.name].means!r}" for guess in guesses[:CANDIDATES_SHOWN])
    return f"I am not sure what is asked. Did you mean {meanings}? Say it again in other words."


def _candidates(guesses: Sequence[Guess]) -> list[Candidate]:
    return [
        Candidate(
            kind="intent", value=guess.name.value, label=INTENTS[guess.name].example, confidence=guess.probability
        )
        for guess in guesses[:CANDIDATES_SHOWN]
        if guess.name is not IntentName.OUT_OF_SCOPE
    ]
