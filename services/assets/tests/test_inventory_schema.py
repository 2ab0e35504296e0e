"""The schema: migrations lead to exactly the tables of the code, and a start at head needs no Alembic."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from opswire.assets.errors import InventoryUnavailableError
from opswire.assets.inventory import queries, writes
from opswire.assets.inventory.engine import open_engines
from opswire.assets.inventory.migrate import alembic_config, migrate, revision
from opswire.assets.inventory.store import Inventory
from opswire.assets.inventory.tables import HEAD_REVISION, METADATA, OUTBOX
from opswire.assets.records import AssetFilter
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable


def test_the_head_in_the_code_is_the_newest_migration(empty_url: str) -> None:
    assert ScriptDirectory.from_config(alembic_config(empty_url)).get_heads() == [HEAD_REVISION]


def test_migrations_lead_to_the_tables_of_the_code(empty_url: str) -> None:
    assert revision(empty_url) is None
    assert migrate(empty_url) is True
    assert migrate(empty_url) is False
    engines = open_engines(empty_url)
    with engines.read.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engines.dispose()


def test_a_start_at_head_does_not_load_alembic(empty_url: str) -> None:
    migrate(empty_url)
    program = (
        "import asyncio, sys\n"
        "from opswire.assets.inventory.store import Inventory\n"
        "async def run():\n"
        "    await (await Inventory.open(sys.argv[1])).close()\n"
        "asyncio.run(run())\n"
        "sys.exit('alembic' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, empty_url], timeout=60, check=False).returncode == 0


async def test_a_database_that_is_none_is_said_to_be_unavailable(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(InventoryUnavailableError):
        await Inventory.open(f"sqlite:///{tmp_path}/noise")


def test_an_inventory_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="SQLite file"):
        open_engines("sqlite://")


def test_tables_and_statements_are_written_for_postgresql_too() -> None:
    every_filter = AssetFilter(**{item.name: ("a", "b") for item in fields(AssetFilter) if item.default == ()})  # type: ignore[arg-type]
    shape, values = queries.shape_and_values(every_filter)
    # Alternatives are one condition, two attributes are two.
    assert len(shape) == len([item for item in fields(AssetFilter) if item.default == ()]) + 1
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    assert "FOR UPDATE" in str(writes._BY_NAME_KEYS.compile(dialect=dialect))
    for statement in (
        queries.BY_NAME,
        queries.BY_ADDRESS,
        queries.list_statement(shape),
        queries.count_statement(shape),
    ):
        assert (
            set(statement.compile(dialect=dialect).params) - {"key", "most", "first", "address", "param_1", "param_2"}
            <= values.keys()
        )
    for table in METADATA.sorted_tables:
        assert f"CREATE TABLE {table.name}" in str(CreateTable(table).compile(dialect=dialect))
    assert "id BIGSERIAL" in str(CreateTable(OUTBOX).compile(dialect=dialect))
