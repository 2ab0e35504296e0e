"""storefront: the shop's first page. Gets its orders from checkout, as a customer would, also when nobody asks."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from opswire.lab.services.http import HttpServer, Response, UpstreamError, fetch
from opswire.lab.services.runtime import Configuration, one_line, open_log, read_configuration, until_terminated

# Some traffic of its own, so that the logs of a quiet lab still say something.
VISIT_PAUSE_S = 10.0
RELEASE = Path("srv/storefront/current/VERSION")


class Storefront:
    """The pages of the storefront."""

    def __init__(self, configuration: Configuration, log: logging.Logger) -> None:
        self._environment = configuration.environment
        self._checkout = configuration.upstreams["checkout"]
        self._log = log
        # As it was when the process started: another release is in use after the next start.
        self._release = RELEASE.read_text().strip()

    async def index(self) -> Response:
        """`GET /`: who this is."""
        document = {"service": "storefront", "environment": self._environment, "pages": ["/orders", "/health"]}
        return Response(200, {**document, "release": self._release})

    async def health(self) -> Response:
        """`GET /health`: 200 while checkout's port answers, healthy or not; 503 when it does not."""
        try:
            await fetch("checkout", self._checkout, "/")
        except UpstreamError as error:
            return Response(503, {"status": "degraded", "dependencies": {"checkout": str(error)}})
        return Response(200, {"status": "ok", "dependencies": {"checkout": "ok"}})

    async def orders(self) -> Response:
        """`GET /orders`: what checkout says; UpstreamError when it is away or fails."""
        answer = await fetch("checkout", self._checkout, "/orders")
        if answer.status != 200:
            raise UpstreamError(f"checkout at {self._checkout} answered {answer.status}")
        return answer

    async def visit(self) -> None:
        """Be a customer for ever."""
        while True:
            await asyncio.sleep(VISIT_PAUSE_S)
            try:
                answer = await self.orders()
            except UpstreamError as error:
                self._log.error("visit failed: %s", one_line(str(error)))
            else:
                self._log.info("visit ok, %d", answer.status)


async def serve(configuration: Configuration) -> None:
    """Serve until SIGTERM."""
    log = open_log(configuration)
    storefront = Storefront(configuration, log)
    routes = {"/": storefront.index, "/health": storefront.health, "/orders": storefront.orders}
    server = await HttpServer(configuration, routes, log).start()
    visits = asyncio.create_task(storefront.visit())
    await until_terminated()
    log.info("storefront stops")
    visits.cancel()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(read_configuration(Path(sys.argv[1]))))
