"""Something else than the inventory that answers rest on changed: documents, the policy, or tools of the catalogue."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from opswire.contracts.message import Message
from opswire.contracts.types import Name, Nanoseconds
from pydantic import Field


class BasisKind(StrEnum):
    """What answers rest on beside the inventory."""

    KNOWLEDGE = "knowledge"
    POLICY = "policy"
    CATALOGUE = "catalogue"


class BasisChanged(Message):
    """Sent by every process that answers by it, once it answers by the new one: what it cached before is old.

    `names` are the documents or tools that were added, changed or taken out; none for the policy, which is one.
    `version` says which state it is now, for people who compare.
    """

    STEM: ClassVar[str] = "basis_changed"
    VERSION: ClassVar[int] = 1

    kind: BasisKind
    names: Annotated[list[Name], Field(max_length=900)] = Field(default_factory=list)
    version: Annotated[str, Field(max_length=128)] = ""
    changed_ns: Nanoseconds
