"""Whether a TCP port of an asset answers, from here."""

from __future__ import annotations

import asyncio

from opswire.contracts.findings import Asset
from opswire.executor.adapters.endpoints import address_of
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.rules.tools import Record, ToolCall, ToolResult


class Tcp:
    """Connections that are opened and closed at once. A port that does not answer is a finding, not a failure."""

    def __init__(self, settings: DriverSettings) -> None:
        self._settings = settings

    async def connect(self, call: ToolCall) -> ToolResult:
        """`open`, `refused`, `no answer` or `unreachable`, with the milliseconds the connection took."""
        asset, port = call.needed_asset(), call.port()
        loop = asyncio.get_running_loop()
        address = await address_of(asset, allow_loopback=self._settings.allow_loopback)
        started = loop.time()
        result, detail = await self._attempt(address, port)
        latency_ms = round((loop.time() - started) * 1_000, 1) if result == "open" else None
        return ToolResult((_record(call, asset, port, result, latency_ms, detail),))

    async def probe(self, asset: Asset, port: int) -> tuple[str, str]:
        """What `connect` finds, and a detail. Raises AddressRefusedError."""
        return await self._attempt(await address_of(asset, allow_loopback=self._settings.allow_loopback), port)

    async def _attempt(self, address: str, port: int) -> tuple[str, str]:
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s * 0.8):
                _, writer = await asyncio.open_connection(address, port)
        except TimeoutError:
            return "no answer", "no answer in time"
        except ConnectionRefusedError:
            return "refused", "connection refused"
        except OSError as error:
            return "unreachable", error.strerror or "no route"
        writer.close()
        return "open", ""


def _record(call: ToolCall, asset: Asset, port: int, result: str, latency_ms: float | None, detail: str) -> Record:
    return probe_record(call, asset, "tcp", port, result, latency_ms, detail)


def probe_record(
    call: ToolCall, asset: Asset, check: str, port: int, result: str, latency_ms: float | None, detail: str
) -> Record:
    """A probe's finding in the columns of the intent it serves: a state of an asset, or a connection."""
    if call.context.intent.name.value == "status.check":
        timed = f"port {port}" + (f", {latency_ms} ms" if latency_ms is not None else "")
        said = f"{detail}, {timed}" if detail else timed
        return {"asset": asset.name, "check": check, "state": result, "pid": None, "detail": said}
    return {
        "check": check,
        "from": "executor",
        "to": asset.name,
        "port": port,
        "result": result,
        "latency_ms": latency_ms,
        "detail": detail,
    }
