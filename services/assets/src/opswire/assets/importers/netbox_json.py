"""NetBox dumps as JSON (`manage.py dumpdata`)."""

from __future__ import annotations

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.json_items import Item, JsonReader
from opswire.assets.importers.netbox_dump import NetBoxDump, read_dump
from opswire.assets.records import ImportedFile, LineNote


def read_netbox_json(text: str) -> ImportedFile:
    """Read a dump. Raises UnreadableInventoryError when it is no list of NetBox objects."""
    result = ImportedFile()
    dump = NetBoxDump()
    for item in JsonReader(text.removeprefix("\ufeff")).items(()):
        _take(dump, item, result)
    if not dump.objects:
        raise UnreadableInventoryError("the file holds no NetBox object: a list of model, pk and fields is read")
    read_dump(dump, result)
    return result


def _take(dump: NetBoxDump, item: Item, result: ImportedFile) -> None:
    value = item.value if isinstance(item.value, dict) else {}
    model, key, fields = value.get("model"), value.get("pk"), value.get("fields")
    if not isinstance(model, str) or not isinstance(key, int) or not isinstance(fields, dict):
        result.rejected.append(LineNote(item.line, "no object of NetBox: model, pk or fields is missing"))
        return
    dump.take(item.line, model, key, fields, result)
