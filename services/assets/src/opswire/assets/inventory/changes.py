"""What a record, an edit or a new name makes of an asset. Pure: nothing here reads or writes the database."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from opswire.assets.errors import InvalidAssetError
from opswire.assets.records import AssetRecord
from opswire.assets.vocabulary import (
    UNKNOWN_ENVIRONMENT,
    asset_type,
    environment,
    fold,
    hidden_character,
    secret_reason,
)
from opswire.contracts.findings import Asset
from pydantic import ValidationError

ChangeKind = Literal["created", "updated", "deleted"]
EditValue = str | list[str]
NameKind = Literal["name", "alias", "short"]

EXTERNAL_ID = "external_id"
_OPTIONAL = ("address", "owner", "site", "os", "parent")
_LISTS = ("groups", "tags", "aliases")
_REQUIRED = ("type", "environment", "criticality")
_ATTRIBUTE_PREFIX = "attributes."


@dataclass(frozen=True, slots=True)
class Change:
    """One asset before and after. `before` is None when it is created, `after` when it is deleted."""

    before: Asset | None
    after: Asset | None

    @property
    def kind(self) -> ChangeKind:
        """The kind of change as the message names it."""
        if self.after is None:
            return "deleted"
        return "created" if self.before is None else "updated"

    @property
    def asset_id(self) -> str:
        """Whose change it is."""
        asset = self.after or self.before
        assert asset is not None
        return asset.id

    @property
    def generation(self) -> int:
        """The generation that the change leads to; a deletion counts as one more."""
        if self.after is not None:
            return self.after.generation
        assert self.before is not None
        return self.before.generation + 1


def created(record: AssetRecord, origin: str = "") -> Asset:
    """A new asset from a record; `origin` becomes its attribute of that name. Raises InvalidAssetError."""
    blank = {
        "id": str(uuid4()),
        "name": record.name.strip(),
        "type": "host",
        "environment": UNKNOWN_ENVIRONMENT,
        "criticality": "medium",
        "generation": 1,
    }
    return _build({**blank, **_stated(record, {"origin": origin} if origin else {})})


def merged(asset: Asset, record: AssetRecord) -> Asset:
    """The asset after a record of the same name: what the record states, and what was known where it states nothing.

    Returns the very same object when nothing changes. Raises InvalidAssetError.
    """
    known = asset.attributes.get(EXTERNAL_ID)
    if record.external_id and known and known != record.external_id and _scheme(known) == _scheme(record.external_id):
        raise InvalidAssetError(f"the name {asset.name} belongs to {known}, this is {record.external_id}")
    return _next(asset, _stated(record, asset.attributes))


def edited(asset: Asset, changes: Mapping[str, EditValue]) -> Asset:
    """The asset after an edit by hand. Lists may be given as text with commas; `attributes.<key>` sets one attribute.

    An empty value removes an attribute, empties a list or clears an optional field. Raises InvalidAssetError.
    """
    values: dict[str, Any] = {"attributes": dict(asset.attributes)}
    for key, value in changes.items():
        if key in _LISTS:
            values[key] = _distinct(value.split(",") if isinstance(value, str) else value)
        elif not isinstance(value, str):
            raise InvalidAssetError(f"{key}: one text, not a list")
        elif key.startswith(_ATTRIBUTE_PREFIX):
            _edit_attribute(values["attributes"], key.removeprefix(_ATTRIBUTE_PREFIX), value)
        elif key in _OPTIONAL:
            values[key] = value.strip() or None
        elif key in _REQUIRED:
            values[key] = value.strip()
        else:
            known = ", ".join((*_REQUIRED, *_OPTIONAL, *_LISTS, f"{_ATTRIBUTE_PREFIX}<key>"))
            raise InvalidAssetError(f"{key!r} is no field of an asset; there are name, {known}")
    return _next(asset, values)


def renamed(asset: Asset, name: str) -> Asset:
    """The asset under another name. Raises InvalidAssetError."""
    return _next(asset, {"name": name.strip()})


def reparented(asset: Asset, parent: str) -> Asset:
    """The asset after its parent got another name."""
    return _next(asset, {"parent": parent})


def name_keys(asset: Asset) -> dict[str, NameKind]:
    """Every folded name the asset answers to, and what kind of name it is; the strongest kind where it has two."""
    keys: dict[str, NameKind] = {fold(asset.name): "name"}
    for alias in asset.aliases:
        keys.setdefault(fold(alias), "alias")
    for short in map(short_name, (asset.name, *asset.aliases)):
        if short:
            keys.setdefault(fold(short), "short")
    return keys


def spoken_names(asset: Asset) -> list[str]:
    """Every name the asset answers to, as spelled."""
    shorts = [short for short in map(short_name, (asset.name, *asset.aliases)) if short]
    return list(dict.fromkeys((asset.name, *asset.aliases, *shorts)))[:64]


def short_name(name: str) -> str | None:
    """The first label of a fully qualified domain name; None for anything else, addresses and `x@host` included."""
    head, dot, _ = name.partition(".")
    if not dot or not head or "@" in name or " " in name or normal_address(name, strict=True):
        return None
    return head


def normal_address(text: str, strict: bool = False) -> str | None:
    """An IP address in its normal form, a DNS name folded; with `strict`, None for what is no IP address."""
    try:
        return str(ipaddress.ip_address(text.strip().strip("[]")))
    except ValueError:
        return None if strict else fold(text)


def _stated(record: AssetRecord, attributes: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {
        key: value.strip() for key in (*_REQUIRED, *_OPTIONAL) if (value := getattr(record, key)) and value.strip()
    }
    values.update({key: _distinct(value) for key in _LISTS if (value := getattr(record, key)) is not None})
    stated = {**attributes, **record.attributes}
    if record.external_id:
        stated[EXTERNAL_ID] = record.external_id
    values["attributes"] = stated
    return values


def _scheme(external_id: str) -> str:
    return external_id.partition(":")[0]


def _edit_attribute(attributes: dict[str, str], key: str, value: str) -> None:
    if value == "":
        attributes.pop(key, None)
    else:
        attributes[key] = value


def _distinct(values: Iterable[str]) -> list[str]:
    return list({fold(value): value.strip() for value in values if value.strip()}.values())


def _next(asset: Asset, values: dict[str, Any]) -> Asset:
    document = asset.model_dump()
    after = _build({**document, **values})
    if after == asset:
        return asset
    return after.model_copy(update={"generation": asset.generation + 1})


_NORMAL: dict[str, Callable[[str], str | None]] = {
    "type": asset_type,
    "environment": environment,
    "criticality": fold,
    "address": normal_address,
}


def _build(values: dict[str, Any]) -> Asset:
    for key, normal in _NORMAL.items():
        if values.get(key):
            values[key] = normal(values[key]) or values[key]
    try:
        asset = Asset.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidAssetError(f"{place}: {first['msg']}") from error
    _check(asset)
    return asset


def _check(asset: Asset) -> None:
    shown = (asset.name, asset.type, asset.environment, asset.parent or "", *asset.groups, *asset.tags, *asset.aliases)
    for text in (*shown, asset.address or "", asset.owner or "", asset.site or "", asset.os or "", *asset.attributes):
        if not (text.isascii() and text.isprintable()) and hidden_character(text):
            raise InvalidAssetError(f"{text!r} holds a character that cannot be seen")
    for key, value in asset.attributes.items():
        if "\x00" in value:
            raise InvalidAssetError(f"attributes.{key} holds a NUL")
        if reason := secret_reason(key, value):
            raise InvalidAssetError(f"attributes.{key}: {reason}")
    if asset.parent is not None and fold(asset.parent) == fold(asset.name):
        raise InvalidAssetError(f"{asset.name} cannot be its own parent")
