"""What stands between the client and one SDK: a question goes in, an answer comes out, whatever the protocol."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from opswire.chassis.inference.call import Lane, Message, OutputSchema, ServerTiming, Usage
from opswire.chassis.inference.capabilities import StructuredOutput
from opswire.chassis.inference.errors import ReplyInvalidError

TOKENS_MAX = 1_000_000_000
WORD_CHARACTERS_MAX = 200
CUT = "length"
REFUSED = "content_filter"


@dataclass(frozen=True, slots=True)
class Question:
    """One call as an endpoint gets it."""

    messages: tuple[Message, ...]
    schema: OutputSchema[Any] | None
    max_tokens: int
    temperature: float | None
    lane: Lane
    operation: str
    is_bound: bool = True
    """Whether decoding is bound to the schema where the provider can; else it is asked for in words."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint said. `finish_reason` in OpenAI's words: stop, length, content_filter ..."""

    text: str
    usage: Usage
    model: str
    finish_reason: str
    timing: ServerTiming | None = None
    round_trip_ns: int = 0
    """The network's part, as far as the kernel knows it."""


class Backend(Protocol):
    """One SDK, bound to one endpoint. Every method raises the errors of `errors.py` and nothing else."""

    async def answer(self, question: Question, traceparent: str) -> Answer:
        """Ask and wait for the whole answer. Cancelling it closes the connection, and the server stops."""

    def stream(self, question: Question, traceparent: str) -> AsyncGenerator[str | Answer]:
        """Ask; parts of the text as they come, then the whole answer. Raises StreamBrokenError before its end."""

    async def check(self) -> None:
        """Ask whether the server is there. Raises InferenceUnavailableError or InferenceRefusedError."""

    async def close(self) -> None:
        """Close every connection."""


_words: dict[int, tuple[OutputSchema[Any], str]] = {}
_WORDS_MAX = 256


def in_words(schema: OutputSchema[Any]) -> str:
    """What a provider is told that cannot be bound to a schema. The same text for the same schema object."""
    known = _words.get(id(schema))
    if known is not None and known[0] is schema:
        return known[1]
    shape = orjson.dumps(dict(schema.json_schema)).decode()
    text = (
        "Answer with one JSON object and nothing else: compact, on one line, no code fence. "
        f"It must match this JSON schema, keys in its order: {shape}"
    )
    if len(_words) >= _WORDS_MAX:
        _words.clear()
    _words[id(schema)] = (schema, text)
    return text


def with_schema_in_words(question: Question, mode: StructuredOutput) -> tuple[Message, ...]:
    """The messages, the schema written into the first system message where the provider takes it in no other way."""
    can_bind = mode in (StructuredOutput.JSON_SCHEMA, StructuredOutput.OUTPUT_CONFIG)
    if question.schema is None or (can_bind and question.is_bound):
        return question.messages
    words = in_words(question.schema)
    first = question.messages[0] if question.messages else None
    if first is None or first.role != "system":
        return (Message("system", words, is_stable=True), *question.messages)
    return (Message("system", f"{first.content}\n\n{words}", first.is_stable), *question.messages[1:])


def read_object(content: bytes) -> dict[str, Any]:
    """The body of a reply. Raises ReplyInvalidError where it is no JSON object."""
    try:
        found = orjson.loads(content)
    except ValueError as error:
        raise garbage() from error
    if not isinstance(found, dict):
        raise garbage()
    return found


def garbage() -> ReplyInvalidError:
    """What is raised where the server does not speak the protocol that its provider is known for."""
    return ReplyInvalidError(
        "the server's reply does not follow its protocol (it is no model answer in JSON)", "garbage"
    )


def count(found: object) -> int:
    """A number of tokens; anything else counts as none."""
    return found if isinstance(found, int) and 0 < found <= TOKENS_MAX else 0


def word(found: object, usual: str) -> str:
    """A short word that a server says, such as the name of its model; the usual one where it says none."""
    return found[:WORD_CHARACTERS_MAX] if isinstance(found, str) and found else usual
