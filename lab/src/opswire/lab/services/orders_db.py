"""orders-db: a line server over TCP with its orders in an SQLite file.

PING            OK 0
COUNT           OK 1, then the number
LIST <n>        OK <k>, then k orders as JSON, newest last
ADD <json>      OK 0
anything else   ERROR <reason>
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import sys
from pathlib import Path

from opswire.lab.services.order_table import OrderTable
from opswire.lab.services.orders import LINE_BYTES_MAX
from opswire.lab.services.runtime import Configuration, one_line, open_log, read_configuration, until_terminated

IDLE_S = 300.0


class OrdersServer:
    """Answers the commands, a line each."""

    def __init__(self, orders: OrderTable, log: logging.Logger) -> None:
        self._orders = orders
        self._log = log

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client closes it, is idle for five minutes or sends a line over 4 kB."""
        with contextlib.suppress(ConnectionError, TimeoutError, ValueError):
            while line := await asyncio.wait_for(reader.readline(), IDLE_S):
                writer.write(self._answer(line.decode("utf-8", "replace").strip()).encode())
                await writer.drain()
        writer.close()

    def _answer(self, line: str) -> str:
        command, _, rest = line.partition(" ")
        match command.upper():
            case "PING":
                return "OK 0\n"
            case "COUNT":
                return f"OK 1\n{self._orders.count}\n"
            case "LIST" if rest.isdecimal():
                rows = self._orders.latest(min(int(rest[:6]), 1_000))
                return "".join(f"{row}\n" for row in (f"OK {len(rows)}", *rows))
            case "ADD":
                return self._add(rest)
            case _:
                self._log.warning("unknown command %s", one_line(line[:80]))
                return "ERROR unknown command\n"

    def _add(self, text: str) -> str:
        try:
            self._orders.add(text)
        except (ValueError, sqlite3.Error) as error:
            self._log.error("order refused: %s", one_line(str(error)))
            return "ERROR order refused\n"
        self._log.info("order added, %d in all", self._orders.count)
        return "OK 0\n"


async def serve(configuration: Configuration) -> None:
    """Serve until SIGTERM."""
    log = open_log(configuration)
    orders = OrderTable(configuration.data / "orders.sqlite3")
    endpoint = configuration.endpoint
    server = await asyncio.start_server(
        OrdersServer(orders, log).serve, endpoint.host, endpoint.port, limit=LINE_BYTES_MAX
    )
    log.info("orders-db listens on %s with %d orders", endpoint, orders.count)
    await until_terminated()
    log.info("orders-db stops")
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(read_configuration(Path(sys.argv[1]))))
