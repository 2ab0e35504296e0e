"""Plans of diagnoses and of requests for several things: a model proposes steps, out of what it is offered.

The model sees the request and the inventory's words on its assets, and nothing that a tool found: the plan is fixed
before any tool runs. What it proposes is read strictly, repaired once at most, and checked like every plan. Where no
model answers, the deterministic plan is made, as where there is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from opswire.chassis.inference.call import InferenceCall, OutputSchema, Reply
from opswire.chassis.inference.errors import InferenceRefusedError, InferenceUnavailableError, ReplyInvalidError
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import span
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.taxonomy import IntentName
from opswire.executor.prompts.library import load_prompt, one_line
from opswire.executor.rules.catalogue import Catalogue, Entry
from opswire.executor.usecases.asked_for import AskedFor
from opswire.executor.usecases.offer import Offer, offer_of, reading_tools, shown_attributes
from opswire.executor.usecases.plan import make_plan, numbered
from opswire.executor.usecases.proposal import proposal_schema, warming_schema
from opswire.executor.usecases.steps import StepDraft
from opswire.executor.usecases.story import Key

Value = TypeVar("Value")
OPERATION = "executor.plan"
TOKENS_MAX = 800
REQUEST_CHARACTERS_MAX = 2_000
ASSET_CHARACTERS_MAX = 400
TIME_SHARE, TIME_S_MAX = 0.4, 10.0
"""Of a request's time a plan takes this share at most, and never more than 10 s: tools need the rest."""
NO_ANSWER = (InferenceUnavailableError, InferenceRefusedError, ReplyInvalidError)


class Model(Protocol):
    """Answers one question in the shape that is asked for. It has no tools."""

    async def decide(self, call: InferenceCall, schema: OutputSchema[Value]) -> Reply[Value]:
        """The reply. Raises InferenceUnavailableError, InferenceRefusedError or ReplyInvalidError."""


class ProposeByModel:
    """One per process."""

    def __init__(
        self,
        model: Model,
        is_there: Callable[[], bool],
        catalogue: Callable[[], Catalogue],
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`is_there` says whether a model is configured at this moment, and nothing about its health."""
        self._model = model
        self._is_there = is_there
        self._catalogue = catalogue
        self._clock_ns = clock_ns

    @property
    def schemas(self) -> list[OutputSchema[Any]]:
        """What a server is shown before it is asked: the shape of every plan, as the catalogue is now."""
        return [warming_schema(self._catalogue())]

    @property
    def prompts_key(self) -> str:
        """Changes whenever the prompt does."""
        return load_prompt("plan").key

    def serves(self, context: ContextResolved) -> bool:
        """Whether a model is asked for this request's plan: a diagnosis of something that is known, or several things.

        Pure but for whether a model is configured.
        """
        if not self._is_there() or not context.assets:
            return False
        return context.intent.name is IntentName.DIAGNOSE_ISSUE or AskedFor(context).is_composite

    async def __call__(self, key: Key, context: ContextResolved) -> PlanMade:
        """The proposed plan, or the deterministic one where no model answers in time or in shape.

        Raises as `make_plan`, and as a deterministic plan of a change that the request names.
        """
        catalogue = self._catalogue()
        offer = offer_of(context, catalogue)
        with span("propose a plan", Stage.EXECUTOR_COMPUTE, {"opswire.plan.source": "model"}) as current:
            if not offer.tools and not offer.changes:
                current.set("opswire.plan.source", "inventory")
                return make_plan(context, catalogue)
            try:
                drafts = await self._ask(key, context, offer, catalogue)
            except NO_ANSWER as error:
                current.set("opswire.plan.source", "inventory")
                current.set("error.type", error.code)
                return make_plan(context, catalogue)
            return numbered(context, drafts, catalogue)

    async def _ask(self, key: Key, context: ContextResolved, offer: Offer, catalogue: Catalogue) -> list[StepDraft]:
        schema = proposal_schema(context, offer, catalogue)
        now_ns = self._clock_ns()
        time_ns = min(int((context.deadline_ns - now_ns) * TIME_SHARE), int(TIME_S_MAX * 1e9))
        call = InferenceCall(
            operation=OPERATION,
            messages=load_prompt("plan").messages(**plan_texts(context, offer, catalogue)),
            deadline_ns=now_ns + time_ns,
            max_tokens=TOKENS_MAX,
            prompt_version=self.prompts_key,
            request_key=str(key),
        )
        return (await self._model.decide(call, schema)).value


def plan_texts(context: ContextResolved, offer: Offer, catalogue: Catalogue) -> dict[str, str]:
    """What the prompt's places are filled with: catalogue and inventory in their own words, and the request as data."""
    # All tools that only read, whatever the assets: the same bytes for every request while the catalogue stays.
    tools = "\n".join(_tool_line(entry) for entry in reading_tools(catalogue).values())
    assets = "\n".join(_asset_line(asset) for asset in offer.targets.values())
    changes = "\n".join(_change_line(change) for change in offer.changes) or "none"
    request = one_line(context.text, REQUEST_CHARACTERS_MAX)
    return {"tools": tools, "assets": assets, "changes": changes, "request": request}


def _tool_line(entry: Entry) -> str:
    names = ", ".join(f"{name}{'' if parameter.required else '?'}" for name, parameter in entry.parameters.items())
    return one_line(f"{entry.name}({names}) {entry.does}", ASSET_CHARACTERS_MAX)


def _asset_line(asset: Asset) -> str:
    where = f" on {asset.parent}" if asset.parent else ""
    known: dict[str, Any] = shown_attributes(asset)
    told = " ".join(f"{name}={value}" for name, value in sorted(known.items()))
    return one_line(f"{asset.name}: {asset.type}{where} in {asset.environment} {told}", ASSET_CHARACTERS_MAX)


def _change_line(change: StepDraft) -> str:
    told = " ".join(f"{name}={value}" for name, value in change.arguments.items())
    return one_line(f"{change.tool} {change.asset.name if change.asset else ''} {told}", ASSET_CHARACTERS_MAX)
