"""The span of an attempt, and the server's own times as its children.

A CLIENT span of stage `llm.unsplit` covers the attempt. Where the server says how long the call waited, was read and
was answered (vLLM), the span's own stage becomes `llm.frontend` and children take their parts out of it: `llm.network`
(the smallest round trip that the kernel knows), `llm.queue`, `llm.prefill`, `llm.decode`. They follow each other
without a gap inside the attempt, so the ledger's sum stays exact; where in it they lay is not known and not needed.
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from opswire.chassis.inference.backend import Answer, Question
from opswire.chassis.inference.call import InferenceCall
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import AttributeValue, Span, span

# The names that the semantic conventions give; a provider of ours that they do not know keeps its own.
_PROVIDER_NAMES = {
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "vertex_ai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}
_PORTS = {"http": 80, "https": 443}


class AttemptSpans:
    """Makes the spans of one endpoint's attempts; what never changes is put together once."""

    def __init__(self, endpoint: Endpoint, cost_source: str | None = None) -> None:
        """`cost_source` is where the prices of its costs are from."""
        self._cost_source = cost_source
        url = urlsplit(endpoint.base_url)
        self._name = f"chat {endpoint.model}"
        self._common: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _PROVIDER_NAMES.get(endpoint.provider, endpoint.provider),
            "gen_ai.request.model": endpoint.model,
            "server.address": url.hostname or "",
            "server.port": url.port or _PORTS.get(url.scheme, 0),
            "opswire.llm.endpoint": endpoint.name,
        }
        self._waiting: dict[str, AttributeValue] = {"opswire.llm.endpoint": endpoint.name}

    def waiting(self) -> Span:
        """The time until a place at the endpoint is free; use it as a context manager."""
        return span("wait for a place", Stage.LLM_QUEUE, self._waiting)

    def begin(self, call: InferenceCall, question: Question, attempt: int) -> Span:
        """An attempt, from now on. Never the current span of its task: a stream's reader is not inside it."""
        current = span(self._name, Stage.LLM_UNSPLIT, self._common, "CLIENT")
        attributes = current.attributes
        attributes["gen_ai.request.max_tokens"] = question.max_tokens
        attributes["opswire.llm.operation"] = call.operation
        attributes["opswire.llm.lane"] = call.lane
        if call.prompt_version:
            attributes["opswire.llm.prompt_version"] = call.prompt_version
        if attempt:
            attributes["opswire.llm.attempt"] = attempt
        if current.request_key is None:
            current.request_key = call.request_key
        return current

    def answered(self, current: Span, answer: Answer, cost_usd: float | None) -> int:
        """End it well; answers its end in nanoseconds since 1970."""
        attributes = current.attributes
        attributes["gen_ai.response.model"] = answer.model
        attributes["gen_ai.usage.input_tokens"] = answer.usage.input_tokens
        attributes["gen_ai.usage.output_tokens"] = answer.usage.output_tokens
        attributes["opswire.llm.finish_reason"] = answer.finish_reason
        if answer.usage.cached_input_tokens:
            attributes["gen_ai.usage.cache_read.input_tokens"] = answer.usage.cached_input_tokens
        if cost_usd is not None:
            attributes["opswire.llm.cost_usd"] = cost_usd
            if self._cost_source is not None:
                attributes["opswire.llm.cost_source"] = self._cost_source
        end_ns = time.time_ns()
        if answer.timing is not None:
            _split(current, answer, end_ns)
        current.finish(end_ns)
        return end_ns

    def failed(self, current: Span, cause: str) -> int:
        """End it as an error of that cause; answers its end."""
        current.status = "ERROR"
        current.attributes["error.type"] = cause
        current.finish()
        return current.end_ns


def _split(current: Span, answer: Answer, end_ns: int) -> None:
    timing = answer.timing
    assert timing is not None
    served_ns = timing.queue_ns + timing.prefill_ns + timing.decode_ns
    rest_ns = end_ns - current.start_ns - served_ns
    if rest_ns < 0:
        current.attributes["opswire.llm.timing"] = "refused: longer than the call"
        return
    current.attributes["opswire.stage"] = Stage.LLM_FRONTEND
    network_ns = min(answer.round_trip_ns, rest_ns)
    at = current.start_ns
    if network_ns:
        at = _child(current, "network", Stage.LLM_NETWORK, at, network_ns)
    at += (rest_ns - network_ns) // 2
    at = _child(current, "queue", Stage.LLM_QUEUE, at, timing.queue_ns)
    at = _child(current, "prefill", Stage.LLM_PREFILL, at, timing.prefill_ns)
    _child(current, "decode", Stage.LLM_DECODE, at, timing.decode_ns)


def _child(parent: Span, name: str, stage: Stage, start_ns: int, duration_ns: int) -> int:
    end_ns = start_ns + duration_ns
    if duration_ns:
        child = Span(name, "INTERNAL", parent.trace_id, parent.span_id, parent.request_key, {"opswire.stage": stage})
        child.start_ns = start_ns
        child.finish(end_ns)
    return end_ns
