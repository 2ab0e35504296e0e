"""The outcome of a request whose time is up."""

from __future__ import annotations

from opswire.contracts.failure import Failure
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.request_finished.endings import ended
from opswire.contracts.types import FinishStatus


def expired(request_id: str, accepted_ns: int, now_ns: int) -> RequestFinished:
    """Nothing answered in time; what was begun is not begun again. Times in nanoseconds since 1970."""
    waited_s = (now_ns - accepted_ns) / 1_000_000_000
    detail = f"The deadline passed after {waited_s:.1f} s without an answer; ask again with a longer --deadline."
    return ended(
        request_id, Failure(status=FinishStatus.EXPIRED, code="deadline_passed", detail=detail), accepted_ns, now_ns
    )
