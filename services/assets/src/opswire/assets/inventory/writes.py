"""Writing: every change of an asset, its index rows and its outbox message in one transaction.

These functions run on a connection whose transaction the caller holds; none of them commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from opswire.assets.inventory.changes import Change, name_keys, normal_address, spoken_names
from opswire.assets.inventory.engine import tell_of_changes
from opswire.assets.inventory.tables import (
    ASSET_GROUPS,
    ASSET_NAMES,
    ASSET_TAGS,
    ASSETS,
    LANE_BULK,
    LANE_BY_HAND,
    OUTBOX,
)
from opswire.assets.vocabulary import fold, slug, words
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.findings import Asset
from opswire.contracts.routes import ASSET_CHANGED
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

Row = dict[str, Any]

ANEW = "-anew"
"""The end of the message id of what replaces an unreadable message."""
GENERATION_MAX = 2**53 - 1
_SUBJECTS_AT_ONCE = 500

_DOCUMENTS = select(ASSETS.c.document)
# The rows stay locked until the transaction ends, so that a generation is given once (SQLite locks as a whole).
_READ_BY_NAME_KEYS = _DOCUMENTS.where(ASSETS.c.name_key.in_(bindparam("keys", expanding=True)))
_BY_NAME_KEYS = _READ_BY_NAME_KEYS.with_for_update()
_BY_PARENT = _DOCUMENTS.where(ASSETS.c.parent_key == bindparam("key")).order_by(ASSETS.c.name_key).with_for_update()
_UPDATE = update(ASSETS).where(ASSETS.c.id == bindparam("of_id"))
_INDEXES = (ASSET_NAMES, ASSET_GROUPS, ASSET_TAGS)


def assets_named(connection: Connection, names: Iterable[str], lock: bool = True) -> dict[str, Asset]:
    """The assets with these primary names, by folded name; locked for writing unless they are only looked at."""
    keys = sorted({fold(name) for name in names})
    rows = connection.execute(_BY_NAME_KEYS if lock else _READ_BY_NAME_KEYS, {"keys": keys})
    found = (Asset.model_validate_json(row.document) for row in rows)
    return {fold(asset.name): asset for asset in found}


def children_of(connection: Connection, name: str) -> list[Asset]:
    """The assets that name this one as their parent, by name, locked for writing."""
    rows = connection.execute(_BY_PARENT, {"key": fold(name)})
    return [Asset.model_validate_json(row.document) for row in rows]


def apply(connection: Connection, changes: Sequence[Change], now_ns: int, lane: int = LANE_BY_HAND) -> int:
    """Write all changes and one outbox row for each, in order. Returns the highest outbox id, 0 without changes.

    `lane` says whether the messages overtake those of imports.
    """
    if not changes:
        return 0
    gone = [change.asset_id for change in changes if change.kind != "created"]
    for table in _INDEXES if gone else ():
        connection.execute(delete(table).where(table.c.asset_id == bindparam("of_id")), [{"of_id": id} for id in gone])
    deleted = [{"of_id": change.asset_id} for change in changes if change.kind == "deleted"]
    if deleted:
        connection.execute(delete(ASSETS).where(ASSETS.c.id == bindparam("of_id")), deleted)
    _write_assets(connection, changes, now_ns)
    _write_indexes(connection, [change.after for change in changes if change.after is not None])
    rows = [{**outbox_row(change, now_ns), "lane": lane} for change in changes]
    if lane == LANE_BY_HAND:
        _hurry(connection, [row["subject"] for row in rows])
    connection.execute(insert(OUTBOX), rows)
    tell_of_changes(connection)
    return int(connection.execute(select(func.max(OUTBOX.c.id))).scalar_one())


def outbox_row(change: Change, now_ns: int) -> Row:
    """The message that tells of a change, ready to be published; its id is the same however often it is sent."""
    message = AssetChanged(
        asset_id=change.asset_id,
        kind=change.kind,
        generation=change.generation,
        asset=change.after,
        previous_names=spoken_names(change.before) if change.before else [],
        changed_ns=now_ns,
    )
    return {
        "subject": ASSET_CHANGED.subject(asset_id=change.asset_id),
        "message_id": f"asset-{change.asset_id}-{change.generation}",
        "body": message.to_bytes(),
        "created_ns": now_ns,
    }


def tell_of_state(connection: Connection, subject: str, now_ns: int) -> None:
    """Write an outbox row that tells what the asset of this subject is now, whatever became of its last message."""
    asset_id = ASSET_CHANGED.variables(subject)["asset_id"]
    document = connection.execute(_DOCUMENTS.where(ASSETS.c.id == asset_id)).scalar()
    asset = Asset.model_validate_json(document) if document else None
    row = outbox_row(Change(asset, asset), now_ns) if asset else _gone_row(asset_id, subject, now_ns)
    connection.execute(insert(OUTBOX), [{**row, "message_id": f"asset-{asset_id}-{now_ns}{ANEW}"}])
    tell_of_changes(connection)


def _gone_row(asset_id: str, subject: str, now_ns: int) -> Row:
    # Its generation is not known any more; the highest is the one that nobody ignores.
    message = AssetChanged(asset_id=asset_id, kind="deleted", generation=GENERATION_MAX, changed_ns=now_ns)
    return {"subject": subject, "body": message.to_bytes(), "created_ns": now_ns}


def _hurry(connection: Connection, subjects: Sequence[str]) -> None:
    """What an import has waiting for these assets goes out before what is written now: one asset's are in order."""
    for start in range(0, len(subjects), _SUBJECTS_AT_ONCE):
        some = subjects[start : start + _SUBJECTS_AT_ONCE]
        waiting = OUTBOX.c.subject.in_(some) & (OUTBOX.c.lane == LANE_BULK)
        connection.execute(update(OUTBOX).where(waiting).values(lane=LANE_BY_HAND))


def _write_assets(connection: Connection, changes: Sequence[Change], now_ns: int) -> None:
    new = [
        {**_asset_row(change.after, now_ns), "id": change.after.id, "created_ns": now_ns}
        for change in changes
        if change.after is not None and change.before is None
    ]
    old = [
        {**_asset_row(change.after, now_ns), "of_id": change.after.id}
        for change in changes
        if change.after is not None and change.before is not None
    ]
    if new:
        connection.execute(insert(ASSETS), new)
    if old:
        connection.execute(_UPDATE, old)


def _write_indexes(connection: Connection, assets: Sequence[Asset]) -> None:
    names = [
        {"asset_id": asset.id, "key": key, "kind": kind} for asset in assets for key, kind in name_keys(asset).items()
    ]
    groups = [{"asset_id": asset.id, "key": key} for asset in assets for key in {slug(value) for value in asset.groups}]
    tags = [{"asset_id": asset.id, "key": key} for asset in assets for key in {slug(value) for value in asset.tags}]
    for table, rows in zip(_INDEXES, (names, groups, tags), strict=True):
        if rows:
            connection.execute(insert(table), rows)


def _asset_row(asset: Asset, now_ns: int) -> Row:
    return {
        "name": asset.name,
        "name_key": fold(asset.name),
        "type": asset.type,
        "environment": asset.environment,
        "criticality": asset.criticality,
        "address": normal_address(asset.address) if asset.address else None,
        "owner": words(asset.owner) if asset.owner else None,
        "site": words(asset.site) if asset.site else None,
        "os": words(asset.os) if asset.os else None,
        "parent_key": fold(asset.parent) if asset.parent else None,
        "document": asset.model_dump_json(),
        "generation": asset.generation,
        "changed_ns": now_ns,
    }
