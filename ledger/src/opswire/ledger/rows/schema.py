"""The tables of the row store, in the SQL that SQLite and PostgreSQL share: one text for both."""

from __future__ import annotations

SCHEMA_VERSION = 1
"""Raised when a table changes its form: a store of another version is refused, not guessed at."""

TABLES = (
    """
CREATE TABLE IF NOT EXISTS request(
    request_key TEXT PRIMARY KEY, trace_ids TEXT NOT NULL, route TEXT NOT NULL, outcome TEXT,
    t0_ns BIGINT NOT NULL, t1_ns BIGINT NOT NULL, e2e_ns BIGINT NOT NULL, weight DOUBLE PRECISION NOT NULL,
    flags TEXT NOT NULL, skew_bound_ns BIGINT, missing_parents BIGINT NOT NULL, unattributed_ns BIGINT NOT NULL,
    adopted_ns BIGINT NOT NULL, attributes TEXT NOT NULL, bucket BIGINT NOT NULL, engine_version BIGINT NOT NULL
)""",
    "CREATE INDEX IF NOT EXISTS request_t1_ns ON request(t1_ns)",
    """
CREATE TABLE IF NOT EXISTS segment(
    request_key TEXT NOT NULL, seq BIGINT NOT NULL, start_ns BIGINT NOT NULL, end_ns BIGINT NOT NULL,
    stage TEXT NOT NULL, sub TEXT NOT NULL, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, service TEXT NOT NULL,
    operation TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (request_key, seq)
)""",
    """
CREATE TABLE IF NOT EXISTS request_stage(
    request_key TEXT NOT NULL, stage TEXT NOT NULL, ns BIGINT NOT NULL, n BIGINT NOT NULL,
    PRIMARY KEY (request_key, stage)
)""",
    """
CREATE TABLE IF NOT EXISTS pending(
    request_key TEXT PRIMARY KEY, last_end_ns BIGINT NOT NULL, due_ns BIGINT NOT NULL
)""",
    "CREATE INDEX IF NOT EXISTS pending_due_ns ON pending(due_ns)",
    "CREATE TABLE IF NOT EXISTS ledger_state(name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)
"""`bucket` is a hash of the request's key, 0 to 9,999: a smaller share of a window is a smaller share of the buckets.

`pending` holds requests that left spans since they were last booked; `ledger_state` how far the span store was read.
"""

OF_A_REQUEST = ("segment", "request_stage", "request")
