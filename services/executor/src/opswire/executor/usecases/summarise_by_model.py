"""The answer of a diagnosis in a model's words, where every number, name and time of them is found in the outputs.

The model has no tools and is asked once, after the last tool has ended: whatever an output says, nothing more is run.
Its words replace the plain sentence only where they are supported; what failed or is unknown we always say ourselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from opswire.chassis.inference.call import InferenceCall, OutputSchema
from opswire.chassis.redaction import redactor
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import span
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.request_finished import Answer
from opswire.executor.prompts.library import load_prompt, one_line, shortened
from opswire.executor.rules.cells import listed, plain
from opswire.executor.rules.targets import known_assets
from opswire.executor.usecases.diagnose import STEPS_MAX
from opswire.executor.usecases.findings import checks_sentence, findings_of, is_mixed, left_out
from opswire.executor.usecases.follow_up import FOLLOW_UPS_MAX, follow_ups, next_line
from opswire.executor.usecases.offer import shown_attributes
from opswire.executor.usecases.outcomes import StepOutcome
from opswire.executor.usecases.propose import NO_ANSWER, Model
from opswire.executor.usecases.story import Key
from opswire.executor.usecases.supported import unsupported
from opswire.executor.usecases.tables import SUMMARY_CHARACTERS_MAX

OPERATION = "executor.summary"
TOKENS_MAX = 320
SUMMARY_MAX = 700
REQUEST_CHARACTERS_MAX = 600
LINE_CHARACTERS_MAX = 300
STEP_CHARACTERS_MAX = 1_500
OUTPUTS_CHARACTERS_MAX = 8_000
TIME_S_MAX, TIME_S_MIN, RESERVE_S = 8.0, 1.0, 0.5
"""A summary is not begun with less than a second left, and leaves half a second for the outcome to be published."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the model answered. `following` counts from 1 among the follow-ups; 0 is none."""

    summary: str
    sources: tuple[int, ...]
    following: int


class SummariseByModel:
    """One per process."""

    def __init__(self, model: Model, is_there: Callable[[], bool], clock_ns: Callable[[], int] = time.time_ns) -> None:
        """`is_there` says whether a model is configured at this moment."""
        self._model = model
        self._is_there = is_there
        self._clock_ns = clock_ns

    @property
    def schemas(self) -> list[OutputSchema[Any]]:
        """What a server is shown before it is asked: the widest summary, which has the parts of all of them."""
        return [summary_schema(range(1, STEPS_MAX + 1), FOLLOW_UPS_MAX)]

    @property
    def prompts_key(self) -> str:
        """Changes whenever the prompt does."""
        return load_prompt("summary").key

    async def __call__(
        self, key: Key, context: ContextResolved, outcomes: Sequence[StepOutcome], answer: Answer
    ) -> Answer:
        """The answer with the model's summary, or as it is: no model, no time, no reply, or one that is unsupported."""
        following = follow_ups(context, outcomes)
        said = await self._said(key, context, outcomes, following, context.deadline_ns)
        if said is None:
            return answer
        return answer.model_copy(update={"summary": _told(context, outcomes, said, following)})

    async def words(
        self, key: Key, context: ContextResolved, outcomes: Sequence[StepOutcome], deadline_ns: int
    ) -> str | None:
        """The model's words alone, with their sources, for an outcome that says the rest; None where there are none."""
        said = await self._said(key, context, outcomes, (), deadline_ns)
        return plain(redactor.text(_words(outcomes, said)), SUMMARY_CHARACTERS_MAX) if said is not None else None

    async def _said(
        self,
        key: Key,
        context: ContextResolved,
        outcomes: Sequence[StepOutcome],
        following: Sequence[str],
        deadline_ns: int,
    ) -> Said | None:
        left_s = (deadline_ns - self._clock_ns()) / 1e9 - RESERVE_S
        if not self._is_there() or left_s < TIME_S_MIN or not is_mixed(context, outcomes):
            return None
        with span("summarise", Stage.EXECUTOR_COMPUTE, {"opswire.summary.source": "rows"}) as current:
            try:
                said = await self._ask(key, context, outcomes, following, min(left_s, TIME_S_MAX))
            except NO_ANSWER as error:
                current.set("error.type", error.code)
                return None
            why = unsupported(said.summary, _evidence(outcomes), _names(context, outcomes), steps_of(outcomes))
            if why is not None:
                current.set("opswire.summary.refused", why)
                return None
            current.set("opswire.summary.source", "model")
            return said

    async def _ask(
        self,
        key: Key,
        context: ContextResolved,
        outcomes: Sequence[StepOutcome],
        following: Sequence[str],
        time_s: float,
    ) -> Said:
        call = InferenceCall(
            operation=OPERATION,
            messages=load_prompt("summary").messages(**summary_texts(context, outcomes, following)),
            deadline_ns=self._clock_ns() + int(time_s * 1e9),
            max_tokens=TOKENS_MAX,
            prompt_version=self.prompts_key,
            request_key=str(key),
        )
        return (await self._model.decide(call, summary_schema(steps_of(outcomes), len(following)))).value


