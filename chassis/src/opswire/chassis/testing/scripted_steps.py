"""What a scripted model may do with one call. A step is plain data; `scripted_model.py` plays it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
"""A request's body, as the client sent it."""
Content = str | Callable[[Body], str]
"""What the model says, or how it finds that from the request's body."""

HUGE_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A right reply, streamed where the request asks for that.

    `timing` becomes the body's `metrics`, as vLLM sends them with `--enable-per-request-metrics`. Tokens that are None
    are counted as words.
    """

    content: Content = "ok"
    finish_reason: str = "stop"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    timing: Mapping[str, float] | None = None
    model: str | None = None
    """None repeats the model that was asked for."""

    def text(self, body: Body) -> str:
        """What is said to this request."""
        return self.content if isinstance(self.content, str) else self.content(body)


@dataclass(frozen=True, slots=True)
class Hang:
    """Take the call and say nothing until `release()`; then `then`."""

    then: Answer = field(default_factory=Answer)


@dataclass(frozen=True, slots=True)
class Fail:
    """An error of the server, in the protocol's own form: 429, 500, 503, 400, 401 and so on."""

    status: int = 500
    retry_after_s: float | None = None
    message: str = "the scripted model says no"


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection in the middle: after some chunks of a stream, after half of a plain body."""

    answer: Answer = field(default_factory=lambda: Answer("a reply that is long enough to be cut in its middle"))
    after_chunks: int = 2


@dataclass(frozen=True, slots=True)
class Drip:
    """One byte of the reply's body every `interval_s`; it never ends, unless `release()` lets the rest out."""

    answer: Answer = field(default_factory=Answer)
    interval_s: float = 0.01


@dataclass(frozen=True, slots=True)
class Garbage:
    """Status 200 and a body that is no JSON; a stream gets it as the data of its first event."""

    body: bytes = b"<html>502 \xff Bad Gateway"


@dataclass(frozen=True, slots=True)
class Huge:
    """A reply whose content is `size_bytes` of letters, sent as fast as the client reads.

    `is_announced`: its length stands in its head; a stream never says it.
    """

    size_bytes: int = HUGE_BYTES
    is_announced: bool = True


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes instead of an HTTP reply, then the connection closes. Nothing at all is a connection reset."""

    data: bytes = b""


Step = Answer | Hang | Fail | Cut | Drip | Garbage | Huge | Raw


def wrong_schema() -> Answer:
    """JSON that is none of what was asked for."""
    return Answer(json.dumps({"surprise": [1, 2, 3]}))


def cut_by_limit(content: str = '{"intent": "status.ch') -> Answer:
    """A reply that reached its token limit."""
    return Answer(content, finish_reason="length")
