"""A batch where the server takes none: its items as single calls in the bulk lane, a few at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol

from opswire.chassis.inference.batch.items import BatchItem, BatchResult, Failure
from opswire.chassis.inference.batch.transport import BatchStatus, Handed
from opswire.chassis.inference.call import InferenceCall, Lane, OutputSchema, Reply
from opswire.chassis.inference.errors import InferenceRefusedError, InferenceUnavailableError, ReplyInvalidError

_REFUSALS_FOR_ALL = frozenset({"credentials", "not_found", "redirect", "unconfigured"})


class Caller(Protocol):
    """What InferenceClient offers of it."""

    async def complete(self, call: InferenceCall) -> Reply[str]:
        """A text."""

    async def decide(self, call: InferenceCall, schema: OutputSchema[Any]) -> Reply[Any]:
        """A reply of that shape."""


class SingleCalls:
    """Asks through an InferenceClient. After a kill only what has no result on disk is asked again."""

    items_max = 1_000_000

    def __init__(
        self, client: Caller, identity: str, operation: str, concurrency: int = 16, timeout_s: float = 600.0
    ) -> None:
        """`identity` says which server and model, for the state file; `timeout_s` is for each call with its waiting."""
        self._client, self._identity, self._operation = client, identity, operation
        self._concurrency, self._timeout_s = concurrency, timeout_s
        self._schemas: dict[int, OutputSchema[str]] = {}

    @property
    def identity(self) -> str:
        """See BatchTransport."""
        return f"calls {self._identity}"

    async def submit(self, handed: Handed, /) -> str:
        """See BatchTransport. Nothing is sent yet."""
        return handed.label

    async def find(self, handed: Handed, /) -> str | None:
        """See BatchTransport."""
        return handed.label

    async def poll(self, _: str, /) -> BatchStatus:
        """See BatchTransport. Results can be collected at once."""
        return BatchStatus(is_ended=True)

    async def collect(self, _: str, handed: Handed, /) -> AsyncIterator[BatchResult]:
        """See BatchTransport. Results come as they are answered."""
        waiting = (item for item in handed.items if item.custom_id not in handed.known)
        running: set[asyncio.Task[BatchResult]] = set()
        try:
            while True:
                for item in waiting:
                    running.add(asyncio.create_task(self._ask(item)))
                    if len(running) >= self._concurrency:
                        break
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def close(self) -> None:
        """The client is its owner's."""

    async def _ask(self, item: BatchItem) -> BatchResult:
        call = InferenceCall(
            operation=self._operation,
            messages=item.messages,
            deadline_ns=time.time_ns() + int(self._timeout_s * 1e9),
            max_tokens=item.max_tokens,
            lane=Lane.BULK,
            temperature=item.temperature,
        )
        try:
            schema = self._schema(item)
            reply = await (self._client.complete(call) if schema is None else self._client.decide(call, schema))
        except InferenceRefusedError as error:
            if error.cause in _REFUSALS_FOR_ALL:
                raise
            return BatchResult(item.custom_id, None, failure=Failure.REFUSED, detail=str(error)[:300])
        except (InferenceUnavailableError, ReplyInvalidError) as error:
            return BatchResult(item.custom_id, None, failure=Failure.BROKEN, detail=str(error)[:300])
        return BatchResult(item.custom_id, reply.text, reply.finish_reason, reply.usage, reply.model)

    def _schema(self, item: BatchItem) -> OutputSchema[str] | None:
        """One object for one schema: the client keeps what it prepares for it."""
        if item.json_schema is None:
            return None
        found = self._schemas.get(id(item.json_schema))
        if found is None or found.json_schema is not item.json_schema:
            found = OutputSchema(item.schema_name or "reply", item.json_schema, bytes.decode)
            self._schemas[id(item.json_schema)] = found
        return found
