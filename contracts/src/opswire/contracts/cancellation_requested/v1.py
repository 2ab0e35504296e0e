"""Whoever asked does not want it any more."""

from __future__ import annotations

from typing import ClassVar

from opswire.contracts.message import Message
from opswire.contracts.types import Nanoseconds, RequestId, ShortText


class CancellationRequested(Message):
    """Nothing more of the request is begun; a step that runs is ended, and what it did is found out by its probe."""

    STEM: ClassVar[str] = "cancellation_requested"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    reason: ShortText = ""
    asked_ns: Nanoseconds
