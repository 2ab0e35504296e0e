"""Every server that speaks OpenAI's chat completions, over the openai SDK's lean path.

The SDK brings authentication, URLs and error types; the request is our bytes and the reply is decoded once, by us:
its typed objects cost more than the call (`just bench inference`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx2
import openai
import orjson
from opswire.chassis.errors import OpswireError
from opswire.chassis.inference import sdk
from opswire.chassis.inference.backend import (
    REFUSED,
    Answer,
    Question,
    count,
    garbage,
    read_object,
    with_schema_in_words,
    word,
)
from opswire.chassis.inference.call import Lane, ServerTiming, Usage
from opswire.chassis.inference.capabilities import Capabilities, StructuredOutput
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.failures import of_connection, of_early_end, of_status, within_stream
from opswire.chassis.inference.schemas import SentSchemas
from opswire.chassis.inference.streaming import StreamedText, events, text_of
from opswire.chassis.inference.transport import ROUND_TRIP

PRIORITIES = {Lane.INTERACTIVE: 0, Lane.BULK: 10}
"""Lower is sooner."""
TIMING_MS_MAX = 86_400_000
# Their newer models refuse the older name of the limit.
_COMPLETION_TOKENS = frozenset({"openai", "azure", "azure_openai"})
_PATH = "/chat/completions"


class OpenAiBackend:
    """One endpoint."""

    def __init__(self, endpoint: Endpoint, capabilities: Capabilities) -> None:
        self._endpoint = endpoint
        self._mode = capabilities.structured_output
        self._sends_priority = capabilities.takes_priority and endpoint.sends_priority
        self._cache_key = capabilities.cache_key
        self._limit_name = "max_completion_tokens" if endpoint.provider in _COMPLETION_TOKENS else "max_tokens"
        self._client = openai.AsyncOpenAI(**sdk.client_settings(endpoint, endpoint.base_url))
        self._takes_temperature = capabilities.takes_temperature(endpoint.model)
        self._formats = SentSchemas(capabilities, _format)

    async def answer(self, question: Question, traceparent: str) -> Answer:
        """See Backend."""
        response = await self._post(question, traceparent, is_stream=False)
        body = read_object(response.content)
        return _answer(self._endpoint, body, response.extensions.get(ROUND_TRIP, 0))

    async def stream(self, question: Question, traceparent: str) -> AsyncGenerator[str | Answer]:
        """See Backend."""
        response = await self._post(question, traceparent, is_stream=True)
        said = StreamedText()
        finish, usage, model, timing = "", Usage(), self._endpoint.model, None
        try:
            async for event in events(response.aiter_raw()):
                if event is None:
                    break
                if event.get("error"):
                    raise within_stream(_said(self._endpoint, event["error"]))
                model = word(event.get("model"), model)
                if event.get("usage"):
                    usage, timing = _usage(event["usage"]), timing_of(event.get("metrics"))
                for choice in (event.get("choices") or [])[:1]:
                    finish = word(choice.get("finish_reason"), finish)
                    text = text_of((choice.get("delta") or {}).get("content"))
                    if text:
                        yield said.add(text)
        except httpx2.HTTPError as error:
            raise within_stream(of_connection(self._endpoint, error)) from error
        except (AttributeError, TypeError) as error:
            raise garbage() from error
        finally:
            await response.aclose()
        if not finish:
            raise of_early_end(self._endpoint)
        yield Answer(said.whole(), usage, model, finish, timing, response.extensions.get(ROUND_TRIP, 0))

    async def check(self) -> None:
        """`GET /health` for vLLM, the list of models elsewhere; a server without that list is there all the same."""
        base = self._endpoint.base_url.rstrip("/")
        path = f"{base.removesuffix('/v1')}/health" if self._endpoint.provider == "vllm" else "/models"
        await sdk.check(self._client, openai.APIError, self._endpoint, path)

    async def close(self) -> None:
        """See Backend."""
        await self._client.close()

    async def _post(self, question: Question, traceparent: str, is_stream: bool) -> httpx2.Response:
        content = orjson.dumps(self._body(question, is_stream))
        return await sdk.post(self._client, openai.APIError, self._endpoint, _PATH, content, traceparent, is_stream)

    def _body(self, question: Question, is_stream: bool) -> dict[str, Any]:
        messages = with_schema_in_words(question, self._mode)
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            self._limit_name: question.max_tokens,
        }
        temperature = self._endpoint.temperature if question.temperature is None else question.temperature
        if temperature is not None and self._takes_temperature:
            body["temperature"] = temperature
        if question.schema is None or not question.is_bound:
            pass
        elif self._mode is StructuredOutput.JSON_SCHEMA:
            body["response_format"] = self._formats.of(question.schema)
        elif self._mode is StructuredOutput.JSON_OBJECT:
            body["response_format"] = {"type": "json_object"}
        if self._sends_priority:
            body["priority"] = PRIORITIES[question.lane]
        if self._cache_key is not None:
            body[self._cache_key] = question.operation[:64]  # as long as OpenAI takes
        if is_stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        return body


def _format(name: str, schema: dict[str, Any]) -> orjson.Fragment:
    shape = {"name": name, "strict": True, "schema": schema}
    return orjson.Fragment(orjson.dumps({"type": "json_schema", "json_schema": shape}))


def _answer(endpoint: Endpoint, body: dict[str, Any], round_trip_ns: int) -> Answer:
    if body.get("error") and "choices" not in body:
        raise _said(endpoint, body["error"])  # gateways answer 200 and put the error into the body
    try:
        choice = body["choices"][0]
        message = choice["message"]
        text = text_of(message.get("content"))
        finish = REFUSED if message.get("refusal") else word(choice.get("finish_reason"), "stop")
        usage = _usage(body.get("usage"))
        timing = timing_of(body.get("metrics"))
    except (LookupError, TypeError, AttributeError) as error:
        raise garbage() from error
    return Answer(text, usage, word(body.get("model"), endpoint.model), finish, timing, round_trip_ns)


def _usage(found: Mapping[str, Any] | None) -> Usage:
    if not found:
        return Usage()
    details = found.get("prompt_tokens_details") or {}
    return Usage(
        count(found.get("prompt_tokens")),
        count(found.get("completion_tokens")),
        count(details.get("cached_tokens")),
        count(details.get("cache_write_tokens")),
    )


def timing_of(found: object) -> ServerTiming | None:
    """vLLM's `metrics`. Its time to first token begins when the call is scheduled: it is the prefill."""
    if not isinstance(found, dict):
        return None
    parts = (found.get("queue_time_ms"), found.get("time_to_first_token_ms"), found.get("generation_time_ms"))
    if not all(isinstance(part, int | float) and 0 <= part <= TIMING_MS_MAX for part in parts):
        return None
    queue, prefill, decode = (int(part * 1e6) for part in parts if part is not None)
    return ServerTiming(queue, prefill, decode)


def _said(endpoint: Endpoint, error: object) -> OpswireError:
    """An error that came with status 200; vLLM and others put its status into it."""
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return of_status(endpoint, status, {"error": error}, None)
