"""Tells whoever watches a request what is being done, and what a tool prints as it prints it. All of it may be lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from opswire.chassis.sending import Sender
from opswire.contracts.progress_reported import ProgressReported
from opswire.contracts.routes import PROGRESS_REPORTED
from opswire.executor.rules.cells import plain
from opswire.executor.usecases.story import Key

LINE_CHARACTERS_MAX = 1_000
LINES_MAX = 200


class Progress:
    """One per process."""

    def __init__(self, sender: Callable[[], Sender]) -> None:
        self._sender = sender
        self._sending: set[asyncio.Task[None]] = set()

    async def say(self, key: Key, doing: str) -> None:
        """One line. Never raises."""
        subject = PROGRESS_REPORTED.subject(source=key.source, request_id=key.request_id)
        message = ProgressReported(
            request_id=key.request_id,
            service="executor",
            doing=plain(doing, LINE_CHARACTERS_MAX),
            at_ns=time.time_ns(),
        )
        await self._sender().mention(subject, message)

    def output_of(self, key: Key, step: int) -> Callable[[str], None]:
        """What a tool calls with what it prints: the first 200 lines are passed on, then one line says so."""
        lines = 0

        def tell(text: str) -> None:
            nonlocal lines
            for line in text.splitlines():
                lines += 1
                if lines > LINES_MAX:
                    if lines == LINES_MAX + 1:
                        self._begin(key, f"step {step}: more than {LINES_MAX} lines; the rest is in the outcome")
                    return
                self._begin(key, f"step {step}: {line}")

        return tell

    def _begin(self, key: Key, doing: str) -> None:
        task = asyncio.create_task(self.say(key, doing))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
