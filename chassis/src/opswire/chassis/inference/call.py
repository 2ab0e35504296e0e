"""What is asked of a model and what comes back. Plain values: nothing here imports a client library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

Value = TypeVar("Value")


class Lane(StrEnum):
    """Who waits for the answer. Interactive calls go first, here and on a server that schedules by priority."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. Stable ones come first and are the same bytes in every call of an operation."""

    role: Literal["system", "user", "assistant"]
    content: str
    is_stable: bool = False


@dataclass(frozen=True, slots=True)
class OutputSchema(Generic[Value]):
    """The only shape a reply may have. Key order is part of it: the model writes in that order.

    `decode` takes the reply's bytes and raises ValueError, with one sentence, where they are not what was asked for.
    """

    name: str
    json_schema: Mapping[str, Any]
    decode: Callable[[bytes], Value]


@dataclass(frozen=True, slots=True)
class InferenceCall:
    """One question to a model. `operation` names it in spans, metrics and costs, such as `intent.merged`."""

    operation: str
    messages: tuple[Message, ...]
    deadline_ns: int
    """Nanoseconds since 1970; nothing is sent or waited for after it."""
    max_tokens: int
    lane: Lane = Lane.INTERACTIVE
    temperature: float | None = None
    """None takes the endpoint's."""
    prompt_version: str = ""
    request_key: str | None = None
    """`<source>/<request_id>` where the call belongs to a request."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them. Input tokens include those read from and written to its prompt cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )


@dataclass(frozen=True, slots=True)
class ServerTiming:
    """Where the server says that the time went, in nanoseconds (vLLM: `--enable-per-request-metrics`)."""

    queue_ns: int
    prefill_ns: int
    decode_ns: int


@dataclass(frozen=True, slots=True)
class Reply(Generic[Value]):
    """An answer. `calls` counts what was sent for it, repairs and fallbacks too; usage and cost are of all of them."""

    value: Value
    text: str
    usage: Usage
    cost_usd: float | None
    """None where no price is known. A server of one's own costs 0.0 where its endpoint's prices are set to 0."""
    endpoint: str
    provider: str
    model: str
    finish_reason: str
    timing: ServerTiming | None
    calls: int = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a streamed answer. `is_restart`: another endpoint begins anew, what came before is void."""

    text: str
    is_restart: bool = False
    reply: Reply[str] | None = None
    """The whole answer, in the last chunk only."""
