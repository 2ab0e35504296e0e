"""Templates earn their trust in the shadow: one serves only after it agreed, and is checked for as long as it serves.

While a template has fewer agreements than it needs, every request is read in full and the readings are compared. An
agreement is the same intent, surely read, of a text that was not counted before. The first disagreement, the first
unsure reading or the first question back demotes the template for as long as it is remembered here. Once promoted, it
serves in every process, through the shared level; then every `CHECKED_EVERY`th of its requests is read in full as well,
and a disagreement takes it back everywhere. Counts are of this process; an invalidation of the template, of all
intents or of everything begins anew.

Nothing here holds an entity or a risk.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from cachebox import LRUCache
from opswire.contracts.caches_invalidated.tags import EVERYTHING
from opswire.contracts.taxonomy import INTENTS, Effect, IntentName

INTENT_TAG = "intent"
TEMPLATE_TAG_PREFIX = "template:"
AGREEMENTS = 5
AGREEMENTS_CHANGING = 300
"""Without a disagreement among so many, less than 1 % of a template's requests are read otherwise (19 times in 20)."""
SURE_MIN = 0.8
"""The least confidence of a reading that counts. Most readings that change with a name alone lie below it."""
CHECKED_EVERY = 16
SHARED_ASKED_EVERY_S = 10.0
"""How often, for each template, it is asked whether another process has promoted it."""
TEMPLATES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the full path took a text for, and how sure it was."""

    name: IntentName
    confidence: float


@dataclass(frozen=True, slots=True)
class TemplateKey:
    """A template under the versions of everything that reads: another classifier, prompt or model begins anew."""

    versions: str
    template: str

    @property
    def text(self) -> str:
        """The key under which the verdict is kept."""
        return f"{self.versions}:{self.template}"

    @property
    def tag(self) -> str:
        """What an invalidation of the template names, under any version."""
        return f"{TEMPLATE_TAG_PREFIX}{self.template}"


class VerdictCache(Protocol):
    """Keeps the verdicts of promoted templates for all processes."""

    async def read(self, key: str, load: Callable[[], Awaitable[tuple[Verdict, list[str]]]]) -> tuple[Verdict, str]:
        """The verdict under `key`, loaded when it is not there, and where it came from."""


class _NotPromotedError(Exception):
    """Nothing is kept of a template that has not earned it."""


@dataclass(slots=True)
class _Standing:
    """What is known of one template. `verdict` is the least confident of those that agreed."""

    verdict: Verdict | None = None
    seen: set[int] = field(default_factory=set)
    is_promoted: bool = False
    is_demoted: bool = False
    served: int = 0
    ask_again_s: float = 0.0


class Shadow:
    """The standing of every template in this process. One per process; follows the log of invalidations."""

    def __init__(
        self,
        cache: VerdictCache,
        agreements: int = AGREEMENTS,
        agreements_changing: int = AGREEMENTS_CHANGING,
        on_demoted: Callable[[TemplateKey], None] | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_demoted` hears of every template that had served, so that it can be taken back in other processes."""
        self._cache = cache
        self._agreements = agreements
        self._agreements_changing = agreements_changing
        self._on_demoted = on_demoted
        self._clock_s = clock_s
        self._standings: LRUCache[TemplateKey, _Standing] = LRUCache(TEMPLATES_MAX)
        self.counts: Counter[str] = Counter()

    async def find(self, key: TemplateKey) -> Verdict | None:
        """The verdict of a promoted template; None where the text must be read in full, and then compared."""
        standing = self._standing(key)
        if standing.is_demoted or not (standing.is_promoted or self._may_ask(standing)):
            return None

        async def load() -> tuple[Verdict, list[str]]:
            # The standing of now: an invalidation may have taken it away since the read began.
            current = self._standings.get(key)
            if current is None or not current.is_promoted or current.verdict is None:
                raise _NotPromotedError
            return current.verdict, [INTENT_TAG, key.tag]

        try:
            verdict, outcome = await self._cache.read(key.text, load)
        except _NotPromotedError:
            return None
        standing = self._standing(key)
        if outcome == "bypass" or standing.is_demoted:
            return None
        if not standing.is_promoted:
            standing.is_promoted, standing.verdict = True, verdict
        standing.served += 1
        if standing.served % CHECKED_EVERY == 0:
            self.counts["checked"] += 1
            return None
        self.counts["served"] += 1
        return verdict

    def compare(self, key: TemplateKey, verdict: Verdict | None, evidence: str, *, is_order: bool = False) -> None:
        """Take what the full path answered; None where it asked back, or where its answer fits this text only.

        Readings of the same `evidence` count once. `is_order`: the words order a change, whatever was read.
        """
        standing = self._standing(key)
        if standing.is_demoted:
            return
        known = standing.verdict
        if verdict is None or (known is not None and known.name is not verdict.name):
            self._demote(key, standing)
            return
        if standing.is_promoted:
            return
        if verdict.confidence < SURE_MIN:
            self._demote(key, standing)
            return
        standing.seen.add(hash(evidence))
        if known is None or verdict.confidence < known.confidence:
            standing.verdict = verdict
        self.counts["agreed"] += 1
        is_changing = is_order or INTENTS[verdict.name].effect in (Effect.WRITE, Effect.DESTROY)
        if len(standing.seen) >= (self._agreements_changing if is_changing else self._agreements):
            standing.is_promoted = True
            standing.seen = set()
            self.counts["promoted"] += 1

    def state(self) -> dict[str, int]:
        """How many templates are known, promoted and demoted here, and what was done since the start."""
        standings = [standing for _, standing in self._standings.items()]
        return {
            "known": len(standings),
            "serving": sum(one.is_promoted for one in standings),
            "taken_back": sum(one.is_demoted for one in standings),
            **{name: self.counts[name] for name in ("agreed", "promoted", "demoted", "served", "checked")},
        }

    # What the log of invalidations says.

    def drop(self, tags: Iterable[str]) -> None:
        """Forget what carries any of `tags`; what was demoted stays so, unless all intents are meant."""
        named = set(tags)
        if INTENT_TAG in named or EVERYTHING in named:
            self.drop_all()
            return
        named = {tag for tag in named if tag.startswith(TEMPLATE_TAG_PREFIX)}
        if named:
            for key in [key for key, one in self._standings.items() if key.tag in named and not one.is_demoted]:
                del self._standings[key]

    def drop_all(self) -> None:
        """Forget every standing."""
        self._standings.clear()

    def _standing(self, key: TemplateKey) -> _Standing:
        standing = self._standings.get(key)
        if standing is None:
            standing = self._standings[key] = _Standing()
        return standing

    def _may_ask(self, standing: _Standing) -> bool:
        now_s = self._clock_s()
        if now_s < standing.ask_again_s:
            return False
        standing.ask_again_s = now_s + SHARED_ASKED_EVERY_S
        return True

    def _demote(self, key: TemplateKey, standing: _Standing) -> None:
        had_served = standing.is_promoted
        standing.is_promoted, standing.is_demoted = False, True
        standing.verdict, standing.seen = None, set()
        self.counts["demoted"] += 1
        if had_served and self._on_demoted is not None:
            self._on_demoted(key)
