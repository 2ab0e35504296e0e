"""What a step's outcome may hold of what its tool said, and what an error says about how far the tool came."""

from __future__ import annotations

from collections.abc import Sequence

from opswire.chassis.errors import OpswireError
from opswire.contracts.types import Cell
from opswire.executor.errors import (
    AddressRefusedError,
    BadArgumentError,
    CredentialUnusableError,
    FileRefusedError,
    HostKeyMismatchError,
    HostKeyUnknownError,
    LoginRefusedError,
    PathRefusedError,
    StateChangedError,
)
from opswire.executor.errors_of_changes import CancelledByRequesterError, ClaimLapsedError, ModeRefusesError
from opswire.executor.rules.cells import plain
from opswire.executor.rules.tools import Record

ROWS_MAX = 100
COLUMNS_MAX = 32
CHARACTERS_MAX = 100_000
_BEFORE_ANYTHING = (
    AddressRefusedError,
    BadArgumentError,
    CancelledByRequesterError,
    ClaimLapsedError,
    CredentialUnusableError,
    FileRefusedError,
    HostKeyMismatchError,
    HostKeyUnknownError,
    LoginRefusedError,
    ModeRefusesError,
    PathRefusedError,
    StateChangedError,
)


def is_surely_undone(error: OpswireError | None) -> bool:
    """Whether the tool refused before it did anything: then there is nothing to verify."""
    return isinstance(error, _BEFORE_ANYTHING)


def fitting_rows(records: Sequence[Record]) -> list[dict[str, Cell]]:
    """The first records that one message has room for, with text made plain."""
    rows: list[dict[str, Cell]] = []
    room = CHARACTERS_MAX
    for record in records[:ROWS_MAX]:
        row: dict[str, Cell] = {
            name: plain(value) if isinstance(value, str) else value
            for name, value in list(record.items())[:COLUMNS_MAX]
        }
        room -= sum(len(str(value)) + len(name) + 8 for name, value in row.items())
        if room < 0:
            break
        rows.append(row)
    return rows
