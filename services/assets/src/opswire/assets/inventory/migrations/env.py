"""Run by Alembic, never imported: connects and runs the migrations in one transaction."""

from __future__ import annotations

from alembic import context
from opswire.assets.inventory.engine import open_engines
from opswire.assets.inventory.tables import METADATA


def run() -> None:
    """Upgrade the database whose URL migrate() gave."""
    engines = open_engines(context.config.attributes["url"])
    try:
        with engines.write.begin() as connection:
            context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
            with context.begin_transaction():
                context.run_migrations()
    finally:
        engines.dispose()


run()
