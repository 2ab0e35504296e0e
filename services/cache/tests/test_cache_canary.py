"""The canary: what it measures, and what it says when something is stale or away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from opswire.cache.usecases.canary import READS_MAX, Canary, CanaryError
from opswire.contracts.findings import Asset


@dataclass
class World:
    """An inventory, and caches that answer what they are told to; every step takes a hundredth of a second."""

    answers: list[int | None] = field(default_factory=list)
    is_acknowledged: bool = True
    generation: int = 0
    now_s: float = 0.0
    causes: list[str] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)

    def clock(self) -> float:
        self.now_s += 0.01
        return self.now_s

    async def change(self, name: str, edits: dict[str, Any]) -> Asset | None:
        if not self.generation:
            return None
        self.generation += 1
        self.changes.append(edits)
        return Asset(id="c1", name=name, type="canary", environment="test", generation=self.generation)

    async def create(self, text: str) -> None:
        assert "name: bird" in text
        self.generation = 1

    async def acknowledged(self, cause: str, timeout_s: float) -> bool:
        self.causes.append(cause)
        return self.is_acknowledged

    async def generation_answered(self, asset: str) -> int | None:
        return self.answers.pop(0) if self.answers else self.generation

    def canary(self) -> Canary:
        return Canary("bird", self, self, self.clock, 100)


async def test_the_first_round_makes_the_canary_and_every_round_changes_it() -> None:
    world = World()
    canary = world.canary()
    first, second = await canary.round(), await canary.round()
    assert (first.stale_reads, second.stale_reads) == (0, 0)
    assert second.took_s == pytest.approx(0.01)
    assert world.causes == ["asset:c1@2", "asset:c1@3"]
    assert len({str(change) for change in world.changes}) == 2


async def test_an_old_value_after_the_acknowledgement_is_counted_and_lengthens_the_time() -> None:
    world = World(generation=4, answers=[4, 4, 5])
    found = await world.canary().round()
    assert found.stale_reads == 2
    assert found.took_s == pytest.approx(0.03)


async def test_a_value_that_stays_old_ends_the_round() -> None:
    world = World(generation=4, answers=[4] * (READS_MAX + 5))
    assert (await world.canary().round()).stale_reads == READS_MAX


async def test_a_newer_value_than_ours_is_not_stale() -> None:
    world = World(generation=4, answers=[9])
    assert (await world.canary().round()).stale_reads == 0


@pytest.mark.parametrize(
    ("world", "words"),
    [
        (World(generation=4, is_acknowledged=False), "was not acknowledged"),
        (World(generation=4, answers=[None]), "was not answered with it"),
    ],
)
async def test_a_round_that_comes_to_nothing_says_why(world: World, words: str) -> None:
    with pytest.raises(CanaryError, match=words):
        await world.canary().round()
