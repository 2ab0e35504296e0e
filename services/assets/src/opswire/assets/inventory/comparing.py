"""What an import would do, found by the functions that do it, on a connection that only reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opswire.assets.errors import InvalidAssetError
from opswire.assets.inventory import changes, writes
from opswire.assets.inventory.changes import EXTERNAL_ID
from opswire.assets.inventory.queries import ORIGINS, asset_of
from opswire.assets.records import (
    LISTED_MAX,
    AssetDifference,
    AssetRecord,
    FieldChange,
    InventoryDifference,
    LineNote,
)
from opswire.assets.vocabulary import fold
from opswire.contracts.findings import Asset
from sqlalchemy import Connection

PAGE = 2_000
_LEFT_OUT = frozenset({"id", "generation"})


def compare(
    connection: Connection, records: Sequence[AssetRecord], origin: str, difference: InventoryDifference
) -> None:
    """Add what becomes of these records to the difference."""
    known = writes.assets_named(connection, (record.name for record in records), lock=False)
    for record in records:
        before = known.get(fold(record.name))
        try:
            after = changes.merged(before, record) if before else changes.created(record, origin)
        except InvalidAssetError as error:
            text = f"{record.name or 'an asset without a name'}: {error}"
            difference.rejected.append(LineNote(record.line, text))
            continue
        if before is None:
            difference.added_total += 1
            difference.added += [after.name] if len(difference.added) < LISTED_MAX else []
        elif after is before:
            difference.unchanged += 1
        else:
            difference.changed_total += 1
            if len(difference.changed) < LISTED_MAX:
                fields = field_changes(before, after)
                difference.changed.append(AssetDifference(after.name, record.line, fields))


def find_gone(
    connection: Connection, records: Sequence[AssetRecord], origin: str, difference: InventoryDifference
) -> None:
    """Add the assets that came from this kind of source and have no record. Where the records have ids of their source
    (`netbox:device:12`), only assets of the same kinds of ids count: a list of devices says nothing of machines.
    """
    names = {fold(record.name) for record in records}
    kinds = {record.external_id.rpartition(":")[0] for record in records if record.external_id}
    after = ""
    while True:
        rows = connection.execute(ORIGINS, {"after": after, "most": PAGE}).fetchall()
        for key, name, document in rows:
            if key not in names and _is_of(asset_of(document), origin, kinds):
                difference.gone_total += 1
                difference.gone += [name] if len(difference.gone) < LISTED_MAX else []
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def field_changes(before: Asset, after: Asset) -> list[FieldChange]:
    """What differs, field by field; each attribute is a field of its own."""
    old, new = _flat(before), _flat(after)
    keys = [key for key in {**old, **new} if old.get(key, "") != new.get(key, "")]
    return [FieldChange(key, old.get(key, ""), new.get(key, "")) for key in keys]


def _is_of(asset: Asset, origin: str, kinds: set[str]) -> bool:
    external_id = asset.attributes.get(EXTERNAL_ID, "")
    if kinds:
        return external_id.rpartition(":")[0] in kinds
    return asset.attributes.get("origin") == origin


def _flat(asset: Asset) -> dict[str, str]:
    values: dict[str, Any] = asset.model_dump(exclude_none=True)
    attributes = values.pop("attributes")
    flat = {
        key: ", ".join(value) if isinstance(value, list) else str(value)
        for key, value in values.items()
        if key not in _LEFT_OUT
    }
    return {**flat, **{f"attributes.{key}": value for key, value in attributes.items()}}
