"""The tables of the inventory.

The columns of `assets` hold what is searched, in the form in which it is compared (see vocabulary.py); `document` holds
the asset itself as the contract's JSON. One read of one row therefore gives the whole asset, without joins over its
groups, tags and names; those tables are indexes to search by. All of it is written by one function, writes.apply.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

HEAD_REVISION = "0002"
"""The newest migration. When the database says so itself, Alembic need not be loaded (it costs 0.1 s at start)."""

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ASSETS = Table(
    "assets",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("name", String(256), nullable=False),
    # By code point on both engines, whatever language the server was set up in.
    Column("name_key", String(512).with_variant(String(512, collation="C"), "postgresql"), nullable=False, unique=True),
    Column("type", String(256), nullable=False),
    Column("environment", String(256), nullable=False),
    Column("criticality", String(16), nullable=False),
    Column("address", String(256), index=True),
    Column("owner", String(2048)),
    Column("site", String(2048)),
    Column("os", String(2048)),
    Column("parent_key", String(512), index=True),
    Column("document", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
    Index("ix_assets_environment_type", "environment", "type"),
)


def _owned(name: str, *columns: Column[str]) -> Table:
    owner = ForeignKey("assets.id", ondelete="CASCADE")
    return Table(
        name,
        METADATA,
        Column("asset_id", String(64), owner, primary_key=True),
        Column("key", String(512), primary_key=True),
        *columns,
        Index(f"ix_{name}_key", "key"),
    )


ASSET_NAMES = _owned("asset_names", Column("kind", String(8), nullable=False))
ASSET_GROUPS = _owned("asset_groups")
ASSET_TAGS = _owned("asset_tags")

LANE_BY_HAND = 0
LANE_BULK = 1

OUTBOX = Table(
    "outbox",
    METADATA,
    # SQLite would give a deleted row's number to the next one; numbers must only grow, as callers wait for them.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("subject", String(512), nullable=False),
    Column("message_id", String(128), nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("lane", SmallInteger, nullable=False, server_default="0"),
    Index("ix_outbox_lane_id", "lane", "id"),
    Index("ix_outbox_subject", "subject"),
    sqlite_autoincrement=True,
)
