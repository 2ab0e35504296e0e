"""Brings a database to the newest schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opswire.assets.inventory.engine import open_engines
from opswire.assets.inventory.tables import HEAD_REVISION
from sqlalchemy import column, inspect, select, table

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = "opswire.assets.inventory:migrations"


def migrate(url: str) -> bool:
    """Upgrade to the newest schema; True when there was something to do. Safe to call again and from two processes."""
    if revision(url) == HEAD_REVISION:
        return False
    from alembic import command  # loaded only when needed: it would triple the start of the service

    command.upgrade(alembic_config(url), "head")
    return True


def revision(url: str) -> str | None:
    """The schema's revision as the database has it, None for an empty database."""
    engines = open_engines(url)
    try:
        with engines.read.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(select(column("version_num")).select_from(table("alembic_version"))).scalar()
    finally:
        engines.dispose()


def alembic_config(url: str) -> Config:
    """Alembic's configuration without a file; env.py reads the URL from its attributes, so nothing is interpolated."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    config.attributes["url"] = url
    return config
