"""A model's proposal, read strictly: bytes in, steps out, or a ValueError that says in one sentence what is wrong.

Nothing here trusts the shape that was asked for: not every server binds its model to a schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson
from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.call import OutputSchema
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.executor.rules.catalogue import Catalogue, Entry
from opswire.executor.rules.parameters import Parameter, Value
from opswire.executor.rules.targets import HTTP_PROTOCOLS, host_of, port_of, protocol_of
from opswire.executor.usecases.diagnose import LINES, METRICS, STEPS_MAX, log_words
from opswire.executor.usecases.offer import Offer, reading_tools, shown_attributes
from opswire.executor.usecases.plan_reads import manager_of
from opswire.executor.usecases.steps import StepDraft

ARGUMENTS_MAX = 6
NAME = "plan"
STAND_IN = "-"
_KEYS = {"tool", "target", "arguments", "after", "on_failure"}


@dataclass(frozen=True, slots=True)
class _Chosen:
    """One step as the model wrote it, of values that were offered. `after` are places in its own list, from 1."""

    tool: str
    target: Asset
    arguments: Mapping[str, str]
    after: tuple[int, ...]
    on_failure: Literal["stop", "continue"]


def proposal_schema(context: ContextResolved, offer: Offer, catalogue: Catalogue) -> OutputSchema[list[StepDraft]]:
    """The only shape of a proposal: its values are those that are offered, and `decode` makes steps of it."""
    shape = _shape(offer, list(offer.targets), offer.values)
    return OutputSchema(NAME, shape, lambda data: drafts_of(data, context, offer, catalogue))


def warming_schema(catalogue: Catalogue) -> OutputSchema[bytes]:
    """The shape with every tool that may be offered and a stand-in for what each request brings: to show a server."""
    shape = _shape(Offer(reading_tools(catalogue), {}, (), ()), [STAND_IN], [STAND_IN])
    return OutputSchema(NAME, shape, bytes)


def _shape(offer: Offer, targets: Sequence[str], values: Sequence[str]) -> dict[str, Any]:
    argument = _object({"name": _one_of(offer.argument_names), "value": _one_of(values)})
    step = _object(
        {
            "tool": _one_of(offer.tool_names),
            "target": _one_of(targets),
            "arguments": {"type": "array", "items": argument, "maxItems": ARGUMENTS_MAX},
            "after": {"type": "array", "items": {"type": "integer", "enum": list(range(1, STEPS_MAX))}, "maxItems": 7},
            "on_failure": _one_of(["stop", "continue"]),
        }
    )
    return _object({"steps": {"type": "array", "items": step, "minItems": 1, "maxItems": STEPS_MAX}})


def drafts_of(data: bytes, context: ContextResolved, offer: Offer, catalogue: Catalogue) -> list[StepDraft]:
    """The proposed steps, each checked as every step of every plan is; what only reads first, the same step once.

    Raises ValueError for anything that was not offered or does not fit.
    """
    chosen = [_chosen(each, offer, number) for number, each in enumerate(_steps(data), start=1)]
    changes = list(offer.changes)
    drafts: list[StepDraft] = []
    for each in chosen:
        draft = _reading(each, context, offer) if each.tool in offer.tools else _change(each, changes)
        try:
            catalogue.check(draft.tool, draft.arguments)
        except OpswireError as error:
            raise ValueError(f"{each.tool} of {each.target.name}: {error}") from error
        drafts.append(draft)
    return _in_order(chosen, drafts, offer)


def _steps(data: bytes) -> list[Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the reply is no JSON: {error}") from error
    if not isinstance(found, dict) or found.keys() != {"steps"} or not isinstance(found["steps"], list):
        raise ValueError("the reply is not an object with the key steps, a list")
    if not 1 <= len(found["steps"]) <= STEPS_MAX:
        raise ValueError(f"there are {len(found['steps'])} steps, and a plan has 1 to {STEPS_MAX}")
    return found["steps"]


def _chosen(each: Any, offer: Offer, number: int) -> _Chosen:
    if not isinstance(each, dict) or each.keys() != _KEYS:
        raise ValueError(f"step {number} is not an object of {', '.join(sorted(_KEYS))}")
    tool, target, after = each["tool"], each["target"], each["after"]
    if tool not in offer.tool_names:
        raise ValueError(f"step {number}: no such tool was offered")
    if not isinstance(target, str) or target not in offer.targets:
        raise ValueError(f"step {number}: no such target was offered")
    if each["on_failure"] not in ("stop", "continue"):
        raise ValueError(f"step {number}: on_failure is neither stop nor continue")
    if not isinstance(after, list) or any(type(one) is not int or not 1 <= one < number for one in after):
        raise ValueError(f"step {number}: after names a step that does not come before it")
    given = _arguments(each["arguments"], offer, number)
    return _Chosen(tool, offer.targets[target], given, tuple(dict.fromkeys(after)), each["on_failure"])


def _arguments(given: Any, offer: Offer, number: int) -> dict[str, str]:
    if not isinstance(given, list) or len(given) > ARGUMENTS_MAX:
        raise ValueError(f"step {number}: arguments is not a list of at most {ARGUMENTS_MAX}")
    found: dict[str, str] = {}
    for each in given:
        if not isinstance(each, dict) or each.keys() != {"name", "value"} or each["name"] in found:
            raise ValueError(f"step {number}: an argument is not one name with one value")
        if not isinstance(each["name"], str) or each["value"] not in offer.values:
            raise ValueError(f"step {number}: no such value was offered")
        found[each["name"]] = each["value"]
    return found


def _reading(chosen: _Chosen, context: ContextResolved, offer: Offer) -> StepDraft:
    entry = offer.tools[chosen.tool]
    asset = _fitting(chosen.target, entry, context)
    arguments = {name: _typed(name, entry, value, offer) for name, value in chosen.arguments.items()}
    for name, parameter in entry.parameters.items():
        if name not in arguments:
            value = _usual(entry, name, parameter, asset, context)
            if value is not None:
                arguments[name] = value
    return StepDraft(chosen.tool, asset, arguments, on_failure=chosen.on_failure)


def _fitting(asset: Asset, entry: Entry, context: ContextResolved) -> Asset:
    """The asset, or its host where the tool looks at hosts. Raises ValueError where neither fits."""
    host = host_of(asset, context)
    if entry.name.startswith("ssh.") and host is None:
        raise ValueError(f"{entry.name}: the inventory names no host for {asset.name}")
    for each in (asset, host):
        if each is not None and (not entry.asset_types or each.type in entry.asset_types):
            return each
    raise ValueError(f"{entry.name} does not look at a {asset.type} such as {asset.name}")


def _typed(name: str, entry: Entry, value: str, offer: Offer) -> Value:
    parameter = entry.parameters.get(name)
    if parameter is None:
        raise ValueError(f"{entry.name} takes no argument {name}")
    if parameter.type in ("integer", "port"):
        if not value.isascii() or not value.isdigit():
            raise ValueError(f"{name} of {entry.name} is a whole number")
        return int(value[:9])
    if parameter.type == "boolean":
        return value == "true"
    if parameter.type == "argv":
        raise ValueError(f"{name} of {entry.name} is never chosen by a model")
    if parameter.type == "asset":
        if value not in offer.targets:
            raise ValueError(f"{name} of {entry.name} is the name of a target")
        return offer.targets[value].id
    return value


def _usual(entry: Entry, name: str, parameter: Parameter, asset: Asset, context: ContextResolved) -> Value | None:
    """The one value that the inventory gives an argument, or None: then the tool's check says what is missing."""
    if entry.name == "ssh.log_tail" and name == "contains":
        return log_words(context)
    if not parameter.required:
        return None
    own = shown_attributes(asset)
    usual: dict[str, Value | None] = {
        "manager": manager_of(asset),
        "metrics": METRICS,
        "lines": LINES,
        "port": port_of(asset),
        "scheme": protocol_of(asset) if protocol_of(asset) in HTTP_PROTOCOLS else "http",
        "path": (own.get("health_path") or "/") if entry.name == "http.check" else own.get("log_path"),
        "name": asset.address,
    }
    return usual[name] if name in usual else own.get(name)