def summary_texts(
    context: ContextResolved, outcomes: Sequence[StepOutcome], following: Sequence[str]
) -> dict[str, str]:
    """What the prompt's places are filled with, all of it as data."""
    offered = "\n".join(f"{number} {text}" for number, text in enumerate(following, start=1)) or "none"
    request = one_line(context.text, REQUEST_CHARACTERS_MAX)
    return {"follow_ups": offered, "request": request, "outputs": outputs_text(outcomes)}


def steps_of(outcomes: Sequence[StepOutcome]) -> list[int]:
    """The numbers of the steps, in their order."""
    return [outcome.call.step.number for outcome in outcomes]


def outputs_text(outcomes: Sequence[StepOutcome]) -> str:
    """What a model sees of the outputs: bounded for each step and in all, without secrets and without marks."""
    parts = []
    for outcome in outcomes:
        step = outcome.call.step
        where = f" of {outcome.call.asset.name}" if outcome.call.asset is not None else ""
        found = findings_of([outcome])
        lines = [f"{each.verdict.value + ': ' if each.verdict else ''}{each.found}" for each in found]
        shown = [one_line(line, LINE_CHARACTERS_MAX) for line in lines]
        body = shortened("\n".join(shown), STEP_CHARACTERS_MAX)
        parts.append(f"{one_line(f'step {step.number} {step.tool}{where}', LINE_CHARACTERS_MAX)}\n{body}")
    return shortened("\n".join(parts), OUTPUTS_CHARACTERS_MAX)


def summary_schema(steps: Sequence[int], follow_ups_count: int) -> OutputSchema[Said]:
    """The only shape of a summary.

    Its length is ours to check: a `maxLength` takes xgrammar seconds to compile, lets raw tabs into the JSON, and ends
    the words of a model that says too much in the middle, where nobody sees that they were cut.
    """
    properties: dict[str, Any] = {
        "summary": {"type": "string"},
        "sources": {"type": "array", "items": {"type": "integer", "enum": list(steps)}, "maxItems": 8},
        "next": {"type": "integer", "enum": list(range(follow_ups_count + 1))},
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return OutputSchema("summary", schema, lambda data: _decode(data, frozenset(steps), follow_ups_count))


def _decode(data: bytes, steps: frozenset[int], follow_ups_count: int) -> Said:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the reply is no JSON: {error}") from error
    if not isinstance(found, dict) or found.keys() != {"summary", "sources", "next"}:
        raise ValueError("the reply is not an object with the keys next, sources, summary")
    summary, sources, following = found["summary"], found["sources"], found["next"]
    if not isinstance(summary, str) or not 1 <= len(summary.strip()) <= SUMMARY_MAX:
        raise ValueError(f"summary is not a text of 1 to {SUMMARY_MAX} characters")
    if not isinstance(sources, list) or not sources or any(type(one) is not int or one not in steps for one in sources):
        raise ValueError("sources is not a list of numbers of steps, at least one")
    if type(following) is not int or not 0 <= following <= follow_ups_count:
        raise ValueError("next is none of the follow-ups")
    return Said(" ".join(summary.split(" ")).strip(), tuple(dict.fromkeys(sources)), following)


def _evidence(outcomes: Sequence[StepOutcome]) -> str:
    """What was found, with the names of assets and tools, as a model sees it; without the numbers of steps."""
    found = findings_of(outcomes)
    return "\n".join(one_line(f"{each.tool} of {each.asset}: {each.found}", 10 * LINE_CHARACTERS_MAX) for each in found)


def _names(context: ContextResolved, outcomes: Sequence[StepOutcome]) -> set[str]:
    assets = known_assets(context)
    names = {name for asset in assets for name in (asset.name, *asset.aliases)}
    names |= {asset.address for asset in assets if asset.address}
    names |= {value.lstrip("/") for asset in assets for value in shown_attributes(asset).values()}
    return names | {outcome.call.step.tool for outcome in outcomes}


def _told(context: ContextResolved, outcomes: Sequence[StepOutcome], said: Said, following: Sequence[str]) -> str:
    checks = checks_sentence(outcomes)
    text = _words(outcomes, said) + (f" {checks}." if checks else "") + left_out(context, outcomes)
    chosen = following[said.following - 1 : said.following] if said.following else []
    return plain(redactor.text(text + next_line(chosen)), SUMMARY_CHARACTERS_MAX)


def _words(outcomes: Sequence[StepOutcome], said: Said) -> str:
    by_step = {outcome.call.step.number: outcome.call for outcome in outcomes}
    sources = [
        f"step {number} {by_step[number].step.tool}" + (f" of {asset.name}" if (asset := by_step[number].asset) else "")
        for number in said.sources
    ]
    summary = said.summary if said.summary.endswith((".", "!", "?")) else f"{said.summary}."
    return f"{summary} (A model's words, from {listed(sources)}.)"
