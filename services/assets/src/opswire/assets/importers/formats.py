"""Which formats there are, and which one a file is in."""

from __future__ import annotations

import csv
import re
from functools import partial
from pathlib import PurePath

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.ansible_ini import read_ansible_ini
from opswire.assets.importers.ansible_yaml import read_ansible_yaml
from opswire.assets.importers.csv_mapped import parse_mapping, read_csv
from opswire.assets.importers.csv_rows import delimiter_of
from opswire.assets.importers.kubernetes import read_kubernetes
from opswire.assets.importers.netbox_csv import kind_of, read_netbox_csv
from opswire.assets.importers.netbox_json import read_netbox_json
from opswire.assets.importers.netbox_sql import read_netbox_sql
from opswire.assets.importers.opswire_yaml import read_yaml
from opswire.assets.records import ImportedFile, Importer

MAPPED = "csv"
IMPORTERS: dict[str, Importer] = {
    "opswire-yaml": read_yaml,
    "netbox-csv": read_netbox_csv,
    "netbox-json": read_netbox_json,
    "netbox-sql": read_netbox_sql,
    "ansible-ini": read_ansible_ini,
    "ansible-yaml": read_ansible_yaml,
    "kubernetes": read_kubernetes,
    MAPPED: partial(read_csv, mapping={}),
}
FAMILIES: dict[str, tuple[str, ...]] = {
    "opswire": ("opswire-yaml",),
    "netbox": ("netbox-csv", "netbox-json", "netbox-sql"),
    "ansible": ("ansible-ini", "ansible-yaml"),
}
"""Names for several formats, told apart by the text."""

_HEAD_CHARACTERS = 4_096
_OTHER_SECTION = re.compile(r"^\[\[", re.MULTILINE)  # TOML's arrays of tables
NAMES = (*FAMILIES, *(name for name in IMPORTERS if not any(name in members for members in FAMILIES.values())))
"""What people call the formats; the members of a family may be named too."""
_ONE_OF = f"it must be one of {', '.join(NAMES)}; name the format if it is one of them"
_YAML = re.compile(r"^(assets|defaults)\s*:", re.MULTILINE)
_KUBERNETES_YAML = re.compile(r"^(apiVersion|kind)\s*:", re.MULTILINE)
_ANSIBLE_YAML = re.compile(r"^[\w.-]+:[ \t]*(#.*)?\n([ \t]*(#.*)?\n)*[ \t]+(hosts|children|vars):", re.MULTILINE)
_NETBOX_JSON = re.compile(r'"model"\s*:\s*"[a-z]+\.[a-z]+"')
_KUBERNETES_JSON = re.compile(r'"(kind|items|nodes|pods|services|deployments)"\s*:')
_SQL = re.compile(r"\ufeff?\s*--\s*\n-- PostgreSQL database dump\s*\n")
_SECTION = re.compile(r"^\[[^\]\",{]+\]\s*([#;].*)?$", re.MULTILINE)


def detect_format(path: str, text: str) -> str:
    """The name of the format, found in the text first and by the path's ending last.

    Raises UnreadableInventoryError when it is none of ours.
    """
    if _looks_like_json(text):
        return _json_format(text)
    if _SQL.match(text):
        return "netbox-sql"
    if _YAML.search(text):
        return "opswire-yaml"
    heading = next(csv.reader([text.removeprefix("\ufeff").partition("\n")[0][:_HEAD_CHARACTERS]]), [])
    if len(heading) > 2 and kind_of(heading) is not None:
        return "netbox-csv"
    if _KUBERNETES_YAML.search(text):
        return "kubernetes"
    if _ANSIBLE_YAML.search(text):
        return "ansible-yaml"
    if text.lstrip("\ufeff \t\r\n")[:1] == "<" or _OTHER_SECTION.search(text):
        raise UnreadableInventoryError("the file is XML or TOML; " + _ONE_OF)
    if _SECTION.search(text) or PurePath(path).suffix.lower() in {".ini", ".cfg"}:
        return "ansible-ini"
    if PurePath(path).suffix.lower() in {".csv", ".tsv"} and delimiter_of(text) in text:
        return MAPPED
    raise UnreadableInventoryError("the file is none that is known; " + _ONE_OF)


def chosen_format(given: str | None, path: str, text: str, mapping: str | None = None) -> str:
    """The format of a file: what is given, within a family what the text shows, else what is found out.

    Raises UnreadableInventoryError for a format that there is not, or a file of none.
    """
    if mapping is not None:
        if given not in {None, MAPPED}:
            raise UnreadableInventoryError(f"a mapping of columns goes with the format {MAPPED}, not with {given}")
        return MAPPED
    if given in FAMILIES:
        members = FAMILIES[given]
        if len(members) == 1:
            return members[0]
        # Named, it is believed: a file that shows nothing is read by the older of the two.
        return next((name for name in members if name == _found(path, text)), members[0])
    if given is not None and given not in IMPORTERS:
        raise UnreadableInventoryError(f"no format {given[:80]!r}; there are {', '.join(NAMES)}")
    return given or detect_format(path, text)


def read_inventory(text: str, format: str, mapping: str | None = None) -> ImportedFile:
    """Read a file's text in a format of IMPORTERS. Raises UnreadableInventoryError."""
    importer = IMPORTERS.get(format)
    if importer is None:
        raise UnreadableInventoryError(f"no format {format!r}; there are {', '.join(IMPORTERS)}")
    if "\x00" in text:
        raise UnreadableInventoryError("the file holds NUL characters")
    return importer(text) if mapping is None else read_csv(text, parse_mapping(mapping))


def _found(path: str, text: str) -> str | None:
    try:
        return detect_format(path, text)
    except UnreadableInventoryError:
        return None


def _looks_like_json(text: str) -> bool:
    head = text[:_HEAD_CHARACTERS].lstrip("\ufeff \t\r\n")
    if head[:1] == "{":
        return True
    # `[web]` begins an INI file: a JSON list goes on with a value.
    return head[:1] == "[" and head[1:].lstrip()[:1] in ("{", "[", '"', "]", "-", *"0123456789")


def _json_format(text: str) -> str:
    head = text[: 64 * _HEAD_CHARACTERS]
    if _NETBOX_JSON.search(head):
        return "netbox-json"
    if _KUBERNETES_JSON.search(head):
        return "kubernetes"
    raise UnreadableInventoryError("the file is JSON, neither of NetBox nor of Kubernetes; " + _ONE_OF)
