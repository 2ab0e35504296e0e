"""checkout: HTTP service of the shop. Reads orders through the cache and the database on db-01, where it has them."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from opswire.lab.services.http import HttpServer, Response, UpstreamError
from opswire.lab.services.orders import OrderFile, OrdersCache, OrdersDatabase
from opswire.lab.services.runtime import Configuration, one_line, open_log, read_configuration, until_terminated

CACHE_KEY = "orders:latest"
CACHE_LIFETIME_S = 5
WATCH_PAUSE_S = 5.0


class Checkout:
    """The pages of checkout. Without a cache and a database (staging) the orders are in a file of its own."""

    def __init__(self, configuration: Configuration, log: logging.Logger) -> None:
        self._name = configuration.name
        self._environment = configuration.environment
        self._shown = configuration.page_size
        self._log = log
        upstreams = configuration.upstreams
        self._cache = OrdersCache(upstreams["orders_cache"]) if "orders_cache" in upstreams else None
        self._database = OrdersDatabase(upstreams["orders_db"]) if "orders_db" in upstreams else None
        self._file = None if self._database else OrderFile(configuration.data)
        self._away: dict[str, bool] = {}

    async def index(self) -> Response:
        """`GET /`: who this is."""
        pages = ["/orders", "/health"]
        document = {"service": self._name, "environment": self._environment, "pages": pages}
        return Response(200, {**document, "page_size": self._shown})

    async def health(self) -> Response:
        """`GET /health`: 200 when every dependency answers, else 503 that names the one which is away."""
        dependencies = await self._check()
        healthy = all(state == "ok" for state in dependencies.values())
        document = {"status": "ok" if healthy else "degraded", "dependencies": dependencies}
        return Response(200 if healthy else 503, document)

    async def orders(self) -> Response:
        """`GET /orders`: the newest orders and where they came from. UpstreamError when the way to them is cut."""
        if self._file is not None:
            return _orders_response(self._file.latest(self._shown), "file")
        if self._cache is not None and (cached := await self._cache.get(CACHE_KEY)) is not None:
            return _orders_response(cached.splitlines(), "cache")
        rows = await self._database.latest(self._shown) if self._database else []
        if self._cache is not None:
            await self._cache.put(CACHE_KEY, "\n".join(rows), CACHE_LIFETIME_S)
        return _orders_response(rows, "database")

    async def watch(self) -> None:
        """Look after the dependencies for ever: an ERROR line when one goes away, an INFO line when it is back."""
        while True:
            await self._check()
            await asyncio.sleep(WATCH_PAUSE_S)

    async def _check(self) -> dict[str, str]:
        checks: dict[str, Callable[[], Awaitable[None]]] = {}
        if self._cache:
            checks["orders-cache"] = self._cache.ping
        if self._database:
            checks["orders-db"] = self._database.ping
        return {name: await self._check_one(name, ping) for name, ping in checks.items()}

    async def _check_one(self, name: str, ping: Callable[[], Awaitable[None]]) -> str:
        try:
            await ping()
        except UpstreamError as error:
            if not self._away.get(name):
                self._log.error("%s", one_line(str(error)))
            self._away[name] = True
            return str(error)
        if self._away.get(name, True):
            self._log.info("%s is there", name)
        self._away[name] = False
        return "ok"


def _orders_response(rows: list[str], origin: str) -> Response:
    return Response(200, {"orders": [json.loads(row) for row in rows], "from": origin})


async def serve(configuration: Configuration) -> None:
    """Serve until SIGTERM."""
    log = open_log(configuration)
    checkout = Checkout(configuration, log)
    routes = {"/": checkout.index, "/health": checkout.health, "/orders": checkout.orders}
    server = await HttpServer(configuration, routes, log).start()
    watch = asyncio.create_task(checkout.watch())
    await until_terminated()
    log.info("checkout stops")
    watch.cancel()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(read_configuration(Path(sys.argv[1]))))
