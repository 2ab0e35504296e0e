"""From what the processes said to what is shown: one entry per cache, one per process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opswire.cache.http.models import (
    CacheAnswer,
    Counts,
    HolderAnswer,
    HolderName,
    InvalidateAnswer,
    NamedCounts,
    TopKey,
)
from opswire.cache.usecases.statistics import COUNTERS, SILENT_AFTER_S, Heard, Statistics, add, hit_rate
from opswire.chassis.caching.log import LEASE_S, MARGIN_S
from opswire.contracts.cache_statistics_reported.v1 import CacheStatistics
from opswire.contracts.invalidation_acknowledged import InvalidationAcknowledged

TOP_KEYS_SHOWN = 20
FENCED_AFTER_MS = (LEASE_S + MARGIN_S) * 1_000
"""How long after an invalidation was read a holder that has not heard of it may serve, at most."""


def invalidation_shown(done: InvalidationAcknowledged, tags: Sequence[str], note: str = "") -> InvalidateAnswer:
    """An invalidation of these tags that is in force everywhere, and how that is known."""
    return InvalidateAnswer(
        nonce=done.nonce,
        tags=list(tags),
        by="holders" if done.holders and not done.late else "lease",
        took_ms=round(done.took_ms, 3),
        sequence=done.sequence,
        holders=[HolderName(holder_id=one.holder_id, service=one.service) for one in done.holders],
        late=[HolderName(holder_id=one.holder_id, service=one.service) for one in done.late],
        fenced_after_ms=FENCED_AFTER_MS if done.late else 0.0,
        note=note,
    )


def caches_shown(statistics: Statistics) -> list[CacheAnswer]:
    """Every cache that a process spoke of within the last minute."""
    found: dict[str, list[tuple[str, CacheStatistics]]] = {}
    for heard, _ in statistics.holders():
        for cache in heard.report.caches:
            found.setdefault(cache.cache, []).append((heard.report.service, cache))
    return [_cache(name, parts) for name, parts in sorted(found.items())]


def _cache(name: str, parts: list[tuple[str, CacheStatistics]]) -> CacheAnswer:
    totals: dict[str, int] = {}
    services: dict[str, dict[str, int]] = {}
    families: dict[str, dict[str, int]] = {}
    for service, part in parts:
        for family in part.families:
            counts = {counter: int(getattr(family, counter)) for counter in COUNTERS}
            add(totals, counts)
            add(services.setdefault(service, {}), counts)
            add(families.setdefault(family.family, {}), counts)
    caches = [part for _, part in parts]
    checked, wrong = sum(one.checked for one in caches), sum(one.wrong for one in caches)
    keys = [TopKey(service=service, key=key.key, hits=key.hits) for service, part in parts for key in part.top_keys]
    return CacheAnswer(
        name=name,
        is_on=all(one.is_on for one in caches),
        off_reason="; ".join(sorted({one.off_reason for one in caches if one.off_reason})),
        entries=sum(one.entries for one in caches),
        bytes=sum(one.bytes for one in caches),
        oldest_age_s=max((one.oldest_age_s for one in caches), default=0.0),
        checked=checked,
        wrong=wrong,
        wrong_hit_rate=wrong / checked if checked else None,
        counts=Counts(hit_rate=hit_rate(totals), **totals),
        services=_named(services),
        families=_named(families),
        top_keys=sorted(keys, key=lambda key: -key.hits)[:TOP_KEYS_SHOWN],
    )


def _named(found: dict[str, dict[str, int]]) -> list[NamedCounts]:
    return [NamedCounts(name=name, hit_rate=hit_rate(counts), **counts) for name, counts in sorted(found.items())]


def holders_shown(holders: Iterable[tuple[Heard, float]]) -> list[HolderAnswer]:
    """Every process that was heard of within the last minute."""
    return [
        HolderAnswer(
            holder_id=heard.report.holder_id,
            service=heard.report.service,
            state=_state(heard, ago_s),
            applied=heard.report.applied,
            heard_s_ago=round(ago_s, 3),
            started_ns=heard.report.started_ns,
            is_shared_away=heard.report.is_shared_away,
        )
        for heard, ago_s in holders
    ]


def _state(heard: Heard, ago_s: float) -> str:
    """A silent process may live or not: its lease, a quarter of a second, says the rest."""
    if ago_s >= SILENT_AFTER_S:
        return "silent"
    return "serving" if heard.report.inside_lease else "fenced"
