"""The recipe has a v1 and a v3."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from opswire.contracts.message import StrictMessage


class RecipeV1(StrictMessage):
    """The first recipe."""

    STEM: ClassVar[str] = "recipe"
    VERSION: ClassVar[int] = 1

    title: Annotated[str, Field(max_length=20)]


class RecipeV3(RecipeV1):
    """The next recipe, wrongly numbered."""

    VERSION: ClassVar[int] = 3


def _same(body: dict[str, Any]) -> dict[str, Any]:
    return body


MESSAGES = (RecipeV1, RecipeV3)
ROUTED = {"note": 2, "recipe": 3}
STEPS = {("recipe", 1): _same, ("recipe", 2): _same}
