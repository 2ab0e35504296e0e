"""A cache that was found wrong is off in every process, whether one found it or all of them together."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from opswire.cache.usecases.agreement import Agreement
from opswire.cache.usecases.statistics import NEW_NS
from opswire.chassis.caching.holding import WRONG_SHARE_MAX
from opswire.chassis.caching.transparency import COMPARED_MIN, WINDOW
from opswire.chassis.testing.waiting import until, until_told
from opswire.contracts.cache_statistics_reported import CacheStatisticsReported
from opswire.contracts.cache_statistics_reported.v1 import CacheStatistics
from opswire.contracts.caches_invalidated.tags import FOUND_ELSEWHERE, off_tag

NOW_NS = 10 * NEW_NS


def said(holder_id: str, checked: int, wrong: int, off_reason: str = "", started_ns: int = NOW_NS) -> Any:
    cache = CacheStatistics(
        cache="context",
        is_on=not off_reason,
        off_reason=off_reason,
        entries=1,
        bytes=1,
        oldest_age_s=0.0,
        checked=checked,
        wrong=wrong,
        families=[],
    )
    return CacheStatisticsReported(
        holder_id=holder_id,
        service="assets",
        started_ns=started_ns,
        applied=1,
        inside_lease=True,
        caches=[cache],
        at_ns=1,
    )


@pytest.fixture
def agreement() -> Agreement:
    return Agreement(lambda: NOW_NS, WRONG_SHARE_MAX)


def test_wrong_hits_of_several_processes_are_added_up(agreement: Agreement) -> None:
    share = COMPARED_MIN // 2
    assert agreement.hear(said("a", share, 1)) == {}
    assert agreement.hear(said("a", share, 1)) == {}, "what is said twice counts once"
    assert agreement.hear(said("b", share, 0)) == {
        "context": "1 of the last 20 recomputed hits of all processes were wrong"
    }
    assert agreement.hear(said("b", share + 1, 1)) == {}, "it begins anew"


def test_few_wrong_hits_among_many_of_all_processes_are_none_too_many(agreement: Agreement) -> None:
    assert agreement.hear(said("a", WINDOW, 0)) == {}
    assert agreement.hear(said("b", 5, 1)) == {}


def test_only_the_latest_comparisons_decide(agreement: Agreement) -> None:
    for checked in range(WINDOW, 20 * WINDOW, WINDOW):
        assert agreement.hear(said("a", checked, 0)) == {}
    assert agreement.hear(said("a", checked + WINDOW, 3)) != {}


def test_one_process_that_switched_itself_off_is_enough_and_is_said_once(agreement: Agreement) -> None:
    assert agreement.hear(said("a", 0, 0)) == {}
    assert agreement.hear(said("a", 3, 3, "3 of 3 were wrong")) == {"context": "3 of 3 were wrong"}
    assert agreement.hear(said("a", 3, 3, "3 of 3 were wrong")) == {}


def test_a_young_process_may_have_switched_itself_off_before_it_first_spoke(agreement: Agreement) -> None:
    assert agreement.hear(said("a", 3, 3, "3 of 3 were wrong")) == {"context": "3 of 3 were wrong"}


@pytest.mark.parametrize(
    ("before", "then"),
    [
        (said("a", 0, 0), said("a", 0, 0, FOUND_ELSEWHERE + "3 of 3 were wrong")),
        (said("b", 0, 0), said("a", 0, 0, "switched off by the settings")),
        (said("b", 0, 0), said("a", 90, 90, "all were wrong", started_ns=0)),
        (said("a", 50, 0), said("a", 40, 40)),
    ],
    ids=["told by us", "by the settings", "off since before we came", "an older report that came late"],
)
def test_what_says_nothing_new_switches_nothing_off(agreement: Agreement, before: Any, then: Any) -> None:
    assert agreement.hear(before) == {}
    assert agreement.hear(then) == {}
    assert agreement.hear(then) == {}


async def test_what_one_process_finds_wrong_is_off_in_all_and_other_caches_stay_on(
    cache_service: Any, start_holder: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opswire.chassis.caching.cache.GRACE_S", 0.0)
    first, second = await start_holder("assets", check_share=1.0), await start_holder("assets")
    other = await start_holder("intent", cache="intent")
    for holder in (second, other):
        await holder.fill("key", "value", "tag")

    async def is_off() -> bool:
        await first.read("key", secrets.token_hex(4), "tag")  # its source changes, and nobody says so
        first.cache.sample()
        return bool(first.cache.off_reason)

    await until_told(is_off)
    assert not first.cache.off_reason.startswith(FOUND_ELSEWHERE)
    await until(lambda: bool(second.cache.off_reason))
    assert second.cache.off_reason == FOUND_ELSEWHERE + first.cache.off_reason
    assert await second.read("key", "new", "tag") == ("new", "bypass")
    assert other.cache.off_reason == ""

    def is_shown(found: Any) -> bool:
        shown = {cache["name"]: cache for cache in found["caches"]}
        told, counted = shown.get("context", {}), first.cache.transparency
        said = told.get("is_on"), told.get("checked"), told.get("wrong")
        return said == (False, counted.checked, counted.wrong) and shown.get("intent", {}).get("is_on", False)

    await cache_service.until("/cache/stats", is_shown)


async def test_what_only_all_processes_together_find_wrong_is_off_in_all(
    cache_service: Any, start_holder: Callable[..., Any], tell: Callable[..., Any]
) -> None:
    real = await start_holder("assets")
    await real.fill("key", "value", "tag")
    share = COMPARED_MIN // 2
    await tell("assets-a", hits=1, misses=1, checked=share, wrong=1)
    await tell("assets-b", hits=1, misses=1, checked=share, wrong=1)
    await until(lambda: bool(real.cache.off_reason))
    assert real.cache.off_reason == f"{FOUND_ELSEWHERE}2 of the last 20 recomputed hits of all processes were wrong"
    shown = await cache_service.until(
        "/cache/stats", lambda found: any(cache["checked"] == 2 * share for cache in found["caches"])
    )
    assert [cache["wrong_hit_rate"] for cache in shown["caches"] if cache["name"] == "context"] == [0.1]


async def test_nobody_switches_a_cache_off_by_invalidating(cache_service: Any) -> None:
    status, refused = await cache_service.call("POST", "/cache/invalidate", {"tags": [off_tag("context")]})
    assert (status, refused["code"]) == (400, "schema_mismatch")
