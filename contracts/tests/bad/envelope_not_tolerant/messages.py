"""A part of a tolerant message that is strict."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from opswire.contracts.message import Message, StrictPart


class Author(StrictPart):
    """Who wrote it."""

    name: Annotated[str, Field(max_length=20)]


class NoteV2(Message):
    """With an author."""

    STEM: ClassVar[str] = "note"
    VERSION: ClassVar[int] = 2

    lines: Annotated[list[Annotated[str, Field(min_length=1, max_length=20)]], Field(max_length=10)]
    author: Author | None = None


MESSAGES = (NoteV2,)
FREE_FORM = {}
