"""Batches over OpenAI's files: upload the lines, make a batch of them, read the output and the error file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opswire.chassis.inference.batch.items import BatchItem, BatchResult, Failure
from opswire.chassis.inference.batch.lines import read_lines, to_lines
from opswire.chassis.inference.batch.transport import BatchStatus, Handed
from opswire.chassis.inference.endpoint import Endpoint

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Batch

LABEL = "opswire_label"
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_EARLIER_S = 3_600
"""How much the provider's clock may lag behind ours when a batch is looked for."""


class OpenAiBatches:
    """OpenAI, Azure OpenAI, Groq and who else serves /files and /batches as OpenAI does."""

    items_max = 50_000

    def __init__(self, endpoint: Endpoint) -> None:
        """Imports the SDK; connects at the first call."""
        self._endpoint = endpoint
        self._opened: AsyncOpenAI | None = None

    @property
    def identity(self) -> str:
        """See BatchTransport."""
        return f"openai {self._endpoint.base_url} {self._endpoint.model}"

    async def submit(self, handed: Handed, /) -> str:
        """See BatchTransport. A kill between upload and batch leaves a file behind, never a second batch."""
        with _our_errors(self._endpoint):
            content = to_lines(handed.items, self._endpoint)
            file = await self._client().files.create(file=(f"{handed.label}.jsonl", content), purpose="batch")
            made = await self._client().batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={LABEL: handed.label},
            )
            return made.id

    async def find(self, handed: Handed, /) -> str | None:
        """See BatchTransport. The label is in the batch's metadata."""
        oldest_s = handed.since_ns // 1_000_000_000 - _EARLIER_S
        with _our_errors(self._endpoint):
            async for batch in self._client().batches.list(limit=100):
                if (batch.metadata or {}).get(LABEL) == handed.label:
                    return batch.id
                if batch.created_at < oldest_s:
                    return None
        return None

    async def poll(self, batch_id: str, /) -> BatchStatus:
        """See BatchTransport."""
        with _our_errors(self._endpoint):
            batch = await self._client().batches.retrieve(batch_id)
        counts = batch.request_counts
        return BatchStatus(batch.status in _ENDED, counts.completed if counts else 0)

    async def collect(self, batch_id: str, handed: Handed, /) -> AsyncIterator[BatchResult]:
        """See BatchTransport. What a failed batch says of single lines decides about them; the others may go again."""
        with _our_errors(self._endpoint):
            batch = await self._client().batches.retrieve(batch_id)
            for file_id in (batch.output_file_id, batch.error_file_id):
                if file_id:
                    content = await self._client().files.content(file_id)
                    for result in read_lines(content.content):
                        yield result
        if batch.status == "failed":
            for result in _of_failed(batch, handed.items):
                yield result

    async def close(self) -> None:
        """See BatchTransport."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    def _client(self) -> AsyncOpenAI:
        if self._opened is None:
            import openai

            key = self._endpoint.api_key
            # No retries of the SDK's own: a repeated `create` would make a second batch.
            self._opened = openai.AsyncOpenAI(
                api_key=key.get_secret_value() if key else "none",
                base_url=self._endpoint.base_url,
                max_retries=0,
                timeout=openai.Timeout(600.0, connect=self._endpoint.connect_timeout_s),
            )
        return self._opened


def _of_failed(batch: Batch, items: Sequence[BatchItem]) -> Iterator[BatchResult]:
    errors: list[Any] = list(batch.errors.data or []) if batch.errors else []
    by_line = {error.line: error.message or error.code or "" for error in errors if error.line}
    general = next((error.message or error.code for error in errors if not error.line), None) or "the batch failed"
    for number, item in enumerate(items, 1):
        if number in by_line:
            yield BatchResult(item.custom_id, None, failure=Failure.REFUSED, detail=by_line[number][:300])
        else:
            yield BatchResult(item.custom_id, None, failure=Failure.BROKEN, detail=general[:300])


@contextmanager
def _our_errors(endpoint: Endpoint) -> Iterator[None]:
    import httpx2
    import openai
    from opswire.chassis.inference.failures import of_connection, of_sdk

    try:
        yield
    except openai.APIError as error:
        raise of_sdk(endpoint, error) from error
    except httpx2.HTTPError as error:
        raise of_connection(endpoint, error) from error
