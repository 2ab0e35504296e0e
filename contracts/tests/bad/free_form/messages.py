"""Any JSON, at a place that nobody allowed."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from opswire.contracts.message import Message


class NoteV2(Message):
    """Any JSON, at a place that nobody allowed."""

    STEM: ClassVar[str] = "note"
    VERSION: ClassVar[int] = 2

    lines: Annotated[list[Annotated[str, Field(min_length=1, max_length=20)]], Field(max_length=10)]
    anything: Any = None


MESSAGES = (NoteV2,)
FREE_FORM = {}
