"""A rule that a schema cannot say."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from opswire.contracts.message import StrictMessage


class RecipeV1(StrictMessage):
    """A title without white space at its ends."""

    STEM: ClassVar[str] = "recipe"
    VERSION: ClassVar[int] = 1

    title: Annotated[str, Field(max_length=20)]

    @field_validator("title")
    @classmethod
    def _stripped(cls, title: str) -> str:
        if title != title.strip():
            raise ValueError("white space at the ends")
        return title


MESSAGES = (RecipeV1,)
