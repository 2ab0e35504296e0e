"""OpenAI's batch file: one call a line in, one answer a line out. vLLM's runner reads and writes the same lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from opswire.chassis.inference.batch.items import BatchItem, BatchResult, Failure
from opswire.chassis.inference.call import Usage
from opswire.chassis.inference.capabilities import capabilities_of
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.schemas import fitted

PATH = "/v1/chat/completions"
_REFUSED_BY_STATUS = frozenset(range(400, 500)) - {408, 409, 425, 429}
_LATER_NAME = frozenset({"openai", "azure_openai"})
"""Providers whose newer models refuse `max_tokens`."""


def to_lines(items: Iterable[BatchItem], endpoint: Endpoint) -> bytes:
    """The file of a batch, for this endpoint's model."""
    return b"".join(
        orjson.dumps({"custom_id": item.custom_id, "method": "POST", "url": PATH, "body": chat_body(item, endpoint)})
        + b"\n"
        for item in items
    )


def chat_body(item: BatchItem, endpoint: Endpoint) -> dict[str, Any]:
    """One item as a chat completion."""
    limit = "max_completion_tokens" if endpoint.provider in _LATER_NAME else "max_tokens"
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [{"role": message.role, "content": message.content} for message in item.messages],
        limit: item.max_tokens,
    }
    known = capabilities_of(endpoint.provider, endpoint.base_url, endpoint.model)
    temperature = endpoint.temperature if item.temperature is None else item.temperature
    if temperature is not None and known.takes_temperature(endpoint.model):
        body["temperature"] = temperature
    if item.json_schema is not None:
        shape = {"name": item.schema_name or "reply", "strict": True, "schema": fitted(item.json_schema, known)}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    return body


def read_lines(content: bytes) -> Iterator[BatchResult]:
    """The results in an output or error file. A line that cannot be read is left out: its item counts as lost."""
    for line in content.splitlines():
        if not line.strip():
            continue
        try:
            found = orjson.loads(line)
            custom_id = found["custom_id"]
        except (ValueError, LookupError, TypeError):
            continue
        if isinstance(custom_id, str):
            yield _result(custom_id, found)


def _result(custom_id: str, line: dict[str, Any]) -> BatchResult:
    error, response = line.get("error"), line.get("response") or {}
    status = response.get("status_code", 200 if error is None else 500)
    body = response.get("body") or {}
    said = error or (body.get("error") if isinstance(body, dict) else None)
    if isinstance(said, dict) and isinstance(said.get("error"), dict):
        said = said["error"]  # vLLM's runner wraps it once more
    if said or status >= 300:
        return BatchResult(custom_id, None, failure=_failure(status, said), detail=_words(said) or f"HTTP {status}")
    try:
        choice = body["choices"][0]
        text = choice["message"]["content"]
        usage = usage_of(body.get("usage") or {})
        if not isinstance(text, str):
            raise TypeError("no text")
    except (LookupError, TypeError, AttributeError):
        return BatchResult(custom_id, None, failure=Failure.BROKEN, detail="the answer holds no text")
    return BatchResult(custom_id, text, str(choice.get("finish_reason") or "stop"), usage, str(body.get("model") or ""))


def _failure(status: int, said: Any) -> Failure:
    code = str(said.get("code") or "") if isinstance(said, dict) else ""
    if "expired" in code:
        return Failure.EXPIRED
    if "cancel" in code:
        return Failure.CANCELLED
    return Failure.REFUSED if status in _REFUSED_BY_STATUS else Failure.BROKEN


def _words(said: Any) -> str:
    text = said.get("message") or said.get("code") if isinstance(said, dict) else said
    return " ".join(str(text).split())[:300] if text else ""


def usage_of(found: dict[str, Any]) -> Usage:
    """Tokens as OpenAI's protocol counts them."""
    details = found.get("prompt_tokens_details") or {}
    return Usage(
        _count(found.get("prompt_tokens")),
        _count(found.get("completion_tokens")),
        _count(details.get("cached_tokens")),
        _count(details.get("cache_write_tokens")),
    )


def _count(found: object) -> int:
    return found if isinstance(found, int) and found > 0 else 0
