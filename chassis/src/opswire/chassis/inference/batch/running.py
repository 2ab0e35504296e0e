"""Runs a batch to its end, through kills, partial failures and a provider that is away for a while."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
from opswire.chassis.inference.batch.items import (
    CUSTOM_ID_PATTERN,
    BatchItem,
    BatchProgress,
    BatchResult,
    Failure,
    OnProgress,
)
from opswire.chassis.inference.batch.state import BatchState, Part, is_settled
from opswire.chassis.inference.batch.transport import BatchStatus, BatchTransport, Handed, Waiting
from opswire.chassis.inference.errors import InferenceRefusedError, InferenceTimeoutError, InferenceUnavailableError


async def run_batch(
    items: Sequence[BatchItem],
    transport: BatchTransport,
    state_file: Path,
    on_progress: OnProgress | None = None,
    waiting: Waiting | None = None,
) -> dict[str, BatchResult]:
    """The result of every item by its custom id, in the items' order.

    An item that expired, broke or got lost is handed over again, at most 3 times in all. Called again with the same
    items and state file after a kill, it goes on where it was: nothing is handed over twice, no result is lost. Raises
    ValueError for custom ids that are no ids or not unique, BatchStateError where the file belongs to another batch or
    another process has it, InferenceUnavailableError where the provider stays away (call again later), and
    InferenceRefusedError where it refuses the batch as a whole.
    """
    _check(items)
    with BatchState(state_file, _fingerprint(items, transport.identity)) as state:
        await _Run(items, transport, state, on_progress, waiting or Waiting()).run()
        found = state.results()
    return {item.custom_id: found[item.custom_id] for item in items}


class _Run:
    def __init__(
        self,
        items: Sequence[BatchItem],
        transport: BatchTransport,
        state: BatchState,
        on_progress: OnProgress | None,
        waiting: Waiting,
    ) -> None:
        self._items = {item.custom_id: item for item in items}
        self._transport, self._state, self._waiting = transport, state, waiting
        self._on_progress = on_progress
        self._since_said = 0
        self._stop_s = time.monotonic() + waiting.patience_s

    async def run(self) -> None:
        while True:
            if all(part.is_collected for part in self._state.parts):
                found = self._state.results()
                open_ids = [custom_id for custom_id in self._items if not is_settled(found.get(custom_id))]
                if not open_ids:
                    break
                if self._state.round:
                    await self._waiting.sleep(self._waiting.delay_s(self._state.round - 1))
                most = self._transport.items_max
                self._state.begin_round([open_ids[at : at + most] for at in range(0, len(open_ids), most)])
            for part in self._state.parts:
                await self._submit(part)
            for part in self._state.parts:
                if not part.is_collected:
                    await self._finish(part)
        self._say("done")

    async def _submit(self, part: Part) -> None:
        """Hand a part over exactly once. After any doubt the provider is asked first whether it has it already."""
        handed = self._handed(part)
        errors = 0
        while part.batch_id is None:
            self._say("submitting")
            try:
                if part.is_tried:
                    part.batch_id = await self._transport.find(handed)
                if part.batch_id is None:
                    part.is_tried = True
                    self._state.write()
                    part.batch_id = await self._transport.submit(handed)
            except InferenceUnavailableError as error:
                errors += 1
                await self._pause(errors, error)
        self._state.write()

    async def _finish(self, part: Part) -> None:
        batch_id, expected = part.batch_id or "", set(part.ids)
        errors = 0
        while not part.is_collected:
            try:
                await self._wait(batch_id)
                self._say("collecting")
                async for result in self._transport.collect(batch_id, self._handed(part)):
                    if result.custom_id in expected:
                        self._state.add(part.label, result)
                        self._say_now_and_then()
                part.is_collected = True
            except InferenceRefusedError as error:
                if error.cause != "not_found":
                    raise
                part.is_collected = True  # the provider knows it no more: what is missing counts as lost
            except InferenceUnavailableError as error:
                errors += 1
                await self._pause(errors, error)
        known = self._state.of_part(part)
        for custom_id in part.ids:
            if custom_id not in known:
                lost = BatchResult(
                    custom_id, None, failure=Failure.LOST, detail="the provider's results do not name it"
                )
                self._state.add(part.label, lost)
        self._state.sync()
        self._state.write()

    def _handed(self, part: Part) -> Handed:
        items = [self._items[custom_id] for custom_id in part.ids]
        return Handed(part.label, items, part.since_ns, frozenset(self._state.of_part(part)))

    async def _wait(self, batch_id: str) -> None:
        turn, errors = 0, 0
        while True:
            try:
                status = await self._transport.poll(batch_id)
                errors = 0
            except InferenceUnavailableError as error:
                errors += 1
                await self._pause(errors, error)
                continue
            if status.is_ended:
                return
            self._say("waiting", status)
            if time.monotonic() > self._stop_s:
                raise InferenceTimeoutError(f"batch {batch_id} has not ended; the same call goes on with it later")
            await self._waiting.sleep(self._waiting.delay_s(turn))
            turn += 1

    async def _pause(self, errors: int, error: InferenceUnavailableError) -> None:
        if errors >= self._waiting.errors_max or time.monotonic() > self._stop_s:
            raise error
        await self._waiting.sleep(self._waiting.delay_s(errors - 1, error.retry_after_s))

    def _say_now_and_then(self) -> None:
        """Counting goes through every result: not after each of many."""
        self._since_said += 1
        if self._since_said >= max(1, len(self._items) // 100):
            self._since_said = 0
            self._say("collecting")

    def _say(self, what: str, status: BatchStatus | None = None) -> None:
        if self._on_progress is None:
            return
        found = self._state.results().values()
        answered = sum(result.is_answered for result in found) + (status.answered if status else 0)
        failed = sum(not result.is_answered and is_settled(result) for result in found)
        self._on_progress(BatchProgress(self._state.round, answered, failed, len(self._items), what))


def _check(items: Sequence[BatchItem]) -> None:
    seen: set[str] = set()
    for item in items:
        if not re.fullmatch(CUSTOM_ID_PATTERN, item.custom_id):
            raise ValueError(f"{item.custom_id!r} is no custom id: 1 to 64 letters, digits, _ or -")
        if item.custom_id in seen:
            raise ValueError(f"the custom id {item.custom_id!r} is there twice")
        seen.add(item.custom_id)


def _fingerprint(items: Sequence[BatchItem], identity: str) -> str:
    digest = hashlib.sha256(identity.encode())
    for item in items:
        digest.update(orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE))
    return digest.hexdigest()
