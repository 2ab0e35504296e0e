"""The broker's tick for a second in which deadlines fall due."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.message import Message
from pydantic import Field


class DeadlinesDue(Message):
    """Scheduled when a request is accepted, delivered by the broker when the second begins in which it must be over.

    One tick serves every request that is due by `due_s` (seconds since 1970).
    """

    STEM: ClassVar[str] = "deadlines_due"
    VERSION: ClassVar[int] = 1

    due_s: Annotated[int, Field(ge=0, le=2**40)]
