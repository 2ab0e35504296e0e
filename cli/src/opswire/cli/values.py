"""Small values that people type and programs make: durations, request ids, keys."""

from __future__ import annotations

import re
import secrets
import time

from opswire.cli.errors import NotFoundError, UsageError

CLI_SOURCE = "cli"
ADVICE_REQUEST = "up to 64 letters, digits, - and _; SOURCE/REQUEST_ID for another upstream's"
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


def duration_ms(text: str) -> int:
    """Milliseconds of `500ms`, `30s`, `1.5m`, `1h`. Raises UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)", text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no duration", "write a number and ms, s, m or h, such as 30s")
    return round(float(found[1]) * _UNITS_MS[found[2]])


def new_request_id() -> str:
    """A UUID of version 7: sorts by the millisecond it was made in."""
    milliseconds = time.time_ns() // 1_000_000
    number = (
        (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    )
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def request_key(text: str) -> tuple[str, str]:
    """Source and request id of `SOURCE/REQUEST_ID`, or of a bare id of the command line's own. Raises UsageError."""
    from opswire.contracts.types import REQUEST_ID_PATTERN, SOURCE_PATTERN

    source, _, request_id = text.rpartition("/")
    source = source or CLI_SOURCE
    if not re.fullmatch(SOURCE_PATTERN, source):
        raise UsageError(f"{source!r} is no upstream's name", "up to 32 small letters, digits and -, such as chat-bot")
    if not re.fullmatch(REQUEST_ID_PATTERN, request_id):
        raise UsageError(f"{request_id!r} is no request id", ADVICE_REQUEST)
    return source, request_id


def shown_key(source: str, request_id: str) -> str:
    """The shortest text that `request_key` reads back as this request."""
    return request_id if source == CLI_SOURCE else f"{source}/{request_id}"


def unknown_request(source: str, request_id: str) -> NotFoundError:
    """What is said of a request of which the broker holds nothing."""
    advice = "SOURCE/REQUEST_ID where another upstream sent it; opswire audit list names the latest"
    return NotFoundError(f"there is no request {source}/{request_id}", advice)
