"""Error classes carry the verdict: what becomes of the message, and what the sender is told.

A call site raises; it never decides about acknowledgement. The delivery loop reads `disposition`, `status` and `code`
from the class and acts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from opswire.contracts.failure import Failure
from opswire.contracts.types import FinishStatus


class Disposition(StrEnum):
    """What the delivery loop does with the message whose handling raised."""

    RETRY = "retry"
    """Try again later, with growing delay and jitter, until the deadline or the attempt limit."""
    REJECT = "reject"
    """End the request with an outcome; the message itself was fine."""
    PARK = "park"
    """Keep the original bytes and the reason, end the request where its id is known, go on with the next message."""


class OpswireError(Exception):
    """The root of our errors. The message is one sentence for a person; it never holds a secret."""

    code: ClassVar[str] = "internal_error"
    disposition: ClassVar[Disposition] = Disposition.PARK
    status: ClassVar[FinishStatus] = FinishStatus.FAILED

    @property
    def failure(self) -> Failure:
        """What the sender is told."""
        return Failure(status=self.status, code=self.code, detail=str(self)[:1_000])


class RetryableError(OpswireError):
    """Something outside is away for now: broker, database, cache, host. The attempt is repeated."""

    code = "temporarily_unavailable"
    disposition = Disposition.RETRY


class RejectedError(OpswireError):
    """The request is understood and refused."""

    code = "rejected"
    disposition = Disposition.REJECT
    status = FinishStatus.REJECTED


class ClarificationError(OpswireError):
    """The request has more than one reading; the sender must choose."""

    code = "ambiguous"
    disposition = Disposition.REJECT
    status = FinishStatus.NEEDS_CLARIFICATION


class HumanNeededError(OpswireError):
    """No automatic way is known; a person must look."""

    code = "no_automatic_plan"
    disposition = Disposition.REJECT
    status = FinishStatus.NEEDS_HUMAN


class PoisonError(OpswireError):
    """The message cannot be read, now or ever: parked with its bytes, and answered `rejected` where its id is known."""

    code = "malformed"
    disposition = Disposition.PARK
    status = FinishStatus.REJECTED


class DeadlineError(OpswireError):
    """The request's deadline has passed; nothing is begun any more."""

    code = "deadline_passed"
    disposition = Disposition.REJECT
    status = FinishStatus.EXPIRED
