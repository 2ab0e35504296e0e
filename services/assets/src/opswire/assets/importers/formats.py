"""Which formats there are, and which one a file is in."""

from __future__ import annotations

import csv
import json
import re
from pathlib import PurePath

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.ansible_ini import read_ansible_ini
from opswire.assets.importers.netbox_csv import kind_of, read_netbox_csv
from opswire.assets.importers.opswire_yaml import read_yaml
from opswire.assets.records import ImportedFile, Importer

IMPORTERS: dict[str, Importer] = {
    "opswire-yaml": read_yaml,
    "netbox-csv": read_netbox_csv,
    "ansible-ini": read_ansible_ini,
}

_OTHER_SECTION = re.compile(r"^\[\[", re.MULTILINE)  # TOML's arrays of tables
_ONE_OF = f"it must be one of {', '.join(IMPORTERS)}; name the format if it is one of them"
_YAML = re.compile(r"^(assets|defaults)\s*:", re.MULTILINE)
_SECTION = re.compile(r"^\[[^\]]+\]\s*([#;].*)?$", re.MULTILINE)


def detect_format(path: str, text: str) -> str:
    """The name of the format, found in the text first and by the path's ending last.

    Raises UnreadableInventoryError when it is none of ours.
    """
    if _YAML.search(text):
        return "opswire-yaml"
    heading = next(csv.reader([text.removeprefix("\ufeff").partition("\n")[0]]), [])
    if len(heading) > 2 and kind_of(heading) is not None:
        return "netbox-csv"
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "<") or _OTHER_SECTION.search(text) or _is_json(text):
        raise UnreadableInventoryError("the file is JSON, XML or TOML; " + _ONE_OF)
    if _SECTION.search(text) or PurePath(path).suffix.lower() in {".ini", ".cfg"}:
        return "ansible-ini"
    raise UnreadableInventoryError("the file is none that is known; " + _ONE_OF)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def read_inventory(text: str, format: str) -> ImportedFile:
    """Read a file's text in a format of IMPORTERS. Raises UnreadableInventoryError."""
    importer = IMPORTERS.get(format)
    if importer is None:
        raise UnreadableInventoryError(f"no format {format!r}; there are {', '.join(IMPORTERS)}")
    if "\x00" in text:
        raise UnreadableInventoryError("the file holds NUL characters")
    return importer(text)
