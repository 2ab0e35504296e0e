"""How changing something is refused or stopped. Each says whether anything was begun, and what to do."""

from __future__ import annotations

from typing import ClassVar

from opswire.chassis.errors import Disposition, OpswireError, RejectedError, RetryableError
from opswire.contracts.types import FinishStatus


class PolicyRefusedError(RejectedError):
    """The policy lets nobody approve this."""

    code = "policy_refused"


class ApprovalDeniedError(RejectedError):
    """A person who may approve said no."""

    code = "approval_denied"


class ModeRefusesError(RejectedError):
    """Executors are read-only or stopped just now; nothing was begun."""

    code = "mode_refuses"


class AssetBusyError(OpswireError):
    """Another request changes the asset; nothing was begun."""

    code = "asset_busy"
    disposition = Disposition.REJECT
    status = FinishStatus.FAILED


class AssetChangedError(RejectedError):
    """An asset is not as it was planned and approved."""

    code = "asset_changed"


class LockLostError(RetryableError):
    """The lock of an asset went to another run, perhaps of the same request: this process was paused for too long.

    Nothing more is begun and nothing is told: what became of the request is read anew.
    """

    code = "lock_lost"


class ClaimLapsedError(RejectedError):
    """The time of the claim was over before its tool was begun: this process was paused. Nothing was done."""

    code = "claim_lapsed"
    status: ClassVar[FinishStatus] = FinishStatus.FAILED


class ApprovalInvalidError(RejectedError):
    """The approval that let the plan run does not hold at the point of use. `code` says why."""

    code = "approval_invalid"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code  # type: ignore[misc]  # the verifier names its own refusal


class ApprovalExpiredError(RejectedError):
    """The time in which it could be begun is over."""

    code = "approval_expired"
    status: ClassVar[FinishStatus] = FinishStatus.EXPIRED


class CancelledByRequesterError(RejectedError):
    """Whoever asked does not want it any more."""

    code = "cancelled"
    status: ClassVar[FinishStatus] = FinishStatus.CANCELLED
