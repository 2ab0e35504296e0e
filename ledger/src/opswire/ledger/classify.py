"""Which stage a span's own time belongs to, by ordered rules; the first that answers wins.

1. the span says so (`opswire.stage`); 2. OpenTelemetry's semantic conventions; 3. the span's name;
4. the nearest ancestor that has a stage (in `graph.py`, which knows the ancestors); 5. nothing: `unattributed`.
"""

from __future__ import annotations

from opswire.ledger.model import Span
from opswire.ledger.stages import Stage

_BY_VALUE: dict[object, Stage] = {stage.value: stage for stage in Stage}
_COMPUTE_BY_SERVICE = {
    "intent": Stage.INTENT_COMPUTE,
    "assets": Stage.ASSETS_COMPUTE,
    "executor": Stage.EXECUTOR_COMPUTE,
}
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


def _conventions(span: Span) -> Stage | None:
    attributes = span.attributes
    system = attributes.get("db.system.name") or attributes.get("db.system")
    if system is not None:
        return Stage.CACHE_LOOKUP if _text(system) in _CACHE_SYSTEMS else Stage.ASSETS_DB
    if "gen_ai.operation.name" in attributes:
        return Stage.LLM_UNSPLIT
    if span.kind == "PRODUCER":
        return Stage.PUBLISH_ACK
    if span.kind == "CONSUMER":
        return compute_stage(span.service)
    return None


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
