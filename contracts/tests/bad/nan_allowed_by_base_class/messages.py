"""A part that is no Part."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opswire.contracts.message import Message


class Author(BaseModel):
    """Who wrote it; strict, but NaN passes."""

    model_config = ConfigDict(frozen=True, strict=True)

    weight_kg: Annotated[float, Field(ge=0)]

class NoteV2(Message):
    """With an author."""

    STEM: ClassVar[str] = "note"
    VERSION: ClassVar[int] = 2

    lines: Annotated[list[Annotated[str, Field(min_length=1, max_length=20)]], Field(max_length=10)]
    author: Author | None = None


MESSAGES = (NoteV2,)
FREE_FORM = {}
