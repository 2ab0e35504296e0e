"""A kept tool result as JSON, for the shared level. The columns of a record keep their order."""

from __future__ import annotations

from typing import Any

import orjson
from opswire.executor.rules.tools import Record, ToolResult
from opswire.executor.usecases.kept_results import Kept

CELLS = (str, int, float, bool, type(None))


class ResultCodec:
    """Writes and reads results; foreign bytes raise ValueError."""

    def encode(self, value: Kept) -> bytes:
        """When it was begun, the note, the records."""
        return orjson.dumps([value.begun_ns, value.result.note, [dict(record) for record in value.result.records]])

    def decode(self, data: bytes) -> Kept:
        """The result again. Raises ValueError when the bytes are not one."""
        try:
            begun_ns, note, records = orjson.loads(data)
        except TypeError as error:
            raise ValueError("not a tool's result") from error
        if not isinstance(begun_ns, int) or not isinstance(note, str) or not isinstance(records, list):
            raise ValueError("not a tool's result")
        return Kept(ToolResult(tuple(_record(one) for one in records), note), begun_ns)


def _record(value: Any) -> Record:
    if not isinstance(value, dict) or not all(isinstance(cell, CELLS) for cell in value.values()):
        raise ValueError("not a record")
    return value
