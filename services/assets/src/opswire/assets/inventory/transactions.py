"""What each write does inside its one transaction. The caller holds the transaction and commits it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from opswire.assets.errors import AssetInUseError, AssetNotFoundError, InvalidAssetError, NameTakenError
from opswire.assets.inventory import changes, writes
from opswire.assets.inventory.changes import Change, EditValue
from opswire.assets.inventory.queries import ENVIRONMENT_EXISTS, ENVIRONMENTS
from opswire.assets.inventory.tables import LANE_BY_HAND, OUTBOX
from opswire.assets.records import AssetRecord, ImportReport, LineNote, OutboxRow
from opswire.assets.vocabulary import ENVIRONMENT_WORDS, UNKNOWN_ENVIRONMENT, fold
from opswire.contracts.findings import Asset
from sqlalchemy import Connection, delete

_SHOWN_CHILDREN = 5
_SHOWN_ENVIRONMENTS = 20


def without_repeats(records: Iterable[AssetRecord], seen: dict[str, int], report: ImportReport) -> list[AssetRecord]:
    """The records whose name was not `seen` before (name to line); the others are rejected in the report."""
    fresh = []
    for record in records:
        key = fold(record.name)
        if key in seen:
            text = f"{record.name}: the name stands on line {seen[key]} already"
            report.rejected.append(LineNote(record.line, text))
        else:
            seen[key] = record.line
            fresh.append(record)
    return fresh


def upsert(
    connection: Connection, records: Sequence[AssetRecord], origin: str, report: ImportReport, lane: int = LANE_BY_HAND
) -> None:
    """Write the records that make a difference and count all of them in the report."""
    known = writes.assets_named(connection, (record.name for record in records))
    made: list[Change] = []
    for record in records:
        before = known.get(fold(record.name))
        try:
            after = changes.merged(before, record) if before else changes.created(record, origin)
        except InvalidAssetError as error:
            report.rejected.append(LineNote(record.line, f"{record.name or 'an asset without a name'}: {error}"))
            continue
        if before is None:
            report.created += 1
        elif after is before:
            report.unchanged += 1
            continue
        else:
            report.updated += 1
        made.append(Change(before, after))
        _note_new_environment(connection, after, record.line, report)
    report.outbox_id = max(report.outbox_id, writes.apply(connection, made, time.time_ns(), lane))


def edit(connection: Connection, name: str, values: Mapping[str, EditValue], new_environment: bool = False) -> Asset:
    """Edit one asset, its name too. Writes nothing when it stays the same. Raises InvalidAssetError for an environment
    that no asset has and no one knows, unless it is meant to be new.
    """
    others = {key: value for key, value in values.items() if key != "name"}
    if others.keys() != values.keys():
        name = rename(connection, name, str(values["name"])).name
    before = _one(connection, name)
    after = changes.edited(before, others)
    if "environment" in others and not new_environment and _is_new(connection, after.environment):
        raise InvalidAssetError(_no_environment(connection, after.environment))
    if after is not before:
        writes.apply(connection, [Change(before, after)], time.time_ns())
    return after


def rename(connection: Connection, old: str, new: str) -> Asset:
    """Give one asset another name and point its children to it."""
    before = _one(connection, old)
    taken = writes.assets_named(connection, [new]).get(fold(new))
    if taken is not None and taken.id != before.id:
        raise NameTakenError(f"{new} is the name of another asset; rename that one first")
    after = changes.renamed(before, new)
    if after is before:
        return before
    made = [Change(before, after)]
    for child in writes.children_of(connection, before.name):
        made.append(Change(child, changes.reparented(child, after.name)))
    writes.apply(connection, made, time.time_ns())
    return after


def remove(connection: Connection, name: str) -> Asset:
    """Delete one asset that is nobody's parent."""
    before = _one(connection, name)
    children = writes.children_of(connection, before.name)
    if children:
        shown = ", ".join(child.name for child in children[:_SHOWN_CHILDREN])
        parent = f"{before.name} is the parent of {len(children)}: {shown}"
        raise AssetInUseError(f"{parent}; delete them or give them another first")
    writes.apply(connection, [Change(before, None)], time.time_ns())
    return before


def forget(connection: Connection, outbox_ids: Sequence[int]) -> None:
    """Delete sent messages from the outbox."""
    for start in range(0, len(outbox_ids), 500):
        connection.execute(delete(OUTBOX).where(OUTBOX.c.id.in_(outbox_ids[start : start + 500])))


def tell_anew(connection: Connection, row: OutboxRow) -> None:
    """Replace a message that cannot be read by one of what its asset is now; nothing comes for a replacement's own."""
    connection.execute(delete(OUTBOX).where(OUTBOX.c.id == row.id))
    if not row.message_id.endswith(writes.ANEW):
        writes.tell_of_state(connection, row.subject, time.time_ns())


def _is_new(connection: Connection, environment: str) -> bool:
    known = environment == UNKNOWN_ENVIRONMENT or environment in ENVIRONMENT_WORDS.values()
    return not known and connection.execute(ENVIRONMENT_EXISTS, {"environment": environment}).first() is None


def _no_environment(connection: Connection, environment: str) -> str:
    here = {row[0] for row in connection.execute(ENVIRONMENTS)}
    known = ", ".join(sorted(here | {*ENVIRONMENT_WORDS.values(), UNKNOWN_ENVIRONMENT})[:_SHOWN_ENVIRONMENTS])
    meant = "Say that it is new if it is meant: --new-environment, over HTTP ?new_environment=true"
    return f"environment: {environment!r} is new here; there are {known}. {meant}"


def _note_new_environment(connection: Connection, asset: Asset, line: int, report: ImportReport) -> None:
    """An import may bring an environment, which is said once: it may be a slip of the pen."""
    if asset.environment not in report.environments:
        report.environments.add(asset.environment)
        if _is_new(connection, asset.environment):
            report.notes.append(LineNote(line, f"{asset.name}: environment {asset.environment!r} is new here"))


def _one(connection: Connection, name: str) -> Asset:
    found = writes.assets_named(connection, [name]).get(fold(name))
    if found is None:
        raise AssetNotFoundError(f"there is no asset named {name}")
    return found
