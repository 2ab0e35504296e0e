"""Windows of time as people write them: `1h`, `12:00-13:00`, `since 12:00`, whole days and ISO times."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SECOND_NS = 1_000_000_000
_DURATION = re.compile(r"(?:last\s+)?(\d{1,6}(?:\.\d{1,3})?)\s*([smhdw])")
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?"
_DAY = r"\d{4}-\d{2}-\d{2}"
_POINT = rf"(?:{_DAY}[T ])?{_CLOCK}(?:Z|[+-]\d{{2}}:?\d{{2}})?"
_RANGE = re.compile(rf"({_POINT})\s*(?:-|–|to|/|\.\.)\s*({_POINT}|now)")
_SINCE = re.compile(rf"(?:since|from)\s+({_POINT}|{_DAY})")
HELP = "write 1h, 30m, 12:00-13:00, 'since 12:00', today, yesterday, or 2026-03-01T12:00-13:00"


class WindowError(ValueError):
    """The text names no window. The message says how to write one."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """[start, end) in nanoseconds since 1970. Whoever finished inside belongs to it."""

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        """How long; above zero."""
        return self.end_ns - self.start_ns

    def before(self) -> TimeRange:
        """The range of the same length that ends where this one starts."""
        return TimeRange(self.start_ns - self.length_ns, self.start_ns)


def parse_window(text: str, now_ns: int, zone: tzinfo) -> TimeRange:
    """The window that `text` names, seen from now. Raises WindowError.

    A clock time without a date is its last occurrence: at 00:10, `23:50` was twenty minutes ago.
    """
    words = _normal(text)
    now = datetime.fromtimestamp(now_ns / _SECOND_NS, zone)
    found = _duration(words, now_ns) or _named_day(words, now) or _since(words, now, now_ns) or _range(words, now)
    if found is None:
        raise WindowError(f"{text!r} is no window of time: {HELP}")
    if found.length_ns <= 0:
        raise WindowError(f"{text!r} ends before it starts: {HELP}")
    return found


def _normal(text: str) -> str:
    words = " ".join(text.strip().lower().split())
    return re.sub(r"(?<=\d)z", "Z", re.sub(rf"({_DAY})t", r"\1T", words))


def _duration(words: str, now_ns: int) -> TimeRange | None:
    found = _DURATION.fullmatch(words)
    if found is None:
        return None
    return TimeRange(now_ns - round(float(found[1]) * _UNITS_S[found[2]] * _SECOND_NS), now_ns)


def _named_day(words: str, now: datetime) -> TimeRange | None:
    if words in ("today", "yesterday"):
        day = now.date() - timedelta(days=words == "yesterday")
    elif re.fullmatch(_DAY, words):
        day = _date(words)
    else:
        return None
    zone = now.tzinfo
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    after = day + timedelta(days=1)
    end = min(now, datetime(after.year, after.month, after.day, tzinfo=zone))
    return TimeRange(_ns(start), _ns(end))


def _since(words: str, now: datetime, now_ns: int) -> TimeRange | None:
    found = _SINCE.fullmatch(words)
    if found is None:
        return None
    if re.fullmatch(_DAY, found[1]):
        day = _date(found[1])
        return TimeRange(_ns(datetime(day.year, day.month, day.day, tzinfo=now.tzinfo)), now_ns)
    return TimeRange(_ns(_point(found[1], now)), now_ns)


def _range(words: str, now: datetime) -> TimeRange | None:
    found = _RANGE.fullmatch(words)
    if found is None:
        return None
    start = _point(found[1], now)
    if found[2] == "now":
        return TimeRange(_ns(start), _ns(now))
    if re.match(_DAY, found[2]):
        return TimeRange(_ns(start), _ns(_point(found[2], now)))
    # A bare clock time ends the range that its start began: the next one after it.
    end = _clock(found[2], start)
    if end <= start:
        end += timedelta(days=1)
    return TimeRange(_ns(start), _ns(end))


def _point(text: str, now: datetime) -> datetime:
    if re.match(_DAY, text):
        try:
            found = datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "T"))
        except ValueError as error:
            raise WindowError(f"{text!r} is no time: {error}") from error
        return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)
    found = _clock(text, now)
    return found if found <= now else found - timedelta(days=1)


def _clock(text: str, day: datetime) -> datetime:
    stripped = re.fullmatch(rf"({_CLOCK})(Z|[+-]\d{{2}}:?\d{{2}})?", text)
    if stripped is None:
        raise WindowError(f"{text!r} is no clock time: {HELP}")
    try:
        hours, minutes, *seconds = (int(part) for part in stripped[1].split(":"))
        zone = datetime.strptime(stripped[2].replace("Z", "+0000"), "%z").tzinfo if stripped[2] else day.tzinfo
        return day.astimezone(zone).replace(
            hour=hours, minute=minutes, second=seconds[0] if seconds else 0, microsecond=0
        )
    except ValueError as error:
        raise WindowError(f"{text!r} is no clock time: {error}") from error


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise WindowError(f"{text!r} is no day: {error}") from error


def _ns(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000) * 1_000
