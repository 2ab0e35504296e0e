"""Many requests at once, a bounded number at a time: answers in the order of the requests, progress as it goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from opswire.intent.evaluation.answers import Answer
from opswire.intent.evaluation.expectations import Expectation

Read = Callable[[Expectation], Awaitable[Answer]]
Say = Callable[[str], None]
SAID_EVERY_S = 2.0


class Progress:
    """Says how far a run is, at its end and every two seconds at most."""

    def __init__(self, total: int, say: Say) -> None:
        self._total, self._say = total, say
        self._begun_s = self._said_s = time.monotonic()
        self._done = self._failed = 0

    def note(self, answer: Answer) -> None:
        """One more request is read, or failed."""
        self._done += 1
        self._failed += bool(answer.failure)
        now_s = time.monotonic()
        if self._done == self._total or now_s - self._said_s >= SAID_EVERY_S:
            self._said_s = now_s
            rate = self._done / max(now_s - self._begun_s, 1e-9)
            failed = f", {self._failed} without an intent" if self._failed else ""
            self._say(f"{self._done} of {self._total} requests read{failed}, {rate:.1f}/s")


async def read_all(expectations: Sequence[Expectation], read: Read, concurrency: int, say: Say) -> list[Answer]:
    """Every request read by `read`, which answers for its own failures; what else it raises ends the run."""
    progress = Progress(len(expectations), say)
    found: dict[int, Answer] = {}
    waiting: Iterator[tuple[int, Expectation]] = iter(enumerate(expectations))

    async def work() -> None:
        for index, expected in waiting:
            found[index] = await read(expected)
            progress.note(found[index])

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(expectations))):
                group.create_task(work())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [found[index] for index in range(len(expectations))]
