"""The model tier through the batch lane: calls that wait for each other go out as one batch, resumable after a kill.

The readers run as they do in the service. When every one of them waits for a reply, what they ask is handed over as
one batch: the first calls of all requests, then the second ones, and so on.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import orjson
from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.backend import Answer
from opswire.chassis.inference.batch.items import BatchItem, BatchProgress, BatchResult, Failure
from opswire.chassis.inference.batch.running import run_batch
from opswire.chassis.inference.batch.transport import BatchTransport, Waiting
from opswire.chassis.inference.call import InferenceCall, OutputSchema, Reply, Usage
from opswire.chassis.inference.cost import cost_usd
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.errors import InferenceRefusedError, InferenceUnavailableError
from opswire.chassis.inference.savings import saved_usd
from opswire.chassis.inference.structured import decoded
from opswire.intent.evaluation.expectations import EvaluationError
from opswire.intent.evaluation.runner import SAID_EVERY_S, Say

Value = TypeVar("Value")
AGAIN = "repeat the same command: it goes on where it was"


@dataclass(frozen=True, slots=True)
class Lane:
    """How batches are handed over and remembered. `is_discounted`: they cost the provider's price of a batch."""

    endpoint: Endpoint
    transport: BatchTransport
    folder: Path
    is_discounted: bool = False
    waiting: Waiting | None = None


class BatchModel:
    """Answers each call when the batch that it is part of is done. `readers` is how many requests may still ask."""

    def __init__(self, lane: Lane, readers: int, say: Say) -> None:
        self._lane, self._readers, self._say = lane, readers, say
        self._waiting: list[tuple[BatchItem, asyncio.Future[BatchResult]]] = []
        self._files: list[Path] = []
        self._running: set[asyncio.Task[None]] = set()
        self._said_s, self._said = 0.0, ""
        self.seen = Usage()

    async def decide(self, call: InferenceCall, schema: OutputSchema[Value]) -> Reply[Value]:
        """The reply, once the batch is done. Raises InferenceRefusedError, InferenceUnavailableError,
        ReplyInvalidError, and EvaluationError where the batch as a whole could not be run to its end."""
        item = _item(call, schema)
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._hand_over_when_all_wait()
        result: BatchResult = await future
        self.seen += result.usage
        if result.text is None:
            raise _failed(result)
        value = decoded(schema, Answer(result.text, result.usage, result.model, result.finish_reason))
        endpoint = self._lane.endpoint
        return Reply(
            value=value,
            text=result.text,
            usage=result.usage,
            cost_usd=self._cost_usd(result.usage),
            endpoint=endpoint.name,
            provider=endpoint.provider,
            model=result.model or endpoint.model,
            finish_reason=result.finish_reason,
            timing=None,
            calls=result.attempts,
        )

    def reader_is_done(self) -> None:
        """One request asks no more."""
        self._readers -= 1
        self._hand_over_when_all_wait()

    def forget(self) -> None:
        """Remove the state files: the run is complete, and the next one asks anew."""
        for path in self._files:
            for name in (path.name, f"{path.name}.results.jsonl", f"{path.name}.lock"):
                path.with_name(name).unlink(missing_ok=True)

    def _cost_usd(self, usage: Usage) -> float | None:
        endpoint = self._lane.endpoint
        cost, saved = cost_usd(endpoint, usage), saved_usd(usage, endpoint, self._lane.is_discounted)
        return None if cost is None or saved is None else cost - saved.by_batch_usd

    def _hand_over_when_all_wait(self) -> None:
        if self._waiting and len(self._waiting) >= self._readers:
            calls, self._waiting = self._waiting, []
            task = asyncio.create_task(self._hand_over(calls))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _hand_over(self, calls: list[tuple[BatchItem, asyncio.Future[BatchResult]]]) -> None:
        # Equal calls are one item; the order decides which state file it is, and tasks have none.
        items = sorted({item.custom_id: item for item, _ in calls}.values(), key=lambda item: item.custom_id)
        name = hashlib.sha256("".join(item.custom_id for item in items).encode()).hexdigest()[:16]
        path = self._lane.folder / f"batch-{name}.json"
        self._files.append(path)
        try:
            found = await run_batch(items, self._lane.transport, path, self._note, self._lane.waiting)
        except OpswireError as error:
            problem = EvaluationError(f"the batch is not done: {error}", AGAIN)
            for _, future in calls:
                if not future.done():
                    future.set_exception(problem)
            return
        for item, future in calls:
            if not future.done():
                future.set_result(found[item.custom_id])

    def _note(self, progress: BatchProgress) -> None:
        now_s = time.monotonic()
        if progress.state == self._said and now_s - self._said_s < SAID_EVERY_S:
            return
        self._said_s, self._said = now_s, progress.state
        failed = f", {progress.failed} failed" if progress.failed else ""
        self._say(f"batch {progress.state}: {progress.answered} of {progress.total} calls answered{failed}")


def _item(call: InferenceCall, schema: OutputSchema[Value]) -> BatchItem:
    said = [call.operation, call.prompt_version, schema.json_schema, *(message.content for message in call.messages)]
    custom_id = hashlib.sha256(orjson.dumps(said)).hexdigest()[:32]
    return BatchItem(custom_id, call.messages, call.max_tokens, call.temperature, schema.name, schema.json_schema)


def _failed(result: BatchResult) -> OpswireError:
    cause = "failed" if result.failure is None else result.failure.value
    sentence = result.detail or f"the batch has no answer: {cause}"
    if result.failure is Failure.REFUSED:
        return InferenceRefusedError(sentence)
    return InferenceUnavailableError(sentence, cause)
