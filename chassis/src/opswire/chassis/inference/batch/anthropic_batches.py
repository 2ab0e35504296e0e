"""Anthropic's message batches. They carry no label of ours, so the custom ids do, and are turned back here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opswire.chassis.inference.batch.items import BatchItem, BatchResult, Failure
from opswire.chassis.inference.batch.transport import BatchStatus, Handed
from opswire.chassis.inference.call import Usage
from opswire.chassis.inference.capabilities import PromptCaching, capabilities_of
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.schemas import fitted

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_EARLIER_S = 3_600
_FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "refusal": "content_filter"}
_FAILURES = {"errored": Failure.BROKEN, "canceled": Failure.CANCELLED, "expired": Failure.EXPIRED}
_REFUSALS = frozenset({"invalid_request_error", "request_too_large", "not_found_error", "permission_error"})


class AnthropicBatches:
    """Anthropic's /v1/messages/batches."""

    items_max = 100_000

    def __init__(self, endpoint: Endpoint, look_again_s: float = 5.0) -> None:
        """Connects at the first call. `look_again_s`: between two questions while a lost batch is looked for."""
        self._endpoint, self._look_again_s = endpoint, look_again_s
        self._opened: AsyncAnthropic | None = None

    @property
    def identity(self) -> str:
        """See BatchTransport."""
        return f"anthropic {self._endpoint.base_url} {self._endpoint.model}"

    async def submit(self, handed: Handed, /) -> str:
        """See BatchTransport."""
        requests: Any = [
            {"custom_id": f"{handed.label}-{number}", "params": message_params(item, self._endpoint)}
            for number, item in enumerate(handed.items)
        ]
        with _our_errors(self._endpoint):
            return (await self._client().messages.batches.create(requests=requests)).id

    async def find(self, handed: Handed, /) -> str | None:
        """See BatchTransport. Only results show custom ids: a batch of this time and size is waited for, then read."""
        oldest = datetime.fromtimestamp(handed.since_ns / 1e9 - _EARLIER_S, UTC)
        with _our_errors(self._endpoint):
            async for batch in self._client().messages.batches.list(limit=100):
                if batch.created_at < oldest:
                    return None
                counts = batch.request_counts
                total = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
                if total == len(handed.items) and await self._is_ours(batch.id, handed.label):
                    return batch.id
        return None

    async def poll(self, batch_id: str, /) -> BatchStatus:
        """See BatchTransport."""
        with _our_errors(self._endpoint):
            batch = await self._client().messages.batches.retrieve(batch_id)
        return BatchStatus(batch.processing_status == "ended", batch.request_counts.succeeded)

    async def collect(self, batch_id: str, handed: Handed, /) -> AsyncIterator[BatchResult]:
        """See BatchTransport."""
        with _our_errors(self._endpoint):
            async for line in await self._client().messages.batches.results(batch_id):
                number = line.custom_id.rpartition("-")[2]
                if number.isdecimal() and int(number) < len(handed.items):
                    yield _result(handed.items[int(number)].custom_id, line.result)

    async def close(self) -> None:
        """See BatchTransport."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    async def _is_ours(self, batch_id: str, label: str) -> bool:
        while True:
            if (await self.poll(batch_id)).is_ended:
                break
            await asyncio.sleep(self._look_again_s)
        async for line in await self._client().messages.batches.results(batch_id):
            return line.custom_id.startswith(f"{label}-")
        return False

    def _client(self) -> AsyncAnthropic:
        if self._opened is None:
            import anthropic

            key = self._endpoint.api_key
            # No retries of the SDK's own: a repeated `create` would make a second batch.
            self._opened = anthropic.AsyncAnthropic(
                api_key=key.get_secret_value() if key else "none",
                base_url=self._endpoint.base_url.removesuffix("/v1"),
                max_retries=0,
                timeout=anthropic.Timeout(600.0, connect=self._endpoint.connect_timeout_s),
            )
        return self._opened


def message_params(item: BatchItem, endpoint: Endpoint) -> dict[str, Any]:
    """One item as a message. The end of its stable prefix is marked for the cache, which batches share."""
    known = capabilities_of(endpoint.provider, endpoint.base_url, endpoint.model)
    is_marked = known.prompt_caching in (PromptCaching.EXPLICIT, PromptCaching.HYBRID)
    stable = [message for message in item.messages if message.is_stable]
    # Two characters a token is denser than text gets: a shorter prefix is under the minimum for certain.
    last = stable[-1] if is_marked and stable else None
    if not known.saves_by_caching(sum(len(message.content) for message in stable) // 2, endpoint.model):
        last = None
    blocks = [(message.role, _block(message.content, message is last)) for message in item.messages]
    params: dict[str, Any] = {
        "model": endpoint.model,
        "max_tokens": item.max_tokens,
        "messages": [{"role": role, "content": [block]} for role, block in blocks if role != "system"],
    }
    temperature = endpoint.temperature if item.temperature is None else item.temperature
    if temperature is not None and known.takes_temperature(endpoint.model):
        params["temperature"] = temperature
    system = [block for role, block in blocks if role == "system"]
    if system:
        params["system"] = system
    if item.json_schema is not None:
        params["output_config"] = {"format": {"type": "json_schema", "schema": fitted(item.json_schema, known)}}
    return params


def _block(text: str, is_marked: bool) -> dict[str, Any]:
    return {"type": "text", "text": text} | ({"cache_control": {"type": "ephemeral"}} if is_marked else {})


def _result(custom_id: str, found: Any) -> BatchResult:
    if found.type != "succeeded":
        said = getattr(getattr(found, "error", None), "error", None)
        kind = getattr(said, "type", "")
        failure = Failure.REFUSED if kind in _REFUSALS else _FAILURES.get(found.type, Failure.BROKEN)
        return BatchResult(custom_id, None, failure=failure, detail=str(getattr(said, "message", found.type))[:300])
    message = found.message
    text = "".join(block.text for block in message.content if block.type == "text")
    used = message.usage
    read, written = used.cache_read_input_tokens or 0, used.cache_creation_input_tokens or 0
    usage = Usage(used.input_tokens + read + written, used.output_tokens, read, written)
    finish = _FINISH.get(message.stop_reason or "end_turn", str(message.stop_reason))
    return BatchResult(custom_id, text, finish, usage, str(message.model))


@contextmanager
def _our_errors(endpoint: Endpoint) -> Iterator[None]:
    import anthropic
    import httpx2
    from opswire.chassis.inference.failures import of_connection, of_sdk

    try:
        yield
    except anthropic.APIError as error:
        raise of_sdk(endpoint, error) from error
    except httpx2.HTTPError as error:
        raise of_connection(endpoint, error) from error
