"""What a tool said beyond what a message holds: kept whole in the broker's object store, and referred to."""

from __future__ import annotations

import asyncio
import hashlib

import orjson
from nats.errors import Error as NatsError
from opswire.chassis.logs import get_logger
from opswire.chassis.wire import WireClient
from opswire.contracts.routes import OUTPUTS
from opswire.contracts.types import Cell
from opswire.executor.rules.tools import ToolResult
from opswire.executor.usecases.story import Key
from opswire.executor.usecases.written import fitting_rows

TIMEOUT_S = 5.0
OUTPUT_BYTES_MAX = 16 * 1024 * 1024


class Outputs:
    """One per process."""

    def __init__(self, client: WireClient) -> None:
        self._client = client

    async def keep(self, key: Key, step: int, result: ToolResult) -> str | None:
        """The reference of the whole output, where a message cannot hold it: name, size and SHA-256. Never raises.

        None where the message holds all of it, and where it could not be kept: what a step did does not rest on it.
        """
        records: list[dict[str, Cell]] = [dict(record) for record in result.records]
        if fitting_rows(records) == records:
            return None
        body = b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records)
        name = f"{key.source}/{key.request_id}/{step}"
        if len(body) > OUTPUT_BYTES_MAX:
            get_logger().warning("an output is too large to keep", request=str(key), step=step, bytes=len(body))
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                store = await self._client.jetstream().object_store(OUTPUTS)
                await store.put(name, body)
        except (NatsError, OSError, TimeoutError) as error:
            get_logger().warning("an output could not be kept", request=str(key), step=step, error=type(error).__name__)
            return None
        return f"{name} {len(body)} bytes sha256:{hashlib.sha256(body).hexdigest()}"
