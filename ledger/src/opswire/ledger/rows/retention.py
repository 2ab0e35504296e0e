"""How long rows are kept: by age and by the size of the store, the oldest go first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from opswire.ledger.rows.schema import OF_A_REQUEST
from opswire.ledger.rows.store import RowStore

DAY_NS = 24 * 3600 * 1_000_000_000
FORGOTTEN_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Retention:
    """The defaults: 30 days, which is the window of a monthly target, and 2 GB, some 400,000 requests."""

    age_days: float = 30.0
    bytes_max: int = 2_000_000_000


def forget(rows: RowStore, retention: Retention, now_ns: int) -> int:
    """Delete what is too old, then the oldest until the size fits; how many requests went. Raises RowStoreError.

    A thousand at a time, so that readers and the writer get their turn. A SQLite file keeps its freed pages for rows to
    come, PostgreSQL until its own vacuum: neither counts.
    """
    gone = _forget_all(rows, now_ns - round(retention.age_days * DAY_NS), None)
    used, requests = used_bytes(rows), rows.extent().requests
    if used > retention.bytes_max and requests:
        gone += _forget_all(rows, now_ns, math.ceil((used - retention.bytes_max) * requests / used))
    return gone


def used_bytes(rows: RowStore) -> int:
    """What the rows take, in bytes: exact in SQLite, in PostgreSQL by the size of two hundred requests."""
    database = rows.database
    requests = rows.extent().requests
    with database.transaction():
        if database.is_sqlite:
            pages, free, size = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in _PRAGMAS)
            return int((pages - free) * size)
        sampled, size = 0, 0
        for table in OF_A_REQUEST:
            query = (
                f"SELECT COUNT(DISTINCT t.request_key), COALESCE(SUM(pg_column_size(t.*)), 0) FROM {table} t"  # noqa: S608
                f" WHERE t.request_key IN (SELECT request_key FROM request ORDER BY t1_ns DESC LIMIT {_SAMPLED})"
            )
            count, found = database.execute(query).fetchone()
            sampled, size = max(sampled, count), size + int(found)
    return round(size * _WITH_INDEXES * requests / sampled) if sampled else 0


_PRAGMAS = ("page_count", "freelist_count", "page_size")
_SAMPLED = 200
_WITH_INDEXES = 1.8


def _forget_all(rows: RowStore, before_ns: int, limit: int | None) -> int:
    gone = 0
    while limit is None or gone < limit:
        wanted = FORGOTTEN_AT_ONCE if limit is None else min(FORGOTTEN_AT_ONCE, limit - gone)
        with rows.database.transaction():
            forgotten = rows.forget_before(before_ns, wanted)
        gone += forgotten
        if forgotten < wanted:
            break
    return gone
