"""A number that may be NaN."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from opswire.contracts.message import Message


class NoteV2(Message):
    """A number that may be NaN."""

    STEM: ClassVar[str] = "note"
    VERSION: ClassVar[int] = 2

    lines: Annotated[list[Annotated[str, Field(min_length=1, max_length=20)]], Field(max_length=10)]
    ratio: Annotated[float, Field(allow_inf_nan=True)] = 0.0


MESSAGES = (NoteV2,)
FREE_FORM = {}
