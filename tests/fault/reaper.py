"""Kills processes at random moments and starts them again at once, as a supervisor does."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from opswire.chassis.testing.system import SERVICES, System

VICTIMS = (*SERVICES, "nats")
PAUSE_MEAN_S = 1.2
AWAY_S_MAX = 3.0
WATCH_S = 0.02


class Reaper:
    """Every victim dies once a round, in a random order, at random moments: SIGKILL, and a new start at once.

    Half of the kills fall into the first milliseconds after a burst of requests, when messages are in hand. One in five
    victims stays away for up to three seconds, as one does whose supervisor pauses after a second crash.
    """

    def __init__(self, system: System, bursts: asyncio.Condition, source_of_chance: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self.starts_repeated: Counter[str] = Counter()
        self._system = system
        self._bursts = bursts
        self._random = source_of_chance
        self._away: set[str] = set()

    async def run(self) -> None:
        """Go on until cancelled; whoever is away then is started."""
        async with asyncio.TaskGroup() as group:
            while True:
                victims = list(VICTIMS)
                self._random.shuffle(victims)
                for victim in victims:
                    await self._moment()
                    stays_away = self._random.random() < 0.2
                    if stays_away:
                        self._away.add(victim)
                    self._system.kill(victim)
                    self.kills[victim] += 1
                    if stays_away:
                        group.create_task(self._stay_away(victim, self._random.uniform(0, AWAY_S_MAX)))
                    elif victim not in self._away:
                        self._system.launch(victim)

    async def _moment(self) -> None:
        await asyncio.sleep(min(self._random.expovariate(1 / PAUSE_MEAN_S), 4 * PAUSE_MEAN_S))
        if self._random.random() < 0.5:
            async with self._bursts:
                await self._bursts.wait()
            await asyncio.sleep(self._random.uniform(0, 0.06))

    async def _stay_away(self, victim: str, away_s: float) -> None:
        try:
            await asyncio.sleep(away_s)
        finally:
            self._away.discard(victim)
            self._system.launch(victim)

    async def keep_alive(self) -> None:
        """Start again what ended by itself: a service that finds no broker at its start ends, and is to be repeated."""
        while True:
            for name in VICTIMS:
                if name not in self._away and not self._system.is_running(name):
                    self.starts_repeated[name] += 1
                    self._system.launch(name)
            await asyncio.sleep(WATCH_S)
