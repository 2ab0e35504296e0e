"""Hears of changes that other processes commit: LISTEN on PostgreSQL. SQLite has no such thing; there it is polled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from opswire.assets.inventory.engine import CHANGES_CHANNEL, CONNECT_TIMEOUT_S
from sqlalchemy.engine import make_url

RETRY_S = 1.0


def can_listen(url: str) -> bool:
    """Whether this database tells of changes by itself."""
    return make_url(url).get_backend_name() == "postgresql"


async def listen(url: str, heard: Callable[[], None]) -> None:
    """Call `heard` for every commit that changed an asset, by any process, for ever.

    Also once after each connection: what happened while there was none must be looked for. A database that is away is
    asked again every second; it never raises for that.
    """
    import psycopg  # loaded only where there is such a database

    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(
                address, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, keepalives_idle=10, keepalives_interval=5
            )
            async with connection:
                await connection.execute(f"LISTEN {CHANGES_CHANNEL}")
                heard()
                async for _ in connection.notifies():
                    heard()
        except psycopg.Error:
            await asyncio.sleep(RETRY_S)
