"""What a model may choose from when it proposes a plan. What is not offered cannot be planned, whatever a model says.

Tools are the catalogue's that serve a diagnosis and only read. Targets are assets of the request's context. Arguments
are values that the inventory or the request holds. A change is offered whole, tool, asset and arguments as the
deterministic plan has it, and only where the request itself names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from opswire.chassis.redaction import is_secret_name
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.taxonomy import IntentName
from opswire.executor.errors import TooManyTargetsError
from opswire.executor.prompts.library import one_line
from opswire.executor.rules.catalogue import Catalogue, Entry
from opswire.executor.rules.targets import known_assets
from opswire.executor.usecases.asked_for import AskedFor
from opswire.executor.usecases.diagnose import ERROR_WORDS, METRICS, STEPS_MAX
from opswire.executor.usecases.plan import PLANNERS
from opswire.executor.usecases.steps import StepDraft
from opswire.executor.usecases.words import quoted_texts

TARGETS_MAX = 24
VALUES_MAX = 80
VALUE_CHARACTERS_MAX = 200
_LINES = ("20", "50", "200")
_METRICS = ("load", "memory", "disk", "uptime")
_REFERENCES = ("env:", "file:", "vault:")
_NOT_SHOWN = ("ssh_", "credential", "key", "user")


@dataclass(frozen=True, slots=True)
class Offer:
    """`tools` that only read, by name; `targets` by name; `changes` that the request names; `values` of arguments."""

    tools: Mapping[str, Entry]
    targets: Mapping[str, Asset]
    changes: tuple[StepDraft, ...]
    values: tuple[str, ...]

    @property
    def tool_names(self) -> list[str]:
        """Every tool that a step may name."""
        return list(dict.fromkeys([*self.tools, *(change.tool for change in self.changes)]))

    @property
    def argument_names(self) -> list[str]:
        """Every argument that a step may name."""
        names = [name for entry in self.tools.values() for name in entry.parameters]
        names += [name for change in self.changes for name in change.arguments]
        return sorted(set(names))


def reading_tools(catalogue: Catalogue) -> dict[str, Entry]:
    """What serves a diagnosis and only reads, by name."""
    serving = catalogue.serving(IntentName.DIAGNOSE_ISSUE)
    return {entry.name: entry for entry in sorted(serving, key=lambda each: each.name) if not entry.changes}


def offer_of(context: ContextResolved, catalogue: Catalogue) -> Offer:
    """What may be planned for this request.

    Raises what the deterministic plans raise where a change is named that cannot be planned (IncompleteRequestError,
    NoAutomaticPlanError ...), and TooManyTargetsError: a part of what was asked for is never silently left out.
    """
    known = [asset for asset in known_assets(context) if _is_plain(asset.name)]
    targets = {asset.name: asset for asset in known[:TARGETS_MAX]}
    tools = {name: entry for name, entry in reading_tools(catalogue).items() if _fits(entry, targets.values())}
    changes = tuple(_changes(context))
    if len(changes) > STEPS_MAX:
        raise TooManyTargetsError(
            f"This names {len(changes)} changes and at most {STEPS_MAX} steps are planned for a request that asks for "
            "several things; ask for them one after the other."
        )
    return Offer(tools, targets, changes, tuple(_values(context, targets, tools))[:VALUES_MAX])


def shown_attributes(asset: Asset) -> dict[str, str]:
    """What of an asset's attributes a model may see: no credential, no key, no login, and no reference to one."""
    return {
        name: value
        for name, value in asset.attributes.items()
        if value
        and not is_secret_name(name)
        and not any(part in name.casefold() for part in _NOT_SHOWN)
        and _is_plain(value)
    }


def _is_plain(text: str) -> bool:
    """Whether the text is what a model would see of it, so that it can be offered as it is, and is no reference."""
    return text == one_line(text, VALUE_CHARACTERS_MAX) and not text.startswith(_REFERENCES)


def _fits(entry: Entry, targets: Iterable[Asset]) -> bool:
    return not entry.asset_types or any(asset.type in entry.asset_types for asset in targets)


def _changes(context: ContextResolved) -> Iterator[StepDraft]:
    for name in AskedFor(context).permitted:
        intent = context.intent.model_copy(update={"name": name})
        for draft in PLANNERS[name](context.model_copy(update={"intent": intent})):
            yield replace(draft, after=())


def _values(context: ContextResolved, targets: Mapping[str, Asset], tools: Mapping[str, Entry]) -> list[str]:
    """Each once; the inventory's first, then the request's own words, then what tools list themselves."""
    found = [value for asset in targets.values() for value in shown_attributes(asset).values()]
    found += [entity.value for entity in context.intent.entities]
    found += quoted_texts(context)
    found += targets
    found += [value for entry in tools.values() for each in entry.parameters.values() for value in each.enum or ()]
    found += [METRICS, *_METRICS, *_LINES, *ERROR_WORDS]
    return [value for value in dict.fromkeys(found) if value and _is_plain(value)]
