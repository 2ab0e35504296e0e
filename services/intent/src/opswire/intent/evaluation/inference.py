"""The model server that an evaluation asks: configured as the intent service's; where there is none, that is said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from opswire.chassis.inference.call import Usage
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import FILE_VARIABLE, InferenceConfiguration, load_configuration
from opswire.chassis.metrics import Metrics
from opswire.intent.evaluation.expectations import EvaluationError

SERVICE = "intent"
ADVICE = (
    "set LLM_PROVIDER, LLM_BASE_URL and LLM_MODEL (./just vllm-cpu starts a server to try), "
    "then opswire inference check"
)
_TOKENS = "opswire_inference_tokens_total"


def configured(environment: Mapping[str, str]) -> InferenceConfiguration:
    """The intent service's chain of endpoints. Raises EvaluationError where none is set, or what is set is wrong."""
    file = environment.get(FILE_VARIABLE)
    try:
        found = load_configuration(SERVICE, Path(file) if file else None, environment)
    except ValueError as error:
        raise EvaluationError(f"the inference configuration is wrong: {error}", "opswire inference check") from error
    if found is None:
        raise EvaluationError("no model server is configured, and this tier asks one", ADVICE)
    return found


def named(configuration: InferenceConfiguration) -> dict[str, Any]:
    """For a report: the first endpoint, which answers unless it fails, and how many stand behind it. Never a key."""
    first = configuration.chain[0]
    return {
        "endpoint": first.name,
        "provider": first.provider,
        "model": first.model,
        "base_url": first.base_url,
        "fallbacks": len(configuration.chain) - 1,
    }


@asynccontextmanager
async def asking(configuration: InferenceConfiguration, metrics: Metrics) -> AsyncIterator[InferenceClient]:
    """The service's own client, closed at the end."""
    client = InferenceClient(SERVICE, lambda: configuration, metrics)
    try:
        yield client
    finally:
        await client.close()


def counted(metrics: Metrics) -> Usage:
    """The tokens of every answer that the client got, also of those that it could not use."""
    sums: dict[str, float] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.name == _TOKENS:
                kind = sample.labels["kind"]
                sums[kind] = sums.get(kind, 0.0) + sample.value
    return Usage(*(int(sums.get(kind, 0.0)) for kind in ("input", "output", "cached_input", "cache_write")))
