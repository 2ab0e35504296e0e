"""Templates earn their trust: they serve after agreements, are checked ever after, and fall at the first doubt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from opswire.contracts.taxonomy import IntentName
from opswire.intent.adapters.verdict_codec import VerdictCodec
from opswire.intent.usecases.shadow import (
    CHECKED_EVERY,
    SHARED_ASKED_EVERY_S,
    Shadow,
    TemplateKey,
    Verdict,
)

KEY = TemplateKey("v1", "is {service:other} up")
UP = Verdict(IntentName.STATUS_CHECK, 0.9)
OTHER = Verdict(IntentName.LOGS_SEARCH, 0.95)
RESTART = Verdict(IntentName.SERVICE_RESTART, 0.99)


class Kept:
    """What all processes share. `outcome` is what a hit is called."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[Verdict, list[str]]] = {}
        self.asked = 0
        self.is_bypassed = False

    async def read(self, key: str, load: Callable[[], Awaitable[tuple[Verdict, list[str]]]]) -> tuple[Verdict, str]:
        self.asked += 1
        if self.is_bypassed:
            return (await load())[0], "bypass"
        if key not in self.entries:
            self.entries[key] = await load()
            return self.entries[key][0], "miss"
        return self.entries[key][0], "shared"

    def drop(self, tag: str) -> None:
        self.entries = {key: entry for key, entry in self.entries.items() if tag not in entry[1]}


class Scene:
    def __init__(self, kept: Kept | None = None) -> None:
        self.kept = kept or Kept()
        self.now_s = 100.0
        self.demoted: list[TemplateKey] = []
        self.shadow = Shadow(self.kept, 3, 5, self.demoted.append, lambda: self.now_s)

    def agree(self, verdict: Verdict = UP, count: int = 3, **more: Any) -> None:
        for number in range(count):
            self.shadow.compare(KEY, verdict, f"text {number}", **more)


async def test_a_template_serves_after_its_agreements_and_not_before() -> None:
    scene = Scene()
    for number in range(3):
        assert await scene.shadow.find(KEY) is None
        scene.shadow.compare(KEY, UP, f"text {number}")
    assert await scene.shadow.find(KEY) == UP
    assert scene.kept.entries[KEY.text] == (UP, ["intent", "template:is {service:other} up"])


async def test_the_same_text_agrees_with_itself_once() -> None:
    scene = Scene()
    for _ in range(20):
        scene.shadow.compare(KEY, UP, "the same")
    assert await scene.shadow.find(KEY) is None


async def test_it_serves_the_least_confident_of_what_agreed() -> None:
    scene = Scene()
    for number, confidence in enumerate((0.9, 0.82, 0.97)):
        scene.shadow.compare(KEY, Verdict(UP.name, confidence), f"text {number}")
    assert await scene.shadow.find(KEY) == Verdict(UP.name, 0.82)


@pytest.mark.parametrize(
    "doubt", [OTHER, None, Verdict(UP.name, 0.79)], ids=["another intent", "a question back", "an unsure reading"]
)
async def test_one_doubt_before_the_promotion_ends_it(doubt: Verdict | None) -> None:
    scene = Scene()
    scene.agree(count=2)
    scene.shadow.compare(KEY, doubt, "doubt")
    scene.agree(count=10)
    assert await scene.shadow.find(KEY) is None
    assert scene.demoted == []  # it never served: nobody has anything to take back
    assert scene.shadow.state()["taken_back"] == 1


@pytest.mark.parametrize(("verdict", "more"), [(RESTART, {}), (UP, {"is_order": True})], ids=["intent", "words"])
async def test_what_would_change_something_needs_more(verdict: Verdict, more: dict[str, Any]) -> None:
    scene = Scene()
    scene.agree(verdict, 4, **more)
    assert await scene.shadow.find(KEY) is None
    scene.shadow.compare(KEY, verdict, "the fifth", **more)
    assert await scene.shadow.find(KEY) == verdict


async def served(scene: Scene) -> int:
    """How many requests in a row it serves."""
    count = 0
    while await scene.shadow.find(KEY) is not None:
        count += 1
        assert count <= CHECKED_EVERY
    return count


