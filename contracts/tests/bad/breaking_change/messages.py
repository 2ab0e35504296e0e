"""mark is required now."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from opswire.contracts.message import Message


class NoteV1(Message):
    """The first note, changed after its release."""

    STEM: ClassVar[str] = "note"
    VERSION: ClassVar[int] = 1

    line: Annotated[str, Field(min_length=1, max_length=20)]
    mark: Annotated[float, Field(ge=0)]


MESSAGES = (NoteV1,)
