"""A small tree with no flaw: two versions of a tolerant note, and a strict recipe. Each bad case changes one thing."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from opswire.contracts.message import Message, Part, StrictMessage, StrictPart

Word = Annotated[str, Field(min_length=1, max_length=20)]


class Author(Part):
    """Who wrote it."""

    name: Word
    age_years: Annotated[int, Field(ge=0, le=150)] | None = None


class NoteV1(Message):
    """The first note: one line and a mark."""

    STEM: ClassVar[str] = "note"
    VERSION: ClassVar[int] = 1

    line: Word
    mark: Annotated[float, Field(ge=0)] = 0.0


class NoteV2(Message):
    """The second note: several lines, an author, labels and anything else."""

    STEM: ClassVar[str] = "note"
    VERSION: ClassVar[int] = 2

    lines: Annotated[list[Word], Field(max_length=10)]
    mark: Annotated[float, Field(ge=0)] = 0.0
    author: Author | None = None
    labels: Annotated[dict[Word, Word], Field(max_length=5)] = Field(default_factory=dict)
    anything: Annotated[dict[str, Any], Field(max_length=5)] = Field(default_factory=dict)


class Ingredient(StrictPart):
    """One thing that goes in."""

    what: Word
    grams: Annotated[int, Field(ge=1, le=10_000)]


class RecipeV1(StrictMessage):
    """What to cook: a plan, so an unknown field is an error."""

    STEM: ClassVar[str] = "recipe"
    VERSION: ClassVar[int] = 1

    ingredients: Annotated[list[Ingredient], Field(max_length=50)]


def _line_to_lines(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"lines": [body.pop("line")]}


MESSAGES = (NoteV1, NoteV2, RecipeV1)
ROUTED = {"note": 2, "recipe": 1}
STEPS = {("note", 1): _line_to_lines}
FREE_FORM = {"note/v2 anything": "a note may hold anything"}
