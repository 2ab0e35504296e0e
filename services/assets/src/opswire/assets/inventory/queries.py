"""Reading: statements built once per shape, and rows made into assets.

A document is read into an asset by pydantic's own JSON reader (about 4 us) and kept by its text, so that the same asset
read again costs one hash. The text is the whole truth, so such an entry can never be stale.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from opswire.assets.inventory.changes import normal_address
from opswire.assets.inventory.engine import attributes_of
from opswire.assets.inventory.tables import ASSET_GROUPS, ASSET_NAMES, ASSET_TAGS, ASSETS, LANE_BY_HAND, OUTBOX
from opswire.assets.records import AssetFilter
from opswire.assets.vocabulary import asset_type, environment, fold, slug, words_pattern
from opswire.contracts.findings import Asset
from sqlalchemy import ColumnElement, Integer, Select, bindparam, case, exists, func, literal, or_, select

PARSED_ASSETS_MAX = 4_096

BY_NAME = (
    select(ASSET_NAMES.c.kind, ASSETS.c.document)
    .join(ASSETS, ASSETS.c.id == ASSET_NAMES.c.asset_id)
    .where(ASSET_NAMES.c.key == bindparam("key"))
    .order_by(ASSETS.c.name_key)
    .limit(bindparam("most"))
)
BY_ADDRESS = select(ASSETS.c.document).where(ASSETS.c.address == bindparam("address")).order_by(ASSETS.c.name_key)
ENVIRONMENT_EXISTS = select(ASSETS.c.id).where(ASSETS.c.environment == bindparam("environment")).limit(1)
ENVIRONMENTS = select(ASSETS.c.environment).distinct().order_by(ASSETS.c.environment)
ORIGINS = (
    select(ASSETS.c.name_key, ASSETS.c.name, ASSETS.c.document)
    .where(ASSETS.c.name_key > bindparam("after"))
    .order_by(ASSETS.c.name_key)
    .limit(bindparam("most"))
)
_ATTRIBUTE = "attributes."
NEAR_PAIRS_MAX = 12
LIKE_ESCAPE = "/"
NEAR_ROWS_MAX = 96
OUTBOX_PENDING = (
    select(OUTBOX.c.id, OUTBOX.c.subject, OUTBOX.c.message_id, OUTBOX.c.body, OUTBOX.c.lane)
    .order_by(OUTBOX.c.lane, OUTBOX.c.id)
    .limit(bindparam("most"))
)
OUTBOX_LAST = select(func.max(OUTBOX.c.id)).where(OUTBOX.c.lane == LANE_BY_HAND)
_LANE_OF = select(OUTBOX.c.lane).where(OUTBOX.c.id == bindparam("outbox_id")).scalar_subquery()
OUTBOX_WAITING = (
    select(OUTBOX.c.id)
    .where(OUTBOX.c.id <= bindparam("outbox_id"), OUTBOX.c.lane <= func.coalesce(_LANE_OF, LANE_BY_HAND))
    .limit(1)
)

Shape = tuple[tuple[str, int], ...]
Values = dict[str, Any]


@lru_cache(maxsize=PARSED_ASSETS_MAX)
def asset_of(document: str) -> Asset:
    """The asset in a stored document. It was checked when it was written; callers never change it."""
    return Asset.model_validate_json(document)


def shape_and_values(wanted: AssetFilter) -> tuple[Shape, Values]:
    """Which conditions a filter needs, and the values they compare with."""
    normal = {
        "names": tuple(map(fold, wanted.names)),
        "primary_names": tuple(map(fold, wanted.primary_names)),
        "addresses": tuple(normal_address(value) for value in wanted.addresses),
        "types": _types(wanted.types),
        "environments": tuple(map(environment, wanted.environments)),
        "groups": tuple(map(slug, wanted.groups)),
        "tags": tuple(map(slug, wanted.tags)),
        "labels": tuple(map(slug, wanted.labels)),
        "sites": tuple(map(words_pattern, wanted.sites)),
        "systems": tuple(map(words_pattern, wanted.systems)),
        "owners": tuple(map(words_pattern, wanted.owners)),
        "parents": tuple(map(fold, wanted.parents)),
        "criticalities": tuple(map(fold, wanted.criticalities)),
        "ids": wanted.ids,
    }
    shape: Shape = tuple((name, len(values)) for name, values in normal.items() if values)
    values: Values = {f"{name}_{i}": value for name, given in normal.items() for i, value in enumerate(given)}
    for i, attribute in enumerate(wanted.attributes):
        key, equals, value = attribute.partition("=")
        shape += ((f"{_ATTRIBUTE}{i}", 1 if equals else 0),)
        values |= {f"attribute_{i}": key} | ({f"attribute_value_{i}": value} if equals else {})
    return shape, values


def _types(given: tuple[str, ...]) -> tuple[str, ...]:
    known = [asset_type(word) for word in given]
    return () if None in known else tuple(dict.fromkeys(kind for kind in known if kind))


@lru_cache(maxsize=256)
def list_statement(shape: Shape) -> Select[Any]:
    """The documents that match, by name, from `first` on, at most `most`."""
    conditions = _conditions(shape)
    statement = select(ASSETS.c.document).where(*conditions).order_by(ASSETS.c.name_key)
    return statement.limit(bindparam("most")).offset(bindparam("first"))


@lru_cache(maxsize=256)
def count_statement(shape: Shape) -> Select[Any]:
    """How many match."""
    return select(func.count()).select_from(ASSETS).where(*_conditions(shape))


def _conditions(shape: Shape) -> list[ColumnElement[bool]]:
    plain = [pair for pair in shape if not pair[0].startswith(_ATTRIBUTE)]
    found = [_condition(name, [bindparam(f"{name}_{i}") for i in range(count)]) for name, count in plain]
    for i, (_, count) in enumerate(shape[len(plain) :]):
        pairs = attributes_of(ASSETS.c.document).table_valued("key", "value", name=f"attributes_{i}")
        wanted = [pairs.c.key == bindparam(f"attribute_{i}")]
        wanted += [pairs.c.value == bindparam(f"attribute_value_{i}")] if count else []
        found.append(exists(select(literal(1)).select_from(pairs).where(*wanted)))
    return found


def _condition(name: str, values: list[Any]) -> ColumnElement[bool]:
    plain = {
        "primary_names": ASSETS.c.name_key,
        "addresses": ASSETS.c.address,
        "types": ASSETS.c.type,
        "environments": ASSETS.c.environment,
        "parents": ASSETS.c.parent_key,
        "criticalities": ASSETS.c.criticality,
        "ids": ASSETS.c.id,
    }
    whole_words = {"sites": ASSETS.c.site, "systems": ASSETS.c.os, "owners": ASSETS.c.owner}
    indexes = {
        "names": (ASSET_NAMES,),
        "groups": (ASSET_GROUPS,),
        "tags": (ASSET_TAGS,),
        "labels": (ASSET_GROUPS, ASSET_TAGS),
    }
    if name in plain:
        return plain[name].in_(values)
    if name in whole_words:
        return or_(*(whole_words[name].like(value) for value in values))
    return or_(*(ASSETS.c.id.in_(select(t.c.asset_id).where(t.c.key.in_(values))) for t in indexes[name]))


@lru_cache(maxsize=64)
def near_statement(pairs: int) -> Select[Any]:
    """The names (aliases too) that share most of `pairs` pairs of letters with a misspelt one, and whose they are.

    The share is measured against the shorter of the two, so that `web01` still finds `web01.stg.example.org`. The
    database counts: 100,000 names take it tens of milliseconds, in which this process does other things.
    """
    key = ASSET_NAMES.c.key
    hits = sum(
        (case((key.contains(bindparam(f"pair_{i}"), escape=LIKE_ESCAPE), 1), else_=0) for i in range(pairs)),
        literal(0, Integer),
    )
    length = case((func.length(key) - 1 < pairs, func.length(key) - 1), else_=pairs)
    share = hits * 1_000 / case((length < 1, 1), else_=length)
    return (
        select(key, ASSETS.c.name, ASSETS.c.type, ASSETS.c.environment)
        .join(ASSETS, ASSETS.c.id == ASSET_NAMES.c.asset_id)
        .order_by(share.desc(), func.length(key), key, ASSETS.c.name_key)
        .limit(NEAR_ROWS_MAX)
    )


def like_escaped(text: str) -> str:
    """The text as LIKE takes it literally."""
    return "".join(LIKE_ESCAPE + character if character in "%_/" else character for character in text)
