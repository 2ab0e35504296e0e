"""An asset was created, updated or deleted; written in the same transaction as the change (outbox)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from opswire.contracts.findings import Asset
from opswire.contracts.message import Message
from opswire.contracts.types import AssetId, Name, Nanoseconds
from pydantic import Field, model_validator


class AssetChanged(Message):
    """The whole asset after the change (absent when deleted), and the names it answered to before it."""

    STEM: ClassVar[str] = "asset_changed"
    VERSION: ClassVar[int] = 1

    asset_id: AssetId
    kind: Annotated[str, Field(pattern=r"^(created|updated|deleted)$")]
    generation: Annotated[int, Field(ge=1, le=2**53 - 1)]
    asset: Asset | None = None
    previous_names: Annotated[list[Name], Field(max_length=64)] = Field(default_factory=list)
    changed_ns: Nanoseconds

    @model_validator(mode="after")
    def _deleted_has_no_asset(self) -> Self:
        if (self.asset is None) != (self.kind == "deleted"):
            raise ValueError("asset is given unless kind is deleted")
        return self
