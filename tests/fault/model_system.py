"""The whole system in front of scripted model servers, and requests that only a model understands."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer, Body
from opswire.chassis.testing.upstream import STREAM, Upstream

GRACE_S = 10.0
"""How much later than its deadline an outcome may be here: the machine is busy, and a server that hangs is for ever."""
UNDERSTOOD = {"intent": "system.help", "entities": [], "confidence": 100, "risk": "LOW", "reason": "clear"}
_numbers = itertools.count(1)


def foreign_words() -> str:
    """A request in words that the local classifier was not taught, never the same twice."""
    return f"zeig mir bitte kurz was du alles kannst, zum {next(_numbers)}. mal"


def understood(body: Body) -> str:
    """What a model says that has understood."""
    is_request = any("<request>" in str(message["content"]) for message in body["messages"])
    return json.dumps(UNDERSTOOD, separators=(",", ":")) if is_request else "ok"


GOOD = Answer(understood)


def settings_for(model: ScriptedModel, fallback: ScriptedModel | None = None) -> Mapping[str, str]:
    """Environment of the services: the model, and the one to ask when it fails. Nothing is answered from caches."""
    settings = {
        "LLM_PROVIDER": "vllm",
        "LLM_BASE_URL": model.url,
        "LLM_MODEL": "scripted",
        "LLM_TIMEOUT_S": "1",
        "OPSWIRE_CACHE": "off",
    }
    if fallback is not None:
        settings |= {
            "LLM_FALLBACK_PROVIDER": "openai_compatible",
            "LLM_FALLBACK_BASE_URL": fallback.url,
            "LLM_FALLBACK_MODEL": "scripted-fallback",
        }
    return settings


@dataclass(frozen=True, slots=True)
class Ended:
    """An outcome and how long it took, in seconds from its acceptance."""

    outcome: dict[str, Any]
    after_s: float

    @property
    def what(self) -> str:
        """Status and reason: `failed inference_unavailable`."""
        return f"{self.outcome['status']} {self.outcome.get('reason') or ''}".strip()


async def ask(upstream: Upstream, deadline_s: float = 30.0) -> Ended:
    """Ask in foreign words, wait for the outcome. Raises TimeoutError when none comes in time."""
    begun_s = time.monotonic()
    request_id = await upstream.submit(foreign_words(), deadline_ms=int(deadline_s * 1_000))
    outcome = await upstream.outcome(request_id, deadline_s + GRACE_S)
    return Ended(outcome, time.monotonic() - begun_s)


async def outcomes_of(upstream: Upstream) -> dict[str, int]:
    """How many outcomes the stream holds for each request that was accepted from this upstream."""
    jetstream = upstream.client.jetstream()
    subjects = f"opswire.v1.{upstream.source}.*"
    accepted = await jetstream.stream_info(STREAM, subjects_filter=f"{subjects}.submitted")
    finished = await jetstream.stream_info(STREAM, subjects_filter=f"{subjects}.finished")
    counts = {subject.split(".")[3]: count for subject, count in (finished.state.subjects or {}).items()}
    return {(number := subject.split(".")[3]): counts.get(number, 0) for subject in accepted.state.subjects or {}}