def _change(chosen: _Chosen, left: list[StepDraft]) -> StepDraft:
    """The first change not taken yet that this names. Its arguments are the deterministic plan's, never the model's."""
    for number, draft in enumerate(left):
        same = draft.asset is not None and draft.asset.id == chosen.target.id and draft.tool == chosen.tool
        if same and all(str(draft.arguments.get(name)) == value for name, value in chosen.arguments.items()):
            return left.pop(number)
    raise ValueError(f"the request names no further {chosen.tool} of {chosen.target.name}")


def _in_order(chosen: Sequence[_Chosen], drafts: Sequence[StepDraft], offer: Offer) -> list[StepDraft]:
    """What only reads and waits for no change first; changes one after the other, with what waits for them."""
    late: set[int] = set()
    places: dict[int, int] = {}
    for number, each in enumerate(chosen, start=1):
        if each.tool not in offer.tools or any(one in late for one in each.after):
            late.add(number)
    found: list[StepDraft] = []
    change_before: int | None = None
    for number in sorted(range(1, len(chosen) + 1), key=lambda one: (one in late, one)):
        after = {places[one] for one in chosen[number - 1].after}
        draft = drafts[number - 1]
        is_change = chosen[number - 1].tool not in offer.tools
        if is_change and change_before is not None:
            after.add(change_before)
        draft = replace(draft, after=tuple(sorted(after)))
        if not is_change and draft in found:
            places[number] = found.index(draft) + 1
            continue
        found.append(draft)
        places[number] = len(found)
        change_before = len(found) if is_change else change_before
    return found


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _one_of(values: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}
