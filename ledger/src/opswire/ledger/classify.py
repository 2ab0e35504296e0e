"""Which stage a span's own time belongs to, by ordered rules; the first that answers wins.

1. the span says so (`opswire.stage`); 2. OpenTelemetry's semantic conventions; 3. the span's name;
4. the nearest ancestor that has a stage (in `graph.py`, which knows the ancestors); 5. nothing: `unattributed`.
"""

from __future__ import annotations

from opswire.ledger.model import Span
from opswire.ledger.stages import Stage

_BY_VALUE: dict[object, Stage] = {stage.value: stage for stage in Stage}
Phases = tuple[tuple[int, Stage], ...]
"""The stages inside one span, in the order of time: nanoseconds after its start at which each ends, and the stage."""

_SECOND_NS = 1_000_000_000
_LATENCY = "gen_ai.latency."
_QUEUE, _PREFILL, _DECODE = "time_in_queue", "time_in_model_prefill", "time_in_model_decode"
_FIRST = "time_to_first_token"
_COMPUTE_BY_SERVICE = {
    "intent": Stage.INTENT_COMPUTE,
    "assets": Stage.ASSETS_COMPUTE,
    "executor": Stage.EXECUTOR_COMPUTE,
}
_URLS = ("url.full", "http.url")
_MODEL_PATHS = ("/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/messages")
_CACHE_SYSTEMS = frozenset({"redis", "valkey", "memcached"})
_STAGE_BY_FIRST_WORD = {
    "send": Stage.PUBLISH_ACK,
    "publish": Stage.PUBLISH_ACK,
    "llm_request": Stage.LLM_UNSPLIT,
    "chat": Stage.LLM_UNSPLIT,
}


def own_stage(span: Span) -> Stage | None:
    """The stage that the span itself tells, by rules 1 to 3; None when only its ancestors can say."""
    stage = _BY_VALUE.get(_text(span.attributes.get("opswire.stage")))
    return stage or _conventions(span) or _name(span)


def compute_stage(service: str) -> Stage | None:
    """The stage of a service's own work, where it has one."""
    return _COMPUTE_BY_SERVICE.get(service)


def phases_of(span: Span) -> Phases:
    """How a model server's own span divides, where the server said it (vLLM, in seconds); else nothing.

    Before the queue lies what the server did until then, as far as the first token tells; after the last token lies
    the rest. Nothing when the parts are longer than the span: then it stays `llm.unsplit`.
    """
    attributes = span.attributes
    if _LATENCY + _QUEUE not in attributes:
        return ()
    queue, prefill, decode = (_duration_ns(attributes.get(_LATENCY + name)) for name in (_QUEUE, _PREFILL, _DECODE))
    whole = span.end_ns - span.start_ns
    if queue is None or prefill is None or decode is None or queue + prefill + decode > whole:
        return ()
    rest = whole - queue - prefill - decode
    first_token = _duration_ns(attributes.get(_LATENCY + _FIRST)) or 0
    at = min(rest, max(0, first_token - queue - prefill))
    phases = [(at, Stage.LLM_FRONTEND)]
    for duration, stage in ((queue, Stage.LLM_QUEUE), (prefill, Stage.LLM_PREFILL), (decode, Stage.LLM_DECODE)):
        at += duration
        phases.append((at, stage))
    return (*phases, (whole, Stage.LLM_FRONTEND))


def _duration_ns(seconds: object) -> int | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < _SECOND_NS:
        return None
    return round(seconds * _SECOND_NS)


def _conventions(span: Span) -> Stage | None:
    attributes = span.attributes
    system = attributes.get("db.system.name") or attributes.get("db.system")
    if system is not None:
        return Stage.CACHE_LOOKUP if _text(system) in _CACHE_SYSTEMS else Stage.ASSETS_DB
    if "gen_ai.operation.name" in attributes or "gen_ai.response.id" in attributes:
        return Stage.LLM_UNSPLIT
    if span.kind == "CLIENT":
        return Stage.LLM_UNSPLIT if _asks_a_model(span) else None
    if span.kind == "PRODUCER":
        return Stage.PUBLISH_ACK
    if span.kind == "CONSUMER":
        return compute_stage(span.service)
    return None


def _asks_a_model(span: Span) -> bool:
    for name in _URLS:
        url = span.attributes.get(name)
        if isinstance(url, str):
            return url.partition("?")[0].endswith(_MODEL_PATHS)
    return False


def _name(span: Span) -> Stage | None:
    exact = _BY_VALUE.get(span.name)
    if exact is not None:
        return exact
    first_word, _, _ = span.name.partition(" ")
    if first_word == "process":
        return compute_stage(span.service)
    return _STAGE_BY_FIRST_WORD.get(first_word)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
