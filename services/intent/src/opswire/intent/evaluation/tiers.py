"""Who reads the requests of an evaluation: the local tier, a model, or the cascade of both as the service runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from opswire.chassis.inference.batch.calls import SingleCalls
from opswire.chassis.inference.batch.choice import transport_for
from opswire.chassis.inference.batch.transport import Waiting
from opswire.chassis.inference.call import Lane as CallLane
from opswire.chassis.inference.call import Usage
from opswire.chassis.inference.capabilities import capabilities_of
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import InferenceConfiguration
from opswire.chassis.inference.savings import saved_usd
from opswire.chassis.metrics import Metrics
from opswire.intent.classifier.model import Classifier
from opswire.intent.evaluation.answers import Answer
from opswire.intent.evaluation.batching import BatchModel, Lane
from opswire.intent.evaluation.expectations import Expectation
from opswire.intent.evaluation.inference import asking, counted, named
from opswire.intent.evaluation.metering import MeteredModel, Model
from opswire.intent.evaluation.model_tier import BATCH_TIME_S, TIME_S, by_cascade, by_model
from opswire.intent.evaluation.runner import Read, Say, read_all
from opswire.intent.language.names import NameIndex
from opswire.intent.prompts.library import load_prompts
from opswire.intent.usecases.ask_model import AskModel
from opswire.intent.usecases.find_intent import FindIntent
from opswire.intent.usecases.read_by_model import ReadByModel

CALLS, BULK_CALLS = "calls", "bulk_calls"
OPERATION = "intent.evaluation"
Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class Plan:
    """What an asking tier needs. `classifier` is there for the cascade; `batch_folder` asks in batches."""

    prompts: str
    concurrency: int
    threshold: float
    classifier: Classifier | None = None
    suffices: float | None = None
    batch_folder: Path | None = None
    waiting: Waiting | None = None


async def ask_requests(
    configuration: InferenceConfiguration, plan: Plan, expectations: Sequence[Expectation], say: Say
) -> tuple[list[Answer], dict[str, Any]]:
    """Every request's answer, and for the report who was asked, how, and tokens of replies that nobody could use.

    Raises EvaluationError where a batch could not be run to its end.
    """
    metrics = Metrics()
    async with asking(configuration, metrics) as client:
        if plan.batch_folder is None:
            read = _reader(MeteredModel(client), configuration, plan)
            answers = await read_all(expectations, read, plan.concurrency, say)
            seen, lane = counted(metrics), CALLS
        else:
            answers, seen, lane = await _in_batches(client, configuration, plan, expectations, say)
    used = sum((answer.spent.usage for answer in answers), Usage())
    saved = saved_usd(used, configuration.chain[0], is_batch=lane not in (CALLS, BULK_CALLS))
    return answers, {
        "prompts": load_prompts(plan.prompts).key,
        "model": named(configuration),
        "lane": lane,
        "saved": None if saved is None else asdict(saved),
        "unused_tokens": {
            "prompt": max(0, seen.input_tokens - used.input_tokens),
            "output": max(0, seen.output_tokens - used.output_tokens),
        },
    }


async def _in_batches(
    client: InferenceClient,
    configuration: InferenceConfiguration,
    plan: Plan,
    expectations: Sequence[Expectation],
    say: Say,
) -> tuple[list[Answer], Usage, str]:
    lane, name = _lane(client, configuration, plan)
    model = BatchModel(lane, len(expectations), say)
    read_one = _reader(MeteredModel(model), configuration, plan)

    async def read(expected: Expectation) -> Answer:
        try:
            return await read_one(expected)
        finally:
            model.reader_is_done()

    try:
        answers = await read_all(expectations, read, len(expectations), say)
    finally:
        await lane.transport.close()
    model.forget()
    return answers, model.seen, name


def _lane(client: InferenceClient, configuration: InferenceConfiguration, plan: Plan) -> tuple[Lane, str]:
    """The first endpoint's own batches; bulk calls where it takes none, which are resumable all the same."""
    endpoint = configuration.chain[0]
    known = capabilities_of(endpoint.provider, endpoint.base_url, endpoint.model)
    transport = transport_for(endpoint, client, OPERATION)
    folder = plan.batch_folder or Path()
    if isinstance(transport, SingleCalls):
        return Lane(endpoint, transport, folder, False, plan.waiting), BULK_CALLS
    return Lane(endpoint, transport, folder, True, plan.waiting), known.batch.value


def _reader(model: Model, configuration: InferenceConfiguration, plan: Plan) -> Read:
    """By the model alone, or as the service: its classifier, its thresholds, no inventory and no cache."""
    names = NameIndex()
    time_s = TIME_S if plan.batch_folder is None else BATCH_TIME_S
    reader = ReadByModel(model, load_prompts(plan.prompts), names, CallLane.BULK)
    if plan.classifier is None:
        return by_model(reader, time_s)
    first = configuration.chain[0]
    ask_model = AskModel(reader, _NoCache(), lambda: (first.name, first.model))
    find_intent = FindIntent(names, plan.classifier, _NoCache(), plan.threshold, ask_model, plan.suffices)
    return by_cascade(find_intent, time_s)


class _NoCache:
    """Every request is read anew: what is measured is the reading."""

    async def read(self, key: str, load: Callable[[], Awaitable[tuple[Kept, list[str]]]]) -> tuple[Kept, str]:  # noqa: ARG002
        """What `load` gives."""
        value, _ = await load()
        return value, "miss"
