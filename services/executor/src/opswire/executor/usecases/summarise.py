"""The one plain sentence of an answer, made from the rows and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType
from opswire.executor.rules.cells import counted, listed, plain
from opswire.executor.rules.tools import Record
from opswire.executor.usecases.findings import findings_sentence, is_mixed, not_done
from opswire.executor.usecases.outcomes import StepOutcome
from opswire.executor.usecases.summarise_checks import connectivity_sentence, status_sentence
from opswire.executor.usecases.words import entity_values

Outcomes = Sequence[StepOutcome]
_METRIC_WORDS = {"load_1m": "load", "memory_used": "memory use", "disk_used": "disk use", "uptime": "uptime"}
_FILTERS = (
    EntityType.ENVIRONMENT,
    EntityType.ASSET_TYPE,
    EntityType.SITE,
    EntityType.OS,
    EntityType.TAG,
    EntityType.APPLICATION,
)


def summarise(context: ContextResolved, outcomes: Outcomes) -> str:
    """The sentence for these outcomes, at least one of which succeeded, with remarks and failures behind it."""
    mixed = is_mixed(context, outcomes)
    sentence = findings_sentence(context, outcomes) if mixed else _SENTENCES[context.intent.name](context, outcomes)
    notes = dict.fromkeys(outcome.result.note for outcome in outcomes if outcome.result and outcome.result.note)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    undone = "" if mixed else not_done(context, [outcome.call.step.tool for outcome in outcomes])
    parts = [sentence + undone, *notes, *_ages(outcomes)]
    if failed and not mixed:
        first = failed[0].error
        parts.append(f"{len(failed)} of {counted(len(outcomes), 'check')} failed: {first}.")
    return " ".join(parts)


def _ages(outcomes: Outcomes) -> list[str]:
    """Where not everything was looked at just now, how old it is and how to look now."""
    ages = [outcome.age_s for outcome in outcomes if outcome.age_s is not None]
    if not ages:
        return []
    oldest = f"{max(ages):.0f} s" if max(ages) >= 1 else "under 1 s"
    if len(outcomes) == 1:
        return [f"This is from the cache, {oldest} old; --fresh asks anew."]
    up_to = "up to " if len(ages) > 1 and max(ages) >= 1 else ""
    return [f"{len(ages)} of {len(outcomes)} checks are from the cache, {up_to}{oldest} old; --fresh asks anew."]


def _list(context: ContextResolved, outcomes: Outcomes) -> str:
    del outcomes
    if not context.assets:
        return f"No asset in the inventory matches{_filter(context)}."
    shown = len(context.assets)
    if context.total > shown:
        return f"{context.total} assets match{_filter(context)}; these are the first {shown} by name."
    names = listed([asset.name for asset in context.assets])
    return f"{counted(shown, 'asset matches', 'assets match')}{_filter(context)}: {names}."


def _count(context: ContextResolved, outcomes: Outcomes) -> str:
    del outcomes
    total = max(context.total, len(context.assets))
    return f"{counted(total, 'asset matches', 'assets match')}{_filter(context)}."


def _get(context: ContextResolved, outcomes: Outcomes) -> str:
    del outcomes
    if len(context.assets) > 1:
        return f"The inventory's entries for {listed([asset.name for asset in context.assets])}."
    return _portrait(context.assets[0])


def _portrait(asset: Asset) -> str:
    where = f" at {asset.address}" if asset.address else " without an address"
    on = f" on {asset.parent}" if asset.parent else ""
    owner = f", owned by {asset.owner}" if asset.owner else ""
    article = "an" if asset.type[:1].casefold() in "aeiou" else "a"
    return plain(f"{asset.name} is {article} {asset.type}{on} in {asset.environment}{where}{owner}.")


def _filter(context: ContextResolved) -> str:
    values = entity_values(context, *_FILTERS) if context.selection == "filtered" else []
    return f" {listed(values)}" if values else ""


def _metrics(context: ContextResolved, outcomes: Outcomes) -> str:
    parts = []
    for outcome in outcomes:
        values = _readings(outcome.found)
        if outcome.call.asset is not None and values:
            parts.append(f"{outcome.call.asset.name} has {listed(values)}")
    more = f"; and {len(parts) - 4} more hosts" if len(parts) > 4 else ""
    past = _past(context)
    history = f' History is not kept here: these are the values of now, not of "{past}".' if past else ""
    return f"{'; '.join(parts[:4])}{more}.{history}"


def _readings(records: Sequence[Record]) -> list[str]:
    found = [record for record in records if record["metric"] in _METRIC_WORDS]
    disks = [record for record in found if record["metric"] == "disk_used"]
    # A host may have many file systems; the fullest is the one that matters in a sentence, the table has all.
    fullest = max(disks, key=lambda record: float(record["value"] or 0), default=None)
    return [_reading(record) for record in found if record["metric"] != "disk_used" or record is fullest]


def _reading(record: Record) -> str:
    unit = f" {record['unit']}" if record["unit"] else ""
    path = f" on {plain(str(record['detail']).split(',')[0], 80)}" if record["metric"] == "disk_used" else ""
    return f"{_METRIC_WORDS[str(record['metric'])]} {record['value']}{unit}{path}"


def _past(context: ContextResolved) -> str | None:
    ranges = [value for value in entity_values(context, EntityType.TIME_RANGE) if not _is_now(value)]
    return plain(ranges[0], 80) if ranges else None


def _is_now(value: str) -> bool:
    return value.casefold().strip() in {"now", "right now", "current", "currently", "at the moment"}


def _logs(context: ContextResolved, outcomes: Outcomes) -> str:
    parts = []
    for outcome in outcomes:
        if outcome.result is None or outcome.call.asset is None:
            continue
        path = outcome.call.text("path")
        count = len(outcome.found)
        contains = outcome.call.step.arguments.get("contains")
        words = " or ".join(f'"{plain(word, 60)}"' for word in str(contains).split("\n")) if contains else ""
        place = f"{plain(path, 200)} of {outcome.call.asset.name}"
        if words and not count:
            parts.append(f"no line of {place} holds {words}")
        elif words:
            parts.append(f"the last {counted(count, 'line')} of {place} holding {words}")
        else:
            parts.append(f"the last {counted(count, 'line')} of {place}" if count else f"{place} is empty")
    sentence = "; ".join(parts)
    past = _past(context)
    remark = f' The range "{past}" is not applied to the lines.' if past else ""
    return f"{sentence[:1].upper()}{sentence[1:]}.{remark}"


def _file(context: ContextResolved, outcomes: Outcomes) -> str:
    del context
    parts = []
    for outcome in outcomes:
        if outcome.result is None or outcome.call.asset is None:
            continue
        place = f"{plain(outcome.call.text('path'), 200)} on {outcome.call.asset.name}"
        if any("name" in record for record in outcome.found):
            parts.append(f"{place} is a directory with {counted(len(outcome.found), 'entry', 'entries')}")
        else:
            parts.append(f"{place} holds {counted(len(outcome.found), 'line')}")
    return f"{'; '.join(parts)}."


def _help(context: ContextResolved, outcomes: Outcomes) -> str:
    del context
    count = sum(not record.get("changes something") for outcome in outcomes for record in outcome.found)
    return (
        "Ask about hosts and services in plain words: what there is, whether it runs, its load, its log, its files, "
        f"its connections; these {count} kinds of question are answered at once, changes need an approval."
    )


_SENTENCES: dict[IntentName, Callable[[ContextResolved, Outcomes], str]] = {
    IntentName.ASSET_LIST: _list,
    IntentName.ASSET_COUNT: _count,
    IntentName.ASSET_GET: _get,
    IntentName.STATUS_CHECK: status_sentence,
    IntentName.METRICS_QUERY: _metrics,
    IntentName.LOGS_SEARCH: _logs,
    IntentName.FILE_READ: _file,
    IntentName.DIAGNOSE_CONNECTIVITY: connectivity_sentence,
    IntentName.SYSTEM_HELP: _help,
}
