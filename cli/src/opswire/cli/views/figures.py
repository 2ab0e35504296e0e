"""Durations and shares as the views of traces write them."""

from __future__ import annotations

_MICROSECOND_NS = 1_000


def milliseconds(nanoseconds: int) -> str:
    """To the microsecond."""
    return thousandths(round(nanoseconds / _MICROSECOND_NS))


def thousandths(microseconds: int) -> str:
    """Microseconds as milliseconds."""
    return f"{microseconds / 1_000:,.3f}"


def percent(part: int, whole: int) -> str:
    """The share with one digit after the point; none of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "0.0 %"
