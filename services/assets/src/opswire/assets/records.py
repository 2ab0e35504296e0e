"""What goes into the inventory and comes out of it: records, filters and import reports. Plain data, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from opswire.contracts.types import ASSETS_MAX


@dataclass(slots=True)
class AssetRecord:
    """One asset as a source states it. None means that the source says nothing, so that what is known stays.

    `groups`, `tags` and `aliases` replace what is known where they are stated; attributes are merged by key.
    `external_id` (`netbox:device:12`) ties the record to the thing in its source: a record of the same name with
    another one is another thing. `line` is where the record stands in its file, from 1; 0 where there is none.
    """

    name: str
    type: str | None = None
    environment: str | None = None
    criticality: str | None = None
    address: str | None = None
    owner: str | None = None
    site: str | None = None
    os: str | None = None
    parent: str | None = None
    groups: list[str] | None = None
    tags: list[str] | None = None
    aliases: list[str] | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    external_id: str | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class LineNote:
    """A line of a file and what is to be said about it."""

    line: int
    text: str


@dataclass(slots=True)
class ImportedFile:
    """What an importer read: records to store, lines it refuses, and lines whose content was changed or left out."""

    records: list[AssetRecord] = field(default_factory=list)
    rejected: list[LineNote] = field(default_factory=list)
    notes: list[LineNote] = field(default_factory=list)


@dataclass(slots=True)
class ImportReport:
    """What became of every record. `created + updated + unchanged + len(rejected)` accounts for the whole file.

    `outbox_id` is the highest outbox row this import wrote, 0 when it changed nothing.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[LineNote] = field(default_factory=list)
    notes: list[LineNote] = field(default_factory=list)
    outbox_id: int = 0
    environments: set[str] = field(default_factory=set, repr=False)
    """Those seen so far, so that a new one is said once."""

    @property
    def stored(self) -> int:
        """How many records are in the inventory now."""
        return self.created + self.updated + self.unchanged


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of an asset before and after; empty text where it has no value."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AssetDifference:
    """What an import would change of one asset."""

    name: str
    line: int
    fields: list[FieldChange]


@dataclass(slots=True)
class InventoryDifference:
    """What an import would do. Counts are exact; the lists of names hold the first `LISTED_MAX` of each.

    `gone` are assets that came from the same kind of source and are not in the file: an import leaves them alone.
    """

    added_total: int = 0
    changed_total: int = 0
    unchanged: int = 0
    gone_total: int = 0
    added: list[str] = field(default_factory=list)
    changed: list[AssetDifference] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    rejected: list[LineNote] = field(default_factory=list)
    notes: list[LineNote] = field(default_factory=list)


LISTED_MAX = 1_000


@dataclass(frozen=True, slots=True)
class AssetFilter:
    """Which assets are wanted: values of one field are alternatives, fields narrow each other. Empty means all.

    `names` matches every name an asset answers to, `primary_names` its own alone, `labels` groups and tags. `sites`,
    `systems` and `owners` match whole words (`ubuntu` finds `Ubuntu Linux 20.04`). Types and environments are taken
    with their synonyms. `attributes` are `key=value`, or `key` alone for any value; two of them narrow each other, and
    to look for them every asset may be read. `limit` 0 asks for the total alone.
    """

    names: tuple[str, ...] = ()
    primary_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    criticalities: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    limit: int = ASSETS_MAX
    offset: int = 0


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message that waits to be published, ready-made."""

    id: int
    subject: str
    message_id: str
    body: bytes
    bulk: bool = False
    """Whether it belongs to an import of many assets, which gives way to changes by hand."""


class Importer(Protocol):
    """Reads the text of one file. Raises UnreadableInventoryError when the text as a whole is not of its format."""

    def __call__(self, text: str) -> ImportedFile:
        """Every line ends up in a record, a rejection or a note."""
        ...
