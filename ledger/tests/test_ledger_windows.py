"""Windows of time are what people write; what is none is refused with the forms that there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from opswire.ledger.many.windows import TimeRange, WindowError, parse_window

CET = timezone(timedelta(hours=1))
NOW = datetime(2026, 3, 5, 14, 30, tzinfo=CET)
NOW_NS = round(NOW.timestamp()) * 1_000_000_000


def at(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=CET)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("1h", "2026-03-05 13:30", "2026-03-05 14:30"),
        ("last 90m", "2026-03-05 13:00", "2026-03-05 14:30"),
        ("1.5h", "2026-03-05 13:00", "2026-03-05 14:30"),
        ("7d", "2026-02-26 14:30", "2026-03-05 14:30"),
        ("12:00-13:00", "2026-03-05 12:00", "2026-03-05 13:00"),
        ("12:00 - 13:00:30", "2026-03-05 12:00", "2026-03-05 13:00:30"),
        ("23:30-00:30", "2026-03-04 23:30", "2026-03-05 00:30"),
        ("15:00-16:00", "2026-03-04 15:00", "2026-03-04 16:00"),
        ("12:00-now", "2026-03-05 12:00", "2026-03-05 14:30"),
        ("since 12:00", "2026-03-05 12:00", "2026-03-05 14:30"),
        ("Since 23:50", "2026-03-04 23:50", "2026-03-05 14:30"),
        ("since 2026-03-01", "2026-03-01", "2026-03-05 14:30"),
        ("since 2026-03-01T06:00Z", "2026-03-01 07:00", "2026-03-05 14:30"),
        ("today", "2026-03-05", "2026-03-05 14:30"),
        ("yesterday", "2026-03-04", "2026-03-05"),
        ("2026-03-01", "2026-03-01", "2026-03-02"),
        ("2026-03-01T12:00-13:00", "2026-03-01 12:00", "2026-03-01 13:00"),
        ("2026-03-01 12:00 to 2026-03-02 06:00", "2026-03-01 12:00", "2026-03-02 06:00"),
        ("2026-03-01T12:00:00Z/2026-03-01T13:00:05Z", "2026-03-01 13:00", "2026-03-01 14:00:05"),
        ("2026-03-01T12:00+02:00/2026-03-01T13:00+02:00", "2026-03-01 11:00", "2026-03-01 12:00"),
    ],
)
def test_a_window_is_read(text: str, start: str, end: str) -> None:
    wanted = [round(at(moment).timestamp()) * 1_000_000_000 for moment in (start, end)]
    assert parse_window(text, NOW_NS, CET) == TimeRange(*wanted)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "noon",
        "1y",
        "0h",
        "25:00-26:00",
        "since 14:31:00-",
        "13:00",
        "2026-13-01",
        "2026-03-02T12:00/2026-03-01",
    ],
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(WindowError, match=r"write 1h|no day|no clock time|no time"):
        parse_window(text, NOW_NS, UTC)


def test_the_reference_is_as_long_and_right_before() -> None:
    assert parse_window("1h", NOW_NS, CET).before() == TimeRange(NOW_NS - 7_200_000_000_000, NOW_NS - 3_600_000_000_000)