async def test_while_it_serves_some_are_checked_and_a_contradiction_takes_it_back() -> None:
    scene = Scene()
    scene.agree()
    assert await served(scene) == CHECKED_EVERY - 1
    scene.shadow.compare(KEY, UP, "checked")
    assert await served(scene) == CHECKED_EVERY - 1
    scene.shadow.compare(KEY, OTHER, "checked and found wrong")
    assert await scene.shadow.find(KEY) is None
    assert scene.demoted == [KEY]


async def test_another_process_serves_what_one_has_promoted() -> None:
    first, second = Scene(), Scene()
    second.shadow = Shadow(first.kept, 3, 5, second.demoted.append, lambda: second.now_s)
    assert await second.shadow.find(KEY) is None
    first.agree()
    assert await first.shadow.find(KEY) == UP
    assert await second.shadow.find(KEY) is None  # it has just asked
    second.now_s += SHARED_ASKED_EVERY_S
    assert await second.shadow.find(KEY) == UP


async def test_who_never_promoted_takes_back_as_well_and_its_own_invalidation_does_not_forgive() -> None:
    first, second = Scene(), Scene()
    second.shadow = Shadow(first.kept, 3, 5, second.demoted.append, lambda: second.now_s)
    first.agree()
    await first.shadow.find(KEY)
    assert await served(second) == CHECKED_EVERY - 1
    second.shadow.compare(KEY, OTHER, "checked")
    assert second.demoted == [KEY]
    first.kept.drop(KEY.tag)
    for scene in (first, second):
        scene.shadow.drop([KEY.tag])
    second.agree(OTHER, 10)
    assert [await scene.shadow.find(KEY) for scene in (first, second)] == [None, None]
    first.now_s += SHARED_ASKED_EVERY_S
    first.agree(OTHER)
    assert await first.shadow.find(KEY) == OTHER  # it begins anew, on evidence of its own


@pytest.mark.parametrize("tag", ["intent", "all", KEY.tag])
async def test_an_invalidation_begins_anew(tag: str) -> None:
    scene = Scene()
    scene.agree()
    assert await scene.shadow.find(KEY) == UP
    scene.kept.drop(KEY.tag)
    scene.shadow.drop(["asset:a1", tag])
    assert await scene.shadow.find(KEY) is None
    scene.shadow.drop(["asset:a1"])
    scene.now_s += SHARED_ASKED_EVERY_S
    scene.agree(OTHER)
    assert await scene.shadow.find(KEY) == OTHER


async def test_a_load_that_an_invalidation_overtook_brings_nothing_back() -> None:
    scene = Scene()
    scene.agree()
    read = scene.kept.read

    async def overtaken(key: str, load: Any) -> tuple[Verdict, str]:
        scene.shadow.drop([KEY.tag])
        return await read(key, load)

    scene.kept.read = overtaken  # type: ignore[method-assign]
    assert await scene.shadow.find(KEY) is None
    assert scene.kept.entries == {}


async def test_outside_the_lease_no_template_serves() -> None:
    scene = Scene()
    scene.agree()
    scene.kept.is_bypassed = True
    assert await scene.shadow.find(KEY) is None


async def test_another_version_of_what_reads_begins_anew() -> None:
    scene = Scene()
    scene.agree()
    assert await scene.shadow.find(KEY) == UP
    assert await scene.shadow.find(TemplateKey("v2", KEY.template)) is None


async def test_an_unpromoted_template_costs_hardly_a_question_to_the_others() -> None:
    scene = Scene()
    for _ in range(50):
        await scene.shadow.find(KEY)
    assert scene.kept.asked == 1


def test_a_verdict_is_written_and_read_and_foreign_bytes_are_refused() -> None:
    codec = VerdictCodec()
    assert codec.decode(codec.encode(UP)) == UP
    for data in (b"", b"[]", b"{}", b'["status.check",2]', b'["status.take",1]', b"7", b'["status.check",null]'):
        with pytest.raises(ValueError, match=r".*"):
            codec.decode(data)
