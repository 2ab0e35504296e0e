"""From records to the table of an answer, within the bounds of the contract, saying what was left out."""

from __future__ import annotations

from collections.abc import Sequence

from opswire.contracts.findings import AlertSummary
from opswire.contracts.request_finished import Answer
from opswire.contracts.types import COLUMNS_MAX, ROWS_MAX, Cell
from opswire.executor.rules.cells import CELL_CHARACTERS_MAX, counted, plain
from opswire.executor.rules.tools import Record

SUMMARY_CHARACTERS_MAX = 4_000
# A message carries at most 256 kB; the rest of the finish (intent, assets, timings) needs room beside the rows.
CHARACTERS_MAX = 120_000
# So few cells fit whatever they hold.
CELLS_UNWEIGHED_MAX = CHARACTERS_MAX // (2 * CELL_CHARACTERS_MAX + 4)


def make_answer(sentence: str, records: Sequence[Record]) -> Answer:
    """An answer of one sentence and the records as rows; columns in the order in which they first appear."""
    columns = list(dict.fromkeys(column for record in records for column in record))[:COLUMNS_MAX]
    rows = [[_cell(record.get(column)) for column in columns] for record in records[:ROWS_MAX]]
    if len(rows) * len(columns) > CELLS_UNWEIGHED_MAX:
        rows = _fitting(rows)
    if len(rows) < len(records):
        sentence += f" The table shows the first {len(rows)} of {counted(len(records), 'row')}."
    summary = plain(sentence, SUMMARY_CHARACTERS_MAX) or "Nothing was found."
    if not columns:
        return Answer(summary=summary)
    return Answer(summary=summary, columns=columns, rows=rows)


def _fitting(rows: list[list[Cell]]) -> list[list[Cell]]:
    """The first rows, as many as a message has room for."""
    room = CHARACTERS_MAX
    for place, row in enumerate(rows):
        room -= sum(_weight(cell) for cell in row)
        if room < 0:
            return rows[:place]
    return rows


def alert_table(alerts: Sequence[AlertSummary], sentence: str) -> Answer:
    """The alerts of an event as rows."""
    records: list[Record] = [
        {
            "alert": alert.name,
            "status": alert.status,
            "severity": alert.severity,
            "summary": alert.summary,
            "labels": ", ".join(f"{key}={value}" for key, value in sorted(alert.labels.items())),
        }
        for alert in alerts
    ]
    return make_answer(sentence, records)


def _cell(value: Cell) -> Cell:
    return plain(value) if isinstance(value, str) else value


def _weight(cell: Cell) -> int:
    # Escaped in JSON, a character takes one to six bytes; two is what real logs and tables stay under.
    return 2 * len(cell) if isinstance(cell, str) and not cell.isascii() else len(str(cell)) + 4
