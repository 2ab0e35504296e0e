"""A model that takes a number for a string."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from opswire.contracts.message import StrictMessage


class RecipeV1(StrictMessage):
    """A title that may come as a number."""

    STEM: ClassVar[str] = "recipe"
    VERSION: ClassVar[int] = 1

    title: Annotated[str, Field(max_length=20)]

    @field_validator("title", mode="before")
    @classmethod
    def _as_text(cls, title: object) -> str:
        return str(title)


MESSAGES = (RecipeV1,)
