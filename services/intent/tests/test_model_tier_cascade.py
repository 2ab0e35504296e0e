"""The cascade: local where that is sure enough, else one model call, else a question; what is kept, and what never."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from obedient_model import CLEAR, HOSTS, ObedientModel, Says, inventory
from opswire.chassis.caching.cache import Cache
from opswire.chassis.inference.errors import (
    InferenceRefusedError,
    InferenceTimeoutError,
    InferenceUnavailableError,
    ReplyInvalidError,
)
from opswire.chassis.metrics import Metrics
from opswire.chassis.testing.steady_log import SteadyLog
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import IntentSource, Risk
from opswire.intent.adapters.opinion_codec import OpinionCodec
from opswire.intent.adapters.reading_codec import ReadingCodec
from opswire.intent.classifier.model import Guess
from opswire.intent.errors import UnclearRequestError
from opswire.intent.handlers.request_submitted import comes_again
from opswire.intent.language.names import NameIndex
from opswire.intent.prompts.library import load_prompts
from opswire.intent.prompts.outputs import Reason
from opswire.intent.usecases.ask_model import AskModel, Opinion
from opswire.intent.usecases.find_intent import FindIntent, Reading
from opswire.intent.usecases.read_by_model import ReadByModel

NS = 10**9
RESTART = CLEAR | {"intent": "service.restart", "risk": "MEDIUM"}


class Words:
    """A classifier that is sure of `is`, unsure of the rest, and knows no German."""

    digest = "d" * 64

    def known_share(self, text: str) -> float:
        return 0.0 if "neu" in text else 1.0

    def classify(self, text: str) -> list[Guess]:
        best = 0.9 if text.startswith("is ") else 0.4
        names = (IntentName.STATUS_CHECK, IntentName.SERVICE_RESTART, IntentName.ASSET_GET, IntentName.OUT_OF_SCOPE)
        return [Guess(name, best if name is names[0] else (1 - best) / 3) for name in names]


class Scene:
    """A cascade with a real cache, whose model says what the test wants."""

    def __init__(self, *says: Says, endpoint: str = "first", **thresholds: float) -> None:
        self.names: NameIndex = inventory(*HOSTS)
        self.model = ObedientModel(*says, endpoint=endpoint)
        self.identity: tuple[str, str] | None = ("first", "vllm/small")
        log: Any = SteadyLog()
        metrics = Metrics()
        reader = ReadByModel(self.model, load_prompts("merged"), self.names)
        opinions: Cache[Opinion] = Cache("intent_model", OpinionCodec(), log, None, metrics, 60)
        readings: Cache[Reading] = Cache("intent", ReadingCodec(), log, None, metrics, 60)
        self.ask_model = AskModel(reader, opinions, lambda: self.identity)
        self.find = FindIntent(self.names, Words(), readings, 0.5, self.ask_model, **thresholds)

    async def __call__(self, text: str, time_s: float = 30) -> Any:
        return await self.find(text, time.time_ns() + int(time_s * NS))


async def test_what_the_classifier_is_sure_of_asks_no_model() -> None:
    scene = Scene(RESTART)
    found = await scene("is web-09 up")
    assert (found.source, found.name) == (IntentSource.LOCAL, IntentName.STATUS_CHECK)
    assert scene.model.calls == []


async def test_what_it_is_not_sure_of_is_one_model_call() -> None:
    scene = Scene(RESTART)
    found = await scene("kick web-09")
    assert (found.source, found.name, found.confidence) == (IntentSource.MODEL, IntentName.SERVICE_RESTART, 0.9)
    assert ([one.value for one in found.entities], found.risk) == (["web-09"], Risk.MEDIUM)
    assert len(scene.model.calls) == 1


async def test_words_that_nobody_taught_go_to_the_model() -> None:
    scene = Scene(RESTART)
    assert (await scene("is doch neu web-09")).source is IntentSource.MODEL


async def test_a_higher_bar_for_the_local_tier_sends_more_to_the_model() -> None:
    scene = Scene(CLEAR, local_suffices_threshold=0.95)
    assert (await scene("is web-09 up")).source is IntentSource.MODEL


@pytest.mark.parametrize("is_wired", [True, False])
async def test_without_a_configured_model_everything_is_as_it_was(is_wired: bool) -> None:
    scene = Scene(RESTART, local_suffices_threshold=0.95)
    scene.identity = None
    if not is_wired:
        scene.find._ask_model = None
    assert (await scene("is web-09 up")).source is IntentSource.LOCAL
    with pytest.raises(UnclearRequestError) as caught:
        await scene("kick web-09")
    assert [one.value for one in caught.value.candidates] == ["status.check", "service.restart", "asset.get"]
    assert scene.model.calls == []


async def test_the_same_template_is_asked_once_and_keeps_its_own_entities_and_risk() -> None:
    scene = Scene(RESTART)
    first, second, third = [await scene(f"kick {name}") for name in ("web-09", "web-09", "web-01")]
    assert (first.source, second.source, third.source) == (IntentSource.MODEL, IntentSource.CACHE, IntentSource.MODEL)
    assert second == first.model_copy(update={"source": IntentSource.CACHE})
    assert (third.risk, [one.value for one in third.entities]) == (Risk.HIGH, ["web-01"])
    assert len(scene.model.calls) == 2  # web-01 is critical and in production: another template


@pytest.mark.parametrize(
    ("said", "added"),
    [
        ({"risk": "CRITICAL"}, []),
        ({"entities": [{"type": "service", "value": "thingamajig"}]}, ["thingamajig"]),
    ],
    ids=["a risk above the floor", "an entity that the grammar had not found"],
)
async def test_what_a_model_adds_is_never_kept_and_never_lost(said: dict[str, Any], added: list[str]) -> None:
    scene = Scene(RESTART | said)
    found = [await scene("kick web-09 thingamajig") for _ in range(2)]
    assert found[0] == found[1]
    assert found[0].source is IntentSource.MODEL
    assert [one.value for one in found[0].entities] == ["web-09", *added]
    assert found[0].risk is Risk(said.get("risk", "MEDIUM"))
    assert len(scene.model.calls) == 2


async def test_the_answer_of_a_fallback_is_not_kept_for_the_first_choice() -> None:
    scene = Scene(RESTART, endpoint="second")
    assert [(await scene("kick web-09")).source for _ in range(2)] == [IntentSource.MODEL] * 2


async def test_another_model_does_not_read_this_ones_memory() -> None:
    scene = Scene(RESTART)
    await scene("kick web-09")
    scene.identity = ("first", "vllm/large")
    assert (await scene("kick web-09")).source is IntentSource.MODEL


async def test_many_at_once_ask_once() -> None:
    scene = Scene(RESTART)
    found = await asyncio.gather(*(scene("kick web-09") for _ in range(20)))
    assert {one.name for one in found} == {IntentName.SERVICE_RESTART}
    assert len(scene.model.calls) == 1


async def test_who_joins_a_call_whose_answer_is_not_kept_asks_for_itself() -> None:
    scene = Scene(RESTART | {"risk": "CRITICAL"})
    found = await asyncio.gather(scene("kick web-09"), scene("Kick web-09!"))
    assert [one.risk for one in found] == [Risk.CRITICAL] * 2
    assert len(scene.model.calls) == 2


async def test_an_unsure_model_asks_back_with_its_own_reading_first() -> None:
    scene = Scene(RESTART | {"confidence": 40, "reason": "several"})
    with pytest.raises(UnclearRequestError) as caught:
        await scene("kick web-09")
    first = caught.value.candidates[0]
    assert (first.value, first.confidence) == ("service.restart", 0.4)
    values = [one.value for one in caught.value.candidates]
    assert len(values) == len(set(values)) == 3
    assert "several things at once" in str(caught.value)


@pytest.mark.parametrize(("confidence", "asks"), [(70, True), (90, False)])
async def test_a_change_that_only_the_model_sees_needs_more_confidence(confidence: int, asks: bool) -> None:
    scene = Scene(CLEAR | {"intent": "data.delete", "confidence": confidence})
    if asks:
        with pytest.raises(UnclearRequestError):
            await scene("kick web-09")
    else:
        assert (await scene("kick web-09")).risk is Risk.CRITICAL
    same_but_seen = Scene(RESTART | {"confidence": confidence})
    assert (await same_but_seen("kick web-09")).name is IntentName.SERVICE_RESTART


async def test_a_reply_that_cannot_be_read_is_a_question_and_not_kept() -> None:
    scene = Scene(ReplyInvalidError("cut", "cut"), RESTART)
    with pytest.raises(UnclearRequestError) as caught:
        await scene("kick web-09")
    assert [one.value for one in caught.value.candidates] == ["status.check", "service.restart", "asset.get"]
    assert (await scene("kick web-09")).source is IntentSource.MODEL


@pytest.mark.parametrize("error", [InferenceUnavailableError("away"), InferenceRefusedError("who are you")])
async def test_a_model_that_is_away_or_refuses_is_an_error_and_not_kept(error: Exception) -> None:
    scene = Scene(error, RESTART)
    with pytest.raises(type(error)):
        await scene("kick web-09")
    assert (await scene("kick web-09")).source is IntentSource.MODEL


@pytest.mark.parametrize(("time_s", "left_s"), [(30, 25), (6, 3)])
async def test_a_call_leaves_time_for_the_services_after_this_one(
    time_s: float, left_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, begun_ns = Scene(RESTART), time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: begun_ns)
    await scene("kick web-09", time_s)
    assert scene.model.calls[0].deadline_ns - begun_ns == left_s * NS


async def test_who_joins_a_longer_call_waits_no_longer_than_its_own_time() -> None:
    scene = Scene(RESTART)
    asked = asyncio.Event()
    answered = asyncio.Event()
    decide = scene.model.decide

    async def held(*arguments: Any) -> Any:
        asked.set()
        await answered.wait()
        return await decide(*arguments)

    scene.model.decide = held  # type: ignore[method-assign]
    patient = asyncio.create_task(scene("kick web-09"))
    await asked.wait()
    with pytest.raises(InferenceTimeoutError):
        await scene("kick web-09", 0.1)
    answered.set()
    assert (await patient).source is IntentSource.MODEL


def test_an_attempt_is_the_last_one_when_the_next_could_come_too_late() -> None:
    now_ns = time.time_ns()
    assert comes_again(1, now_ns + NS)
    assert not comes_again(1, now_ns + NS // 5)
    assert not comes_again(8, now_ns + 14 * NS)
    assert comes_again(8, now_ns + 20 * NS)
    assert not comes_again(25, now_ns + 86_400 * NS)


def test_an_opinion_is_written_and_read_and_foreign_bytes_are_refused() -> None:
    codec = OpinionCodec()
    for opinion in (Opinion(IntentName.ASSET_GET, 0.7, Reason.VAGUE), Opinion(IntentName.ASSET_GET, 1.0, None)):
        assert codec.decode(codec.encode(opinion)) == opinion
    for data in (b"", b"[]", b"{}", b'["asset.get",2,null]', b'["asset.take",1,null]', b'["asset.get",1,"x"]', b"7"):
        with pytest.raises(ValueError, match=r".*"):
            codec.decode(data)
