"""A recipe with a title."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from opswire.contracts.message import StrictMessage, StrictPart


class Ingredient(StrictPart):
    """One thing that goes in."""

    what: Annotated[str, Field(min_length=1, max_length=20)]
    grams: Annotated[int, Field(ge=1, le=10_000)]


class RecipeV1(StrictMessage):
    """A recipe may have a title."""

    STEM: ClassVar[str] = "recipe"
    VERSION: ClassVar[int] = 1

    ingredients: Annotated[list[Ingredient], Field(max_length=50)]
    title: Annotated[str, Field(max_length=20)] = ""


MESSAGES = (RecipeV1,)
