"""The two protocols of a scripted model as bytes: OpenAI's chat completions and Anthropic's messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from opswire.chassis.testing.scripted_steps import Answer, Body, Fail

PIECE_CHARACTERS = 4
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 408: "Timeout"}
REASONS |= {429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}
ANTHROPIC_ERRORS = {401: "authentication_error", 429: "rate_limit_error", 500: "api_error", 503: "overloaded_error"}


@dataclass(slots=True)
class HttpRequest:
    """One request as it came. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: Body = field(default_factory=dict)

    @property
    def is_anthropic(self) -> bool:
        """Whether Anthropic's protocol is spoken."""
        return self.path.endswith("/messages")

    @property
    def is_call(self) -> bool:
        """Whether the model itself is asked."""
        return self.method == "POST" and self.path.endswith(("/chat/completions", "/messages"))

    @property
    def is_stream(self) -> bool:
        """Whether the answer is wanted in pieces."""
        return bool(self.body.get("stream"))


def take_request(buffer: bytearray) -> HttpRequest | None:
    """Take one whole request from the front of `buffer`; None while it is not whole. A broken one is a ValueError."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = buffer[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    if len(buffer) < end + 4 + length:
        return None
    content = bytes(buffer[end + 4 : end + 4 + length])
    del buffer[: end + 4 + length]
    method, target, _ = first.split(" ", 2)
    path = target.partition("?")[0]
    return HttpRequest(method, path, headers, json.loads(content) if content else {})


def head(status: int, content_type: str, length: int | None, extra: dict[str, str] | None = None) -> bytes:
    """The status line and headers; without a length the body comes in chunks."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Other')}", f"content-type: {content_type}"]
    lines.append("transfer-encoding: chunked" if length is None else f"content-length: {length}")
    lines += [f"{name}: {value}" for name, value in (extra or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; no data ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def plain(status: int, body: Any, extra: dict[str, str] | None = None) -> bytes:
    """A whole reply with a JSON body."""
    content = json.dumps(body, separators=(",", ":")).encode()
    return head(status, "application/json", len(content), extra) + content


def failure(request: HttpRequest, step: Fail) -> bytes:
    """An error in the form of the request's protocol."""
    kind = ANTHROPIC_ERRORS.get(step.status, "invalid_request_error")
    error: Body = {"message": step.message, "type": kind}
    body = {"type": "error", "error": error} if request.is_anthropic else {"error": error | {"code": step.status}}
    return plain(step.status, body, None if step.retry_after_s is None else {"retry-after": f"{step.retry_after_s:g}"})


def body_of(request: HttpRequest, answer: Answer, number: int) -> Body:
    """The body of a whole answer."""
    text, model = answer.text(request.body), answer.model or request.body.get("model", "scripted")
    if request.is_anthropic:
        return {
            "id": f"msg_{number}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": text}],
            "stop_reason": STOP_REASONS.get(answer.finish_reason, answer.finish_reason),
            "stop_sequence": None,
            "usage": usage_of(request, answer, text),
        }
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": answer.finish_reason}
    return _completion(request, answer, number, "chat.completion") | {
        "choices": [choice],
        "usage": usage_of(request, answer, text),
        "metrics": answer.timing,
    }


def usage_of(request: HttpRequest, answer: Answer, text: str) -> Body:
    """Tokens, counted as words where the step does not say."""
    asked = answer.input_tokens
    if asked is None:
        asked = len(json.dumps(request.body.get("messages", "")).split())
    written = len(text.split()) if answer.output_tokens is None else answer.output_tokens
    if request.is_anthropic:
        # Anthropic counts what came from its cache apart.
        return {
            "input_tokens": asked - answer.cached_tokens,
            "output_tokens": written,
            "cache_read_input_tokens": answer.cached_tokens,
            "cache_creation_input_tokens": 0,
        }
    return {
        "prompt_tokens": asked,
        "completion_tokens": written,
        "total_tokens": asked + written,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
    }


def events_of(request: HttpRequest, answer: Answer, number: int) -> Iterator[bytes]:
    """The server-sent events of a streamed answer, in order."""
    text = answer.text(request.body)
    pieces = [text[start : start + PIECE_CHARACTERS] for start in range(0, len(text), PIECE_CHARACTERS)]
    yield from (_anthropic_events if request.is_anthropic else _openai_events)(request, answer, number, text, pieces)


def event(body: Any, name: str | None = None) -> bytes:
    """One server-sent event."""
    prefix = b"" if name is None else b"event: %b\n" % name.encode()
    return prefix + b"data: %b\n\n" % json.dumps(body, separators=(",", ":")).encode()


def _completion(request: HttpRequest, answer: Answer, number: int, kind: str) -> Body:
    model = answer.model or request.body.get("model", "scripted")
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 1_795_219_243, "model": model}


def _openai_events(request: HttpRequest, answer: Answer, number: int, text: str, pieces: list[str]) -> Iterator[bytes]:
    common = _completion(request, answer, number, "chat.completion.chunk")
    deltas = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]
    for delta in deltas:
        yield event(common | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield event(common | {"choices": [{"index": 0, "delta": {}, "finish_reason": answer.finish_reason}]})
    if (request.body.get("stream_options") or {}).get("include_usage"):
        last: Body = {"choices": [], "usage": usage_of(request, answer, text), "metrics": answer.timing}
        yield event(common | last)
    yield b"data: [DONE]\n\n"


def _anthropic_events(
    request: HttpRequest, answer: Answer, number: int, text: str, pieces: list[str]
) -> Iterator[bytes]:
    message = body_of(request, answer, number) | {"content": [], "stop_reason": None}
    usage = usage_of(request, answer, text)
    bodies: list[Body] = [
        {"type": "message_start", "message": message | {"usage": usage | {"output_tokens": 0}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    bodies += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}} for piece in pieces
    ]
    reason = STOP_REASONS.get(answer.finish_reason, answer.finish_reason)
    bodies += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    yield from (event(body, body["type"]) for body in bodies)
