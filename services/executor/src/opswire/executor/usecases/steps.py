"""A step before it has its number. What its tool does, and how long it may take, the catalogue says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from opswire.contracts.findings import Asset
from opswire.contracts.plan_made import Call, Step
from opswire.executor.rules.catalogue import CallDraft, Catalogue
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.parameters import Value


@dataclass(frozen=True, slots=True)
class StepDraft:
    """One tool on at most one asset, with its arguments."""

    tool: str
    asset: Asset | None = None
    arguments: Mapping[str, Value] = field(default_factory=dict)
    after: tuple[int, ...] = ()
    on_failure: Literal["stop", "continue"] = "stop"

    def coming_after(self, *numbers: int) -> StepDraft:
        """The same, to be begun only when the steps of these numbers have succeeded."""
        return replace(self, after=numbers)

    def step(self, number: int, request_id: str, catalogue: Catalogue | None = None) -> Step:
        """The step as it goes into the plan, by this catalogue, or by the package's own, with its probe and reverse.

        Raises BadArgumentError or PathRefusedError where the tool does not take these arguments.
        """
        catalogue = catalogue or packaged_catalogue()
        catalogue.check(self.tool, self.arguments)
        entry = catalogue.entry(self.tool)
        return Step(
            number=number,
            tool=self.tool,
            effect=entry.effect,
            risk=entry.risk,
            asset_id=self.asset.id if self.asset else None,
            asset_generation=self.asset.generation if self.asset else None,
            arguments=dict(self.arguments),
            timeout_ms=entry.timeout_ms,
            after=list(self.after),
            on_failure=self.on_failure,
            verification=_call(catalogue.verification_of(self.tool, self.arguments, request_id, number)),
            reverse=_call(catalogue.reverse_of(self.tool, self.arguments, request_id, number)),
        )


def _call(draft: CallDraft | None) -> Call | None:
    if draft is None:
        return None
    return Call(tool=draft.tool, arguments=dict(draft.arguments), timeout_ms=draft.timeout_ms)
