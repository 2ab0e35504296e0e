"""A TCP proxy before the broker, for tests: connections that end, are refused, fall silent or stand still."""

from __future__ import annotations

import asyncio


class BrokenWire:
    """One way to the broker. `start` it, and give its `url` to who shall lose the broker.

    `is_closed` refuses new connections, `is_mute` swallows what the broker says, and while `may_pass` is cleared what
    either side says is kept back: nothing is lost, all of it comes late.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.url = ""
        self.is_closed = False
        self.is_mute = False
        self.may_pass = asyncio.Event()
        self.may_pass.set()

    async def start(self) -> str:
        """Listen; the address for clients."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self.url

    def cut(self) -> None:
        """End every connection; new ones are taken unless `is_closed`."""
        for writer in list(self._writers):
            writer.transport.abort()

    def stop(self) -> None:
        """End the connections and listen no longer."""
        self.is_closed = True
        self.may_pass.set()
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.is_closed:
                return
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers |= {writer, back}
            await asyncio.gather(self._pump(reader, back, False), self._pump(there, writer, True))
        except OSError:
            return
        finally:
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, from_broker: bool) -> None:
        try:
            while data := await reader.read(65_536):
                await self.may_pass.wait()
                if not (from_broker and self.is_mute):
                    writer.write(data)
                    await writer.drain()
        except OSError:
            return
        finally:
            self._writers.discard(writer)
            writer.close()
