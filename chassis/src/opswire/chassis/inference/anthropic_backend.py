"""Anthropic's Messages protocol, over the anthropic SDK in the same lean way. vLLM serves it too."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import anthropic
import httpx2
import orjson
from opswire.chassis.inference import sdk
from opswire.chassis.inference.backend import (
    CUT,
    REFUSED,
    Answer,
    Question,
    count,
    garbage,
    read_object,
    with_schema_in_words,
    word,
)
from opswire.chassis.inference.call import Message, Usage
from opswire.chassis.inference.capabilities import Capabilities, PromptCaching, StructuredOutput
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.failures import of_connection, of_early_end, of_status, within_stream
from opswire.chassis.inference.schemas import SentSchemas
from opswire.chassis.inference.streaming import StreamedText, events
from opswire.chassis.inference.transport import ROUND_TRIP

TEMPERATURE_MAX = 1.0
"""More is refused by this protocol; OpenAI's goes to 2."""
CHARACTERS_PER_TOKEN_MIN = 2.5
"""So few only in dense text: a prefix shorter than that many times the minimum cannot reach it."""
_FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": CUT, "refusal": REFUSED}
_STATUS_OF = {"overloaded_error": 529, "rate_limit_error": 429, "api_error": 500}
_PATH = "/v1/messages"
_EPHEMERAL = {"type": "ephemeral"}


class AnthropicBackend:
    """One endpoint. `base_url` is the server's root, without `/v1`; with it, it is taken off."""

    def __init__(self, endpoint: Endpoint, capabilities: Capabilities) -> None:
        self._endpoint = endpoint
        self._mode = capabilities.structured_output
        self._capabilities = capabilities
        self._formats = SentSchemas(capabilities, _format)
        self._takes_temperature = capabilities.takes_temperature(endpoint.model)
        self._marks = capabilities.prompt_caching in (PromptCaching.EXPLICIT, PromptCaching.HYBRID)
        root = endpoint.base_url.rstrip("/").removesuffix("/v1")
        self._client = anthropic.AsyncAnthropic(**sdk.client_settings(endpoint, root))

    async def answer(self, question: Question, traceparent: str) -> Answer:
        """See Backend."""
        response = await self._post(question, traceparent, is_stream=False)
        body = read_object(response.content)
        try:
            blocks = body["content"]
            text = "".join(block["text"] for block in blocks if block.get("type") == "text")
            usage = _usage(body.get("usage"))
        except (LookupError, TypeError, AttributeError) as error:
            raise garbage() from error
        finish = _finish(body.get("stop_reason"))
        round_trip_ns = response.extensions.get(ROUND_TRIP, 0)
        return Answer(text, usage, word(body.get("model"), self._endpoint.model), finish, None, round_trip_ns)

    async def stream(self, question: Question, traceparent: str) -> AsyncGenerator[str | Answer]:
        """See Backend."""
        response = await self._post(question, traceparent, is_stream=True)
        said = StreamedText()
        finish, counted, model, is_whole = "stop", {}, self._endpoint.model, False
        try:
            async for event in events(response.aiter_raw()):
                kind = event.get("type") if event is not None else None
                if event is None or kind == "message_stop":
                    is_whole = True
                    break
                if kind == "error":
                    raise _said_in_stream(self._endpoint, event.get("error"))
                if kind == "message_start":
                    counted = dict(event["message"].get("usage") or {})
                    model = word(event["message"].get("model"), model)
                elif kind == "message_delta":
                    counted.update({name: value for name, value in (event.get("usage") or {}).items() if value})
                    finish = _finish(event["delta"].get("stop_reason"))
                elif kind == "content_block_delta" and event["delta"].get("type") == "text_delta":
                    yield said.add(event["delta"]["text"])
        except httpx2.HTTPError as error:
            raise within_stream(of_connection(self._endpoint, error)) from error
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise garbage() from error
        finally:
            await response.aclose()
        if not is_whole:
            raise of_early_end(self._endpoint)
        yield Answer(said.whole(), _usage(counted), model, finish, None, response.extensions.get(ROUND_TRIP, 0))

    async def check(self) -> None:
        """The list of models; a server without it is there all the same."""
        await sdk.check(self._client, anthropic.APIError, self._endpoint, "/v1/models")

    async def close(self) -> None:
        """See Backend."""
        await self._client.close()

    async def _post(self, question: Question, traceparent: str, is_stream: bool) -> httpx2.Response:
        content = orjson.dumps(self._body(question, is_stream))
        return await sdk.post(self._client, anthropic.APIError, self._endpoint, _PATH, content, traceparent, is_stream)

    def _body(self, question: Question, is_stream: bool) -> dict[str, Any]:
        messages = with_schema_in_words(question, self._mode)
        marked = self._marked(messages)
        system = [_block(message, message is marked) for message in messages if message.role == "system"]
        turns = [
            {"role": message.role, "content": [_block(message, message is marked)]}
            for message in messages
            if message.role != "system"
        ]
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "max_tokens": question.max_tokens,
            "messages": turns,
        }
        temperature = self._endpoint.temperature if question.temperature is None else question.temperature
        if temperature is not None and self._takes_temperature:
            body["temperature"] = min(temperature, TEMPERATURE_MAX)
        if system:
            body["system"] = system
        if question.schema is not None and question.is_bound and self._mode is StructuredOutput.OUTPUT_CONFIG:
            body["output_config"] = self._formats.of(question.schema)
        if is_stream:
            body["stream"] = True
        return body

    def _marked(self, messages: tuple[Message, ...]) -> Message | None:
        """The last message of the stable prefix, where the prefix may reach what the provider keeps at all."""
        if not self._marks:
            return None
        last, characters = None, 0
        for message in messages:
            if not message.is_stable:
                break
            last, characters = message, characters + len(message.content)
        tokens_max = int(characters / CHARACTERS_PER_TOKEN_MIN)
        return last if self._capabilities.saves_by_caching(tokens_max, self._endpoint.model) else None


def _format(_: str, schema: dict[str, Any]) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps({"format": {"type": "json_schema", "schema": schema}}))


def _block(message: Message, is_marked: bool) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": message.content}
    if is_marked:
        block["cache_control"] = _EPHEMERAL
    return block


def _finish(found: object) -> str:
    said = word(found, "stop")
    return _FINISH.get(said, said)


def _usage(found: Mapping[str, Any] | None) -> Usage:
    """Anthropic counts what it reads from and writes to its cache beside the input; ours includes both."""
    if not found:
        return Usage()
    read, written = count(found.get("cache_read_input_tokens")), count(found.get("cache_creation_input_tokens"))
    return Usage(count(found.get("input_tokens")) + read + written, count(found.get("output_tokens")), read, written)


def _said_in_stream(endpoint: Endpoint, error: object) -> Exception:
    kind = error.get("type") if isinstance(error, dict) else ""
    return within_stream(of_status(endpoint, _STATUS_OF.get(str(kind), 400 if kind else 500), {"error": error}, None))
