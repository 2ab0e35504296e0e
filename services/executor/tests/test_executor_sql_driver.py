"""The sql driver against a real PostgreSQL and real SQLite files: nothing that writes gets through."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import tool_scene
from opswire.chassis.testing.postgres_server import PostgresServer
from opswire.contracts.findings import Asset
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import (
    AddressRefusedError,
    CredentialUnusableError,
    DatabaseRefusedError,
    HostUnreachableError,
    QueryFailedError,
    QueryRefusedError,
)
from opswire.executor.settings import ExecutorSettings

FREE = tool_scene.catalogue(
    tool_scene.tool("sql.free", {"name": "sql.query", "rows_max": 3}, parameters={"sql": tool_scene.parameter()}),
    tool_scene.tool(
        "sql.state",
        {"name": "sql.query", "sql": "SELECT item, state FROM orders WHERE item = {item} AND item LIKE '%'"},
        parameters={"item": tool_scene.parameter(dash=True)},
    ),
)
# Each of them writes, or gets at what is no table, in one of the engines or in both.
WRITES = (
    "DELETE FROM orders",
    "INSERT INTO orders VALUES (9, 'x', 'y')",
    "UPDATE orders SET item = 'x'",
    "DROP TABLE orders",
    "CREATE TABLE other (x integer)",
    "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1; COMMIT; DELETE FROM orders",
    "COMMIT",
    "SELECT * INTO copy FROM orders",
)
POSTGRESQL_WRITES = (
    *WRITES,
    "COPY orders TO PROGRAM 'touch canary'",
    "COPY (SELECT 1) TO '/tmp/canary'",
    "COPY orders FROM PROGRAM 'echo 1'",
    "SET default_transaction_read_only = off",
    "SET TRANSACTION READ WRITE",
    "SELECT nextval('counted')",
    "SELECT lo_create(4711)",
    "SELECT * FROM orders FOR UPDATE",
    "DO $$ BEGIN DELETE FROM orders; END $$",
    "EXPLAIN ANALYZE DELETE FROM orders",
    "CALL anything()",
    "LISTEN canary",
    "VACUUM",
)
SQLITE_WRITES = (
    *WRITES,
    "ATTACH '/tmp/canary.db' AS other",
    "PRAGMA journal_mode = WAL",
    "PRAGMA writable_schema = ON",
    "VACUUM INTO '/tmp/canary.db'",
    "SELECT load_extension('canary')",
    "CREATE TEMP TABLE other (x)",
    "REINDEX",
    # These write nothing, and tell where files are and how the library was built.
    "PRAGMA database_list",
    "PRAGMA compile_options",
    "SAVEPOINT x",
)


@pytest.fixture(scope="module")
def shop_port(postgres: PostgresServer) -> int:
    with psycopg.connect(f"{postgres.url}/postgres", autocommit=True) as connection:
        for statement in (
            "CREATE DATABASE shop",
            "CREATE ROLE reader LOGIN",
            "CREATE ROLE dangerous LOGIN",
            "GRANT pg_execute_server_program TO dangerous",
        ):
            connection.execute(statement)
    with psycopg.connect(f"{postgres.url}/shop", autocommit=True) as connection:
        for statement in (
            "CREATE TABLE orders (id integer, item text, state text)",
            "INSERT INTO orders VALUES (1, 'desk lamp', 'paid'), (2, 'chair', 'sent'), (3, 'x', 'y'), (4, 'x', 'z')",
            "CREATE SEQUENCE counted",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO reader, dangerous",
            "GRANT ALL ON SCHEMA public TO reader",
            "GRANT ALL ON SEQUENCE counted TO reader",
        ):
            connection.execute(statement)
    return postgres.port


@pytest.fixture
def shop(shop_port: int, make_asset) -> Asset:
    attributes = {"engine": "postgresql", "port": str(shop_port), "database": "shop", "db_user": "reader"}
    return make_asset("shop", "database", address="127.0.0.1", attributes=attributes)


@pytest.fixture
def file_shop(tmp_path: Path, make_asset) -> Asset:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE orders (id integer, item text, state text)")
        connection.execute("INSERT INTO orders VALUES (1, 'desk lamp', 'paid'), (2, 'chair', 'sent')")
    connection.close()
    return make_asset("file-shop", "database", attributes={"engine": "sqlite", "database": "shop.db"})


@pytest.fixture
async def drivers(tmp_path: Path) -> AsyncIterator[Drivers]:
    async with Drivers(DriverSettings(tmp_path, allow_loopback=True, sqlite_dir=tmp_path)) as built:
        yield built


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest) -> Asset:
    found: Asset = request.getfixturevalue("shop" if request.param == "postgresql" else "file_shop")
    return found


async def test_rows_come_back_with_their_columns(drivers: Drivers, database: Asset) -> None:
    found = await tool_scene.run(drivers, FREE, "sql.free", database, sql="SELECT id, item FROM orders WHERE id < 3")
    assert found.records == ({"id": 1, "item": "desk lamp"}, {"id": 2, "item": "chair"})
    escape = "chr(27)" if database.name == "shop" else "char(27)"
    query = f"SELECT 1 AS a, NULL AS a, 'x' || {escape} || '[2J' AS b"
    wide = await tool_scene.run(drivers, FREE, "sql.free", database, sql=query)
    assert wide.records == ({"a": 1, "a_2": None, "b": "x\\x1b[2J"},)


@pytest.mark.parametrize("item", ["desk lamp", "x' OR '1'='1", "'; DROP TABLE orders; --", "%", "-1", "{item}", "%s"])
async def test_a_value_is_bound_and_never_text_of_the_query(drivers: Drivers, database: Asset, item: str) -> None:
    found = await tool_scene.run(drivers, FREE, "sql.state", database, item=item)
    assert found.records == (({"item": "desk lamp", "state": "paid"},) if item == "desk lamp" else ())


async def test_only_so_many_rows_are_read(drivers: Drivers, shop: Asset) -> None:
    found = await tool_scene.run(drivers, FREE, "sql.free", shop, sql="SELECT generate_series(1, 100000000)")
    assert [len(found.records), found.note] == [3, "Only the first 3 rows are shown."]


@pytest.mark.parametrize("query", POSTGRESQL_WRITES)
async def test_postgresql_refuses_what_is_no_reading(
    drivers: Drivers, shop: Asset, postgres: PostgresServer, query: str
) -> None:
    with pytest.raises((QueryRefusedError, QueryFailedError)) as caught:
        await tool_scene.run(drivers, FREE, "sql.free", shop, sql=query)
    assert caught.value.code in ("query_refused", "query_failed")
    with psycopg.connect(f"{postgres.url}/shop") as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (4,)
        assert connection.execute("SELECT last_value, is_called FROM counted").fetchone() == (1, False)


@pytest.mark.parametrize("query", SQLITE_WRITES)
async def test_sqlite_refuses_what_is_no_reading(
    drivers: Drivers, file_shop: Asset, tmp_path: Path, query: str
) -> None:
    before = (tmp_path / "shop.db").read_bytes()
    with pytest.raises((QueryRefusedError, QueryFailedError)):
        await tool_scene.run(drivers, FREE, "sql.free", file_shop, sql=query)
    assert (tmp_path / "shop.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["shop.db"]


@pytest.mark.parametrize("user", ["postgres", "dangerous"])
async def test_a_login_that_may_do_more_than_read_is_refused(drivers: Drivers, shop: Asset, user: str) -> None:
    mighty = shop.model_copy(update={"attributes": {**shop.attributes, "db_user": user}})
    with pytest.raises(DatabaseRefusedError, match="may do more than read tables"):
        await tool_scene.run(drivers, FREE, "sql.free", mighty, sql="SELECT 1")


async def test_a_long_query_ends_with_its_step(drivers: Drivers, database: Asset, shop: Asset) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    short = tool_scene.call(FREE, "sql.free", database, sql=endless)
    limited = replace(short, step=short.step.model_copy(update={"timeout_ms": 300}))
    drivers.use(FREE)
    # A PostgreSQL ends it by itself; of a file, whoever runs the step says when, and the asking ends with that.
    with pytest.raises(QueryFailedError if database is shop else TimeoutError):
        async with asyncio.timeout(30 if database is shop else 0.6):
            await drivers.tools["sql.free"](limited)


async def test_where_there_is_no_database_nothing_is_asked(
    drivers: Drivers, shop: Asset, file_shop: Asset, tmp_path: Path, unused_tcp_port: int
) -> None:
    (tmp_path / "link.db").symlink_to("/etc/hostname")
    wrong = [
        (shop, {"port": str(unused_tcp_port)}, HostUnreachableError),
        (shop, {"engine": "mysql"}, DatabaseRefusedError),
        (shop, {"db_user": "x dbname=other"}, DatabaseRefusedError),
        (shop, {"database": "postgresql://evil"}, DatabaseRefusedError),
        (shop, {"credential": "file:../outside"}, CredentialUnusableError),
        (shop, {"db_user": "nobody-of-that-name"}, HostUnreachableError),
        *((file_shop, {"database": name}, DatabaseRefusedError) for name in ("../x", "/etc/passwd", "", "no.db", ".")),
        (file_shop, {"database": "link.db"}, DatabaseRefusedError),
    ]
    for asset, attributes, error in wrong:
        other = asset.model_copy(update={"attributes": {**asset.attributes, **attributes}})
        with pytest.raises(error):
            await tool_scene.run(drivers, FREE, "sql.free", other, sql="SELECT 1")
    hidden = shop.model_copy(update={"address": "::ffff:127.0.0.1"})
    with pytest.raises(AddressRefusedError):
        await tool_scene.run(drivers, FREE, "sql.free", hidden, sql="SELECT 1")


async def test_without_a_folder_no_sqlite_file_is_opened(file_shop: Asset, tmp_path: Path) -> None:
    async with Drivers(DriverSettings(tmp_path)) as drivers:
        with pytest.raises(DatabaseRefusedError, match="OPSWIRE_SQLITE_DIR"):
            await tool_scene.run(drivers, FREE, "sql.free", file_shop, sql="SELECT 1")


async def test_only_files_of_the_folder_that_the_setting_names_are_opened(
    file_shop: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir()
    shutil.copy(tmp_path / "shop.db", tmp_path / "open" / "shop.db")
    monkeypatch.setenv("OPSWIRE_SQLITE_DIR", str(tmp_path / "open"))
    settings = ExecutorSettings()
    async with Drivers(settings.drivers()) as drivers:
        inside = await tool_scene.run(drivers, FREE, "sql.free", file_shop, sql="SELECT item FROM orders WHERE id = 1")
        assert inside.records == ({"item": "desk lamp"},)
        for outside in ("../shop.db", str(tmp_path / "shop.db"), str(tmp_path / "open" / "shop.db")):
            other = file_shop.model_copy(update={"attributes": {**file_shop.attributes, "database": outside}})
            with pytest.raises(DatabaseRefusedError, match="no file in the folder"):
                await tool_scene.run(drivers, FREE, "sql.free", other, sql="SELECT item FROM orders")
