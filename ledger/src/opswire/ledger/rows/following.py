"""From the span store to the row store: books every request that finished since the last look, before any sampling.

The span store is the queue. It is read in pieces of bounded size, a piece is noted and its place kept in one
transaction, and the next is read once all of it that is over is booked: a slow or absent row store slows this reader
alone, never a service. What is booked twice is replaced, so a crash or a second reader costs time and no truth.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from opswire.ledger.account import account
from opswire.ledger.model import ENGINE_VERSION, Span
from opswire.ledger.rows.model import RequestRow, is_unfinished, row_of
from opswire.ledger.rows.store import RowStore
from opswire.ledger.store import Place, read_request, read_requests, touched_since

SETTLE_NS = 2_000_000_000
"""A request is booked once it was quiet for this long: the services hand their spans over every quarter second."""
UNFINISHED_NS = 15 * 60 * 1_000_000_000
"""One that never finished gets its row, flagged, after this long; it is booked anew when it goes on."""
BATCHES_AT_ONCE = 4_000
BOOKED_AT_ONCE = 200
SPANS_MAX = 200_000
"""Of one request; what is beyond is left out and the row flagged `cut`. Some 200 MB in memory."""
_LATER = "CASE WHEN pending.last_end_ns > excluded.last_end_ns THEN pending.last_end_ns ELSE excluded.last_end_ns END"
_NOTE = f"""
INSERT INTO pending(request_key, last_end_ns, due_ns) VALUES (?, ?, ?)
ON CONFLICT (request_key) DO UPDATE SET last_end_ns = {_LATER}, due_ns = {_LATER} + {SETTLE_NS}
"""  # noqa: S608  constants
_CURSOR = "span_store"


@dataclass(slots=True)
class Progress:
    """What one catching up did. `behind` is how many pieces of the span store were still unread when it ended.

    `lost_batches` counts what the span store's retention had deleted before it was read.
    """

    read_batches: int = 0
    booked: int = 0
    waiting: int = 0
    behind: int = 0
    lost_batches: int = 0


class Follower:
    """Reads one span store into one row store. One thread at a time; a second process may do the same."""

    def __init__(self, spans: Path, rows: RowStore, clock_ns: Callable[[], int] = time.time_ns) -> None:
        """Opens nothing. `clock_ns` tells whether a request has been quiet for long enough."""
        self._spans = spans
        self._rows = rows
        self._clock_ns = clock_ns

    def catch_up(self, tell: Callable[[Progress], None] = lambda _: None, pieces_max: int | None = None) -> Progress:
        """Book all that is due. Returns when nothing is unread, or after `pieces_max` pieces of the span store.

        Raises StoreError when the span store cannot be read and RowStoreError when the row store cannot be written.
        """
        progress = Progress()
        pieces = 0
        while True:
            more = self._read_piece(progress)
            while self._book(progress) == BOOKED_AT_ONCE:
                tell(progress)
            tell(progress)
            pieces += 1
            if not more or pieces == pieces_max:
                progress.waiting = self._waiting()
                return progress

    def rebook(self, limit: int = BOOKED_AT_ONCE) -> int:
        """Book rows of an older engine anew where their spans are still there; how many were looked at."""
        with self._rows.database.transaction():
            found = self._rows.of_other_engines(ENGINE_VERSION, limit)
        rows = list(self._booked([key for key, _ in found]).values())
        with self._rows.database.transaction():
            self._rows.put(rows)
        return len(rows)

    def _waiting(self) -> int:
        with self._rows.database.transaction():
            return int(self._rows.database.execute("SELECT COUNT(*) FROM pending").fetchone()[0])

    def _read_piece(self, progress: Progress) -> bool:
        """Note which requests the next piece touches; whether there is more behind it."""
        with self._rows.database.transaction():
            cursor = self._rows.state(_CURSOR)
        found = touched_since(self._spans, _place(cursor), BATCHES_AT_ONCE)
        with self._rows.database.transaction():
            self._note(found.last_end_ns.items())
            if found.place is not None:
                self._rows.set_state(_CURSOR, json.dumps(found.place))
        progress.read_batches += found.batches
        progress.lost_batches += found.lost
        progress.behind = found.behind
        return found.behind > 0

    def _note(self, touched: Iterable[tuple[str, int]]) -> None:
        self._rows.database.execute_many(_NOTE, [(key, end, end + SETTLE_NS) for key, end in touched])

    def _book(self, progress: Progress) -> int:
        """Book what has been quiet; how many were looked at."""
        now_ns = self._clock_ns()
        query = "SELECT request_key, last_end_ns, due_ns FROM pending WHERE due_ns <= ? ORDER BY due_ns LIMIT ?"
        with self._rows.database.transaction():
            due = self._rows.database.execute(query, (now_ns, BOOKED_AT_ONCE)).fetchall()
        rows: list[RequestRow] = []
        over: list[tuple[object, ...]] = []
        later: list[tuple[object, ...]] = []
        booked = self._booked([key for key, _, _ in due])
        for key, last_end_ns, due_ns in due:
            row = booked.get(key)
            if row is not None and is_unfinished(row.flags) and now_ns < last_end_ns + UNFINISHED_NS:
                later.append((last_end_ns + UNFINISHED_NS, key, due_ns))
                continue
            over.append((key, due_ns))
            if row is not None:
                rows.append(row)
        database = self._rows.database
        with database.transaction():
            self._rows.put(rows)
            # Only if nothing came meanwhile: what another reader noted since stays due.
            database.execute_many("DELETE FROM pending WHERE request_key = ? AND due_ns = ?", over)
            database.execute_many("UPDATE pending SET due_ns = ? WHERE request_key = ? AND due_ns = ?", later)
        progress.booked += len(rows)
        return len(due)

    def _booked(self, keys: Sequence[str]) -> dict[str, RequestRow]:
        """The rows of these requests, as far as they have spans."""
        if not keys:
            return {}
        together = read_requests(self._spans, keys, SPANS_MAX)
        if together is not None:
            return {key: _row(key, spans) for key, spans in together.items()}
        return {key: row for key in keys if (row := self._booked_alone(key)) is not None}

    def _booked_alone(self, key: str) -> RequestRow | None:
        spans = read_request(self._spans, key, SPANS_MAX + 1)
        if not spans:
            return None
        row = _row(key, spans[:SPANS_MAX])
        return row if len(spans) <= SPANS_MAX else _flagged(row, "cut")


def _row(key: str, spans: list[Span]) -> RequestRow:
    request, segments = account(key, spans)
    return row_of(request, segments, spans)


def _flagged(row: RequestRow, flag: str) -> RequestRow:
    return replace(row, flags=tuple(sorted({*row.flags, flag, "untrusted"})))


def _place(text: str | None) -> Place | None:
    if text is None:
        return None
    try:
        rowid, start_ns, trace_id = json.loads(text)
        return int(rowid), int(start_ns), str(trace_id)
    except (ValueError, TypeError):
        return None  # what is not understood is read anew: every row is the same then
