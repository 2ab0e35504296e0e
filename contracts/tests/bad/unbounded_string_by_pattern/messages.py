"""A pattern that is no bound: it repeats without end."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from opswire.contracts.message import Message


class NoteV2(Message):
    """A pattern that is no bound: it repeats without end."""

    STEM: ClassVar[str] = "note"
    VERSION: ClassVar[int] = 2

    lines: Annotated[list[Annotated[str, Field(min_length=1, max_length=20)]], Field(max_length=10)]
    text: Annotated[str, Field(pattern=r"^[a-z]+$")] = "a"


MESSAGES = (NoteV2,)
FREE_FORM = {}
