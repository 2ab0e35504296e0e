"""The broker's timer for a request fell due."""

from __future__ import annotations

from typing import ClassVar

from opswire.contracts.message import Message
from opswire.contracts.types import Nanoseconds, RequestId


class DeadlinePassed(Message):
    """Scheduled when a request is accepted, delivered by the broker at its deadline, finished or not."""

    STEM: ClassVar[str] = "deadline_passed"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    accepted_ns: Nanoseconds
    deadline_ns: Nanoseconds
