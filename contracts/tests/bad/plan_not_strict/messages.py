"""A step that ignores what it does not know."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from opswire.contracts.message import Part, StrictMessage


class Ingredient(Part):
    """One thing that goes in."""

    what: Annotated[str, Field(min_length=1, max_length=20)]
    grams: Annotated[int, Field(ge=1, le=10_000)]


class RecipeV1(StrictMessage):
    """What to cook."""

    STEM: ClassVar[str] = "recipe"
    VERSION: ClassVar[int] = 1

    ingredients: Annotated[list[Ingredient], Field(max_length=50)]


MESSAGES = (RecipeV1,)
