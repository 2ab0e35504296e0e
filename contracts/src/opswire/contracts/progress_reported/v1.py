"""How far a request is. It may be lost: nothing but a person's patience rests on it."""

from __future__ import annotations

from typing import ClassVar

from opswire.contracts.message import Message
from opswire.contracts.types import Name, Nanoseconds, RequestId, ShortText


class ProgressReported(Message):
    """One line for whoever watches: the service that speaks, what it is about to do, and when it said so."""

    STEM: ClassVar[str] = "progress_reported"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    service: Name
    doing: ShortText
    at_ns: Nanoseconds
