"""From words to intent: the cache changes where an answer comes from, never entities or risk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.findings import Asset, Requester
from opswire.contracts.intent_resolved import IntentResolved
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.request_submitted import Event, RequestSubmitted
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import FinishStatus, IntentSource, RequesterKind, Risk
from opswire.intent.classifier.model import Guess
from opswire.intent.errors import UnclearRequestError
from opswire.intent.language.names import NameIndex
from opswire.intent.usecases.answer_request import AnswerRequest, Arrival
from opswire.intent.usecases.find_intent import FindIntent, Reading
from opswire.intent.usecases.shadow import Shadow


class Words:
    """A classifier that knows one word, and how often it was asked."""

    digest = "d" * 64

    def __init__(self, probability: float = 0.9) -> None:
        self.probability = probability
        self.asked: list[str] = []

    def known_share(self, text: str) -> float:
        return 0.0 if "lösche" in text else 1.0

    def classify(self, text: str) -> list[Guess]:
        self.asked.append(text)
        first = IntentName.SERVICE_RESTART if "restart" in text else IntentName.STATUS_CHECK
        rest = (1 - self.probability) / 3
        others = (IntentName.OUT_OF_SCOPE, IntentName.ASSET_LIST, IntentName.LOGS_SEARCH)
        return [Guess(first, self.probability), *(Guess(name, rest) for name in others)]


class Remembering:
    def __init__(self) -> None:
        self.entries: dict[str, Reading] = {}

    async def read(self, key: str, load: Callable[[], Awaitable[tuple[Reading, list[str]]]]) -> tuple[Reading, str]:
        if key in self.entries:
            return self.entries[key], "memory"
        reading, tags = await load()
        assert tags == ["intent"]
        self.entries[key] = reading
        return reading, "miss"


def index() -> NameIndex:
    names = NameIndex()
    hosts = [("web-01", "production", "critical"), ("web-09", "test", "low"), ("web-10", "test", "low")]
    for number, (name, environment, criticality) in enumerate(hosts):
        asset = Asset(id=f"a{number}", name=name, type="host", environment=environment, criticality=criticality)
        names.apply(AssetChanged(asset_id=asset.id, kind="created", generation=1, asset=asset, changed_ns=1))
    return names


async def test_the_second_asking_is_answered_by_the_cache_with_its_own_entities() -> None:
    words = Words()
    find = FindIntent(index(), words, Remembering(), 0.5)
    first = await find("is web-09 up")
    second = await find("Is web-10 up?")
    assert (first.source, second.source) == (IntentSource.LOCAL, IntentSource.CACHE)
    assert len(words.asked) == 1
    assert [[one.value for one in found.entities] for found in (first, second)] == [["web-09"], ["web-10"]]
    assert first.name is second.name is IntentName.STATUS_CHECK


async def test_risk_is_of_this_request_and_never_of_the_cache() -> None:
    names, words, cache = index(), Words(), Remembering()
    find = FindIntent(names, words, cache, 0.5)
    before = await find("restart web-09")
    asset = Asset(id="a1", name="web-09", type="host", environment="production", criticality="critical", generation=2)
    names.apply(AssetChanged(asset_id="a1", kind="updated", generation=2, asset=asset, changed_ns=2))
    after = await FindIntent(names, words, _Always(cache), 0.5)("restart web-09")
    assert after.source is IntentSource.CACHE
    assert after.risk.rank > before.risk.rank
    assert after.risk.rank >= Risk.HIGH.rank


class _Always:
    """A cache in which every key holds the same reading."""

    def __init__(self, cache: Remembering) -> None:
        self._reading = next(iter(cache.entries.values()))

    async def read(self, key: str, load: Callable[[], Awaitable[tuple[Reading, list[str]]]]) -> tuple[Reading, str]:
        return self._reading, "shared"


async def test_below_the_threshold_it_asks_back_also_when_the_cache_remembers() -> None:
    find = FindIntent(index(), Words(0.4), Remembering(), 0.5)
    for _ in range(2):
        with pytest.raises(UnclearRequestError) as caught:
            await find("web-09 please")
        values = [one.value for one in caught.value.candidates]
        assert values == ["status.check", "asset.list"]  # three readings, and out of scope is nobody's choice
        assert all(one.kind == "intent" and one.label for one in caught.value.candidates)
        assert "Did you mean" in str(caught.value)
        assert caught.value.status is FinishStatus.NEEDS_CLARIFICATION


async def test_another_classifier_does_not_read_this_ones_memory() -> None:
    cache, other = Remembering(), Words()
    other.digest = "e" * 64
    await FindIntent(index(), Words(), cache, 0.5)("is web-09 up")
    assert (await FindIntent(index(), other, cache, 0.5)("is web-09 up")).source is IntentSource.LOCAL


async def test_long_requests_have_bounded_keys_of_their_own() -> None:
    cache, words = Remembering(), Words()
    find = FindIntent(index(), words, cache, 0.5)
    await find("check " + "x" * 7_000 + " a")
    await find("check " + "x" * 7_000 + " b")
    assert len(words.asked) == 2
    assert max(map(len, cache.entries)) < 300


def request(**fields: object) -> RequestSubmitted:
    requester = Requester(id="dana", kind=RequesterKind.HUMAN)
    return RequestSubmitted.model_validate({"request_id": "r1", "requester": requester} | fields)


def answering() -> AnswerRequest:
    return AnswerRequest(FindIntent(index(), Words(), Remembering(), 0.5), index())


ARRIVAL = Arrival(accepted_ns=1_000, deadline_ns=9_000, received_ns=2_000)


async def test_words_become_an_intent_with_the_times_of_the_request() -> None:
    found = await answering()(request(text="is web-09 up"), ARRIVAL)
    assert isinstance(found, IntentResolved)
    assert (found.text, found.accepted_ns, found.deadline_ns) == ("is web-09 up", 1_000, 9_000)
    assert (found.marks[0].service, found.marks[0].received_ns) == ("intent", 2_000)


def event(status: str) -> Event:
    labels = {"alertname": "restart everything now", "instance": "web-01:9100"}
    return Event(format="alertmanager.v4", payload={"alerts": [{"status": status, "labels": labels}]})


async def test_a_firing_alert_is_diagnosed_by_rule_whatever_its_labels_say() -> None:
    found = await answering()(request(event=event("firing")), ARRIVAL)
    assert isinstance(found, IntentResolved)
    assert (found.intent.name, found.intent.source) == (IntentName.DIAGNOSE_ISSUE, IntentSource.RULE)
    assert [one.name for one in found.alerts] == ["restart everything now"]
    assert [one.value for one in found.intent.entities] == ["web-01"]


async def test_an_event_that_is_over_is_completed_at_once() -> None:
    found = await answering()(request(event=event("resolved")), ARRIVAL)
    assert isinstance(found, RequestFinished)
    assert found.status is FinishStatus.COMPLETED
    assert found.answer.rows == [["restart everything now", "resolved", None, ""]]
    assert found.intent is not None
    assert found.intent.name is IntentName.ALERTS_LIST
    assert RequestFinished.from_bytes(found.to_bytes()) == found


async def test_the_same_words_are_read_anew_once_the_inventory_has_changed() -> None:
    names, words = index(), "is web-09 up?"
    find_intent = FindIntent(names, Words(), Remembering(), 0.5)
    before = await find_intent(words)
    assert await find_intent(words) == before.model_copy(update={"source": IntentSource.CACHE})
    asset = Asset(id="a7", name="web-09 up", type="service", environment="production", criticality="high")
    names.apply(AssetChanged(asset_id=asset.id, kind="created", generation=1, asset=asset, changed_ns=1))
    after = await find_intent(words)
    assert [entity.value for entity in before.entities] == ["web-09"]
    assert [entity.value for entity in after.entities] == ["web-09 up"]


async def test_words_that_nobody_taught_are_asked_about_however_sure_the_classifier_is() -> None:
    find_intent = FindIntent(index(), Words(0.99), Remembering(), 0.5)
    with pytest.raises(UnclearRequestError):
        await find_intent("lösche web-09")


class Verdicts(Remembering):
    """Keeps the verdicts of templates."""

    entries: dict[str, Any]

    async def read(self, key: str, load: Callable[[], Awaitable[tuple[Any, list[str]]]]) -> tuple[Any, str]:
        if key in self.entries:
            return self.entries[key], "memory"
        self.entries[key] = (await load())[0]
        return self.entries[key], "miss"


def in_shadow(names: NameIndex, words: Words, agreements: int = 2) -> FindIntent:
    return FindIntent(names, words, Remembering(), 0.5, shadow=Shadow(Verdicts(), agreements, 300))


def many(count: int = 6) -> NameIndex:
    names = index()
    for number, name in enumerate(("alpha", "beta", "gamma", "delta", "epsilon", "zeta")[:count]):
        asset = Asset(id=f"s{number}", name=name, type="service", environment="test", criticality="low")
        names.apply(AssetChanged(asset_id=asset.id, kind="created", generation=1, asset=asset, changed_ns=1))
    return names


async def test_a_template_that_agreed_serves_with_the_entities_of_each_request() -> None:
    words = Words()
    find = in_shadow(many(), words)
    found = [await find(f"is {name} up") for name in ("alpha", "beta", "gamma", "delta")]
    assert [one.source for one in found] == [IntentSource.LOCAL] * 2 + [IntentSource.CACHE] * 2
    assert words.asked == ["is alpha up", "is beta up"]
    assert [one.entities[0].value for one in found] == ["alpha", "beta", "gamma", "delta"]
    assert {(one.name, one.confidence) for one in found} == {(IntentName.STATUS_CHECK, 0.9)}


async def test_what_orders_a_change_is_read_in_full_for_long() -> None:
    words = Words()
    find = in_shadow(many(), words)
    for name in ("alpha", "beta", "gamma", "delta"):
        assert (await find(f"restart {name}")).source is IntentSource.LOCAL
    assert len(words.asked) == 4


async def test_a_question_back_keeps_a_template_from_serving() -> None:
    words = Words()
    find = in_shadow(many(), words)
    words.probability = 0.4
    with pytest.raises(UnclearRequestError):
        await find("is alpha up")
    words.probability = 0.9
    found = [(await find(f"is {name} up")).source for name in ("beta", "gamma", "delta", "epsilon")]
    assert found == [IntentSource.LOCAL] * 4


async def test_risk_is_of_the_name_as_it_is_now_also_behind_a_template() -> None:
    names, words = many(), Words()
    find = FindIntent(names, words, Remembering(), 0.5, shadow=Shadow(Verdicts(), 1, 1))
    before = [await find(f"restart {name}") for name in ("alpha", "beta")]
    asset = Asset(id="s2", name="gamma", type="service", environment="production", criticality="critical", generation=2)
    names.apply(AssetChanged(asset_id="s2", kind="updated", generation=2, asset=asset, changed_ns=2))
    after = [await find(f"restart {name}") for name in ("gamma", "delta")]
    assert [one.source for one in (*before, *after)] == [
        IntentSource.LOCAL,
        IntentSource.CACHE,
        IntentSource.LOCAL,  # in production now: another template
        IntentSource.CACHE,
    ]
    assert after[0].risk.rank > before[1].risk.rank


@pytest.mark.parametrize("text", ["restart all of {}", "don't stop {}", "delete {}", "show {} in production"])
async def test_guarded_words_are_never_answered_for_another_name(text: str) -> None:
    words = Words()
    find = FindIntent(many(), words, Remembering(), 0.5, shadow=Shadow(Verdicts(), 1, 1))
    for name in ("alpha", "beta", "gamma"):
        assert (await find(text.format(name))).source is IntentSource.LOCAL
    assert len(words.asked) == 3
