"""Who may change an asset just now."""

from __future__ import annotations

from typing import ClassVar

from opswire.contracts.message import Message
from opswire.contracts.step_claimed.v1 import RunId
from opswire.contracts.types import AssetId, Name, Nanoseconds, RequestId


class LockChanged(Message):
    """The lock of one asset: held by a run until `expires_ns`, or free where `run_id` is absent.

    Written by compare and set on the subject's last sequence; that sequence is the fencing token of the holder.
    """

    STEM: ClassVar[str] = "lock_changed"
    VERSION: ClassVar[int] = 1

    asset_id: AssetId
    run_id: RunId | None = None
    source: Name | None = None
    request_id: RequestId | None = None
    expires_ns: Nanoseconds = 0
