"""A mapping whose keys may be of any length."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from opswire.contracts.message import Message


class NoteV2(Message):
    """A mapping whose keys may be of any length."""

    STEM: ClassVar[str] = "note"
    VERSION: ClassVar[int] = 2

    lines: Annotated[list[Annotated[str, Field(min_length=1, max_length=20)]], Field(max_length=10)]
    labels: Annotated[dict[str, Annotated[str, Field(max_length=20)]], Field(max_length=5)] = Field(default_factory=dict)


MESSAGES = (NoteV2,)
FREE_FORM = {}
